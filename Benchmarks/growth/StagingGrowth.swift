import ArgumentParser
import FFSModel
import Foundation
import Repository
import Requests
import StagingService
import SystemSupport

/// An engine on the benchmark's directory, without limits on what one customer may have.
private func engine(_ directory: String) throws -> StagingEngine {
    let parent = try Descriptor.open(CPath(directory), [.read, .directory])
    for name in ["repository", "accounts", "state"] {
        _ = try parent.ensureDirectory(CPath(name), permissions: 0o755).release()
    }
    Privileges.setCreationMask(0o022)
    var settings = StagingSettings(
        repository: "\(directory)/repository", accounts: "\(directory)/accounts", stateDirectory: "\(directory)/state",
        owner: "root")
    settings.reapRate = 10_000_000
    settings.queue = 65_536
    settings.accountsPerCustomer = 0
    settings.accountsPerHour = 0
    return try StagingEngine(settings: settings, logger: quiet)
}

private func publish(_ directory: String, _ product: String, _ make: (borrowing Descriptor) throws -> Void) throws
    -> Item
{
    let item = Item(product: try ProductName(product), version: try VersionName("1"))
    let repository = try Repository(path: "\(directory)/repository", owner: nil)
    guard try repository.versionStatus(item) == nil else { return item }
    let parent = try Descriptor.open(CPath(directory), [.read, .directory])
    let source = try parent.ensureDirectory(CPath("source-\(product)"), permissions: 0o755)
    try make(source)
    _ = try repository.publish(try SourceTree(path: "\(directory)/source-\(product)"), as: item)
    return item
}

private func file(_ name: String, in folder: borrowing Descriptor) throws {
    try folder.writeFile(CPath(name), Array("content".utf8), permissions: 0o644, durable: false)
}

/// Living accounts of a one-file product: one customer has fifty, the others share the rest.
struct StagingGrowth: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "staging", abstract: "Living accounts on a storage host.")
    @OptionGroup var steps: Steps

    func run() async throws {
        let item = try publish(steps.directory, "one") { try file("file", in: $0) }
        var engine = try engine(steps.directory)
        var filled = 0
        let one = try CustomerName("one")
        for _ in 0..<50 {
            _ = try await engine.create(
                StageCreate(customer: one, items: [item], lifetime: 31_000_000), id: .random())
        }
        for size in steps.sizes {
            try await fill(engine, item, from: filled, to: size)
            filled = size
            engine.stop()
            // From the start to the first answer.
            let start = try await milliseconds {
                engine = try StagingGrowth.restarted(steps.directory)
                _ = try await engine.create(
                    StageCreate(customer: CustomerName("first"), items: [item], lifetime: 60), id: .random())
            }
            report("staging", "start", size, [start])
            let whole = try await milliseconds {
                while (try? await engine.list(StageList(customer: one, limit: 1))) == nil {
                    try await Task.sleep(for: .milliseconds(1))
                }
            }
            report("staging", "area-read", size, [whole])
            try await ask(engine, item, one, size)
        }
        engine.stop()
    }

    private static func restarted(_ directory: String) throws -> StagingEngine { try engine(directory) }

    private func fill(_ engine: StagingEngine, _ item: Item, from first: Int, to end: Int) async throws {
        for start in stride(from: first, to: end, by: 500) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in start..<min(start + 500, end) {
                    group.addTask {
                        let request = StageCreate(
                            customer: try CustomerName("c\(number % 1_000)"), items: [item], lifetime: 31_000_000)
                        _ = try await engine.create(request, id: .random())
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    private func ask(_ engine: StagingEngine, _ item: Item, _ one: CustomerName, _ size: Int) async throws {
        func measure(_ what: String, _ body: () async throws -> Void) async throws {
            var times: [Double] = []
            for _ in 0..<steps.rounds { times.append(try await milliseconds(body)) }
            report("staging", what, size, times)
        }
        let rows = try await engine.list(StageList(customer: one, limit: 1)).rows
        guard let account = rows.first?.account else { throw ValidationError("the customer has no account") }
        try await measure("create-and-revoke") {
            let made = try await engine.create(
                StageCreate(customer: CustomerName("passing"), items: [item], lifetime: 60), id: .random())
            try await engine.revoke(made.account, policy: nil)
        }
        try await measure("status") { _ = try await engine.status(account) }
        try await measure("extend") { _ = try await engine.extend(account, lifetime: 30_000_000) }
        try await measure("accounts-of-one") { _ = try await engine.list(StageList(customer: one, limit: 50)) }
        try await measure("accounts-page") { _ = try await engine.list(StageList(limit: 50)) }
    }
}

/// How fast trees of several shapes go, and how late a small account ends meanwhile.
struct Reaping: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Reaping of trees of one size and several shapes.")
    @OptionGroup var steps: Steps

    func run() async throws {
        let count = min(steps.largest, 50_000)
        let shapes: [(String, (borrowing Descriptor) throws -> Void)] = [
            ("flat", { top in for number in 0..<count { try file("\(number)", in: top) } }),
            (
                "folder-each",
                { top in
                    for number in 0..<count {
                        try file("f", in: top.ensureDirectory(CPath("\(number)"), permissions: 0o755))
                    }
                }
            ),
            (
                "deep",
                { top in
                    for number in 0..<count / 500 {
                        var folder = try top.ensureDirectory(CPath("\(number)"), permissions: 0o755)
                        for level in 0..<500 {
                            try file("f", in: folder)
                            folder = try folder.ensureDirectory(CPath("\(level)"), permissions: 0o755)
                        }
                        try file("f", in: folder)
                    }
                }
            ),
        ]
        let small = try publish(steps.directory, "one") { try file("file", in: $0) }
        for (shape, make) in shapes {
            let item = try publish(steps.directory, shape, make)
            let engine = try engine(steps.directory)
            let customer = try CustomerName("reaped")
            let large = try await engine.create(
                StageCreate(customer: customer, items: [item], lifetime: 3_600), id: .random())
            let brief = try await engine.create(
                StageCreate(customer: customer, items: [small], lifetime: 2), id: .random())
            // The small one's time comes while the large one goes.
            try await Task.sleep(for: .milliseconds(900))
            let area = try Descriptor.open(CPath("\(steps.directory)/accounts"), [.read, .directory])
            var late: Double?
            let taken = try await milliseconds {
                try await engine.revoke(large.account, policy: nil)
                while try area.statusIfPresent(of: CPath(".withdrawn/\(large.account)/root")) != nil {
                    if late == nil, try area.statusIfPresent(of: CPath(brief.account.text)) == nil {
                        late = (Date().timeIntervalSince1970 - Double(brief.expires.seconds)) * 1_000
                    }
                    try await Task.sleep(for: .milliseconds(2))
                }
            }
            report("reaping", "\(shape)-ms-for-\(large.fileCount)-files", large.fileCount, [taken])
            if let late { report("reaping", "\(shape)-expiry-late-by", large.fileCount, [late]) }
            engine.stop()
        }
    }
}
