import ArgumentParser
import FFSModel
import Requests
import StagingService
import SystemSupport

/// A folder as it is, staged again and again.
struct Tree: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stage a folder.")
    @OptionGroup var place: Place
    @Argument(help: "The folder.") var source: String
    @Option(help: "Its name as a product.") var product: String

    func run() async throws {
        let engine = try place.engine()
        defer { engine.stop() }
        let item = try place.publish(source, as: product)
        var times: [Double] = []
        for _ in 0...place.rounds {
            var account: AccountID?
            times.append(
                try await milliseconds {
                    account = try await engine.create(stageRequest([item]), id: .random()).account
                })
            if let account { try await engine.revokeNow(account) }
        }
        // The first reads the manifest and looks at every object; the plan is kept.
        report("tree \(product)", Array(times.dropFirst()), [("first", times[0])])
    }
}

extension StagingEngine {
    /// Revokes, and waits until the tree is gone, so that the next round starts alone.
    func revokeNow(_ account: AccountID) async throws {
        try await revoke(account, policy: nil)
        let place = try Descriptor.open(CPath(accountsPath), [.read, .directory])
        while try place.statusIfPresent(of: CPath(".withdrawn/\(account)/root")) != nil {
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

/// One file of any size.
struct One: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stage one sparse file of each size.")
    @OptionGroup var place: Place
    @Argument(help: "Sizes in GiB.") var sizes: [Int]

    func run() async throws {
        let engine = try place.engine()
        defer { engine.stop() }
        let parent = try Descriptor.open(CPath(place.directory), [.read, .directory])
        for size in sizes {
            let name = "sparse-\(size)"
            let file = try parent.open(CPath(name), [.write, .create, .truncate], permissions: 0o644)
            try file.truncate(to: size << 30)
            try file.close()
            let item = try place.publish("\(place.directory)/\(name)", as: name)
            var times: [Double] = []
            for _ in 0..<max(place.rounds, 50) {
                times.append(
                    try await milliseconds { _ = try await engine.create(stageRequest([item]), id: .random()) })
            }
            report("one \(size) GiB", times)
        }
    }
}

/// As many one-file accounts as go, for a while.
struct Rate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Accounts a second, sustained.")
    @OptionGroup var place: Place
    @Option(help: "Requests under way at once.") var concurrency = 64
    @Option(help: "Seconds.") var seconds = 10

    func run() async throws {
        let engine = try place.engine()
        defer { engine.stop() }
        let item = try place.smallItem()
        _ = try await engine.create(stageRequest([item]), id: .random())
        let start = SystemClock.monotonic()
        let end = start + Int64(seconds) * 1_000_000_000
        let times = try await withThrowingTaskGroup(of: [Double].self) { group in
            for _ in 0..<concurrency {
                group.addTask {
                    var times: [Double] = []
                    while SystemClock.monotonic() < end {
                        times.append(
                            try await milliseconds {
                                _ = try await engine.create(stageRequest([item]), id: .random())
                            })
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let elapsed = Double(SystemClock.monotonic() - start) / 1e9
        report("rate", times, [("per_second", Double(times.count) / elapsed)])
    }
}

extension Place {
    /// A product of one small file.
    func smallItem() throws -> Item {
        let parent = try Descriptor.open(CPath(directory), [.read, .directory])
        if try parent.statusIfPresent(of: "small") == nil {
            try parent.writeFile("small", Array("content\n".utf8), permissions: 0o644, durable: false)
        }
        return try publish("\(directory)/small", as: "small")
    }
}

/// More accounts of one object than one inode takes links.
struct Many: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stage one object for many accounts.")
    @OptionGroup var place: Place
    @Argument(help: "Accounts.") var count: Int
    @Option(help: "Links to one inode.") var linkCeiling = 2_000_000_000

    func run() async throws {
        let engine = try place.engine { $0.linkCeiling = linkCeiling }
        defer { engine.stop() }
        let item = try place.smallItem()
        let start = SystemClock.monotonic()
        let times = try await withThrowingTaskGroup(of: [Double].self) { group in
            for part in 0..<64 {
                let own = count / 64 + (part < count % 64 ? 1 : 0)
                group.addTask {
                    var times: [Double] = []
                    for _ in 0..<own {
                        times.append(
                            try await milliseconds {
                                _ = try await engine.create(stageRequest([item]), id: .random())
                            })
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let elapsed = Double(SystemClock.monotonic() - start) / 1e9
        report("many \(count)", times, [("per_second", Double(times.count) / elapsed)])
    }
}
