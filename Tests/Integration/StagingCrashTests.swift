import Clients
import CommlinkTransport
import Events
import FFSModel
import Glibc
import Journal
import Logging
import Requests
import Synchronization
import SystemSupport
import TestSupport
import Testing

/// ffsstaged as a process of its own on a repository, an account area and a key bag in a temporary directory.
private struct StagingHost: Sendable {
    let directory: TemporaryDirectory
    let ports: ClosedRange<Int>

    private var config: String { directory("ffs.yaml") }

    /// The user that a test run as root lets the daemon become.
    private static let user = "nobody"

    init() async throws {
        directory = try TemporaryDirectory("staged")
        ports = try Ports.range(2)
        for name in ["run", "state", "keybag", "repository", "accounts", "journal"] {
            try Files.makeDirectory(directory(name))
        }
        try Files.write(
            """
            run:
              directory: \(directory("run"))
            state:
              directory: \(directory("state"))
            commlink:
              keybag-directory: \(directory("keybag"))
            staging:
              user: \(Self.user)
              repository: \(directory("repository"))
              accounts: \(directory("accounts"))
              base-port: \(ports.lowerBound)
              port-count: \(ports.count)
            pipeline:
              journal-directory: \(directory("journal"))

            """, to: config)
        try await ffsctl("keys", "generate", "web-storage").succeeded()
        if geteuid() == 0 {
            try await command(
                ["chown", Self.user] + ["run", "state", "repository", "accounts", "journal"].map { directory($0) }
            ).succeeded()
            let group = try await command(["id", "-gn", Self.user]).succeeded().trimmed
            try await command(["chgrp", group, directory("keybag/web-storage")]).succeeded()
        }
    }

    func ffsctl(_ words: String...) async throws -> CommandResult {
        try await command([Project.program("ffsctl")] + words + ["--config", config])
    }

    /// Publishes `files` small files, under three products of one, some and many files.
    func publish() async throws {
        for (product, files) in [("one", 1), ("some", 60), ("many", 3_000)] {
            let source = directory("source-\(product)")
            for number in 0..<files {
                if number % 500 == 0 { try Files.makeDirectory("\(source)/d\(number / 500)") }
                let path = "\(source)/d\(number / 500)/f\(number)"
                try await Task.detached { try Files.write("\(product) \(number % 700)\n", to: path) }.value
            }
            try await ffsctl("product", "publish", product, "1", source, "--no-register").succeeded()
        }
    }

    func start() async throws -> DaemonProcess {
        let daemon = try await DaemonProcess.start(
            [Project.program("ffsstaged"), "--config", config], name: "ffsstaged", logPath: directory("log"))
        try await daemon.logged("ready")
        return daemon
    }

    /// The web front's end of the commlink; its requests outlive the daemon.
    func client() throws -> CommlinkClient {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let bags = try KeyBagStore(
            directory: directory("keybag"), link: .webStorage, allowTestKeys: false, logger: logger)
        return CommlinkClient(
            link: .webStorage, host: "127.0.0.1", ports: ports, bags: bags, settings: CommlinkSettings(),
            logger: logger)
    }

    /// Accounts that the journal says were staged.
    func recorded() throws -> Set<String> {
        var accounts: Set<String> = []
        let folder = directory("journal/ffsstaged")
        for name in try Files.names(in: folder) where name.hasSuffix(".open") || name.hasSuffix(".sealed") {
            guard var reader = try SegmentReader(try Descriptor.open(CPath("\(folder)/\(name)"), .read)) else {
                continue
            }
            for case .record(_, let bytes) in try reader.next(limit: 100_000, byteLimit: 1 << 26, isSealed: true) {
                let event = try Event(record: bytes)
                if event.type == .accountStaged, let account = event.text(.account) { accounts.insert(account) }
            }
        }
        return accounts
    }

    func accounts() throws -> [String] {
        try Files.names(in: directory("accounts")).filter { !$0.hasPrefix(".") }
    }
}

@Suite(.timeLimit(.minutes(10))) struct StagingCrashTests {
    /// Requests, all of which get their account in the end, however often the daemon dies under them.
    private static let requests = 100

    private final class Progress: Sendable { let answered = Atomic(0) }

    /// One request until it is answered, always with the same id.
    private static func insist(
        _ staging: StagingClient, _ request: StageCreate, _ id: RequestID
    ) async throws -> StagedAccount {
        while true {
            do { return try await staging.create(request, id: id) } catch {
                guard [.unreachable, .draining, .busy].contains(error.code) else { throw error }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    @Test func everyAccountIsWholeOrAbsent() async throws {
        let host = try await StagingHost()
        try await host.publish()
        let client = try host.client()
        let staging = StagingClient(client)
        let sizes = ["one": 1, "some": 60, "many": 3_000]
        let progress = Progress()

        let made = try await withThrowingTaskGroup(of: (RequestID, StagedAccount)?.self) { group in
            group.addTask {
                // Kills at random moments, most of them while a tree is being built; every fourth time the daemon gets
                // long enough for the largest ones.
                var life = 0
                while progress.answered.load(ordering: .relaxed) < Self.requests {
                    let daemon = try await host.start()
                    life += 1
                    try await Task.sleep(for: .milliseconds(.random(in: 0...(life % 4 == 0 ? 3_000 : 150))))
                    try await daemon.kill9()
                    try inspect(host, sizes)
                }
                return nil
            }
            for number in 0..<Self.requests {
                group.addTask {
                    try await Task.sleep(for: .milliseconds(number * 40))
                    let product = sizes.keys.sorted()[number % 3]
                    let item = Item(product: try ProductName(product), version: try VersionName("1"))
                    let id = RequestID.random()
                    let account = try await Self.insist(
                        staging, StageCreate(customer: try CustomerName("acme"), items: [item], lifetime: 3_600), id)
                    progress.answered.add(1, ordering: .relaxed)
                    return (id, account)
                }
            }
            var made: [RequestID: StagedAccount] = [:]
            for try await case (let id, let account)? in group { made[id] = account }
            return made
        }
        #expect(made.count == Self.requests)

        let daemon = try await host.start()
        try await eventually("the area is mended") {
            try Files.names(in: host.directory("accounts/.building")).isEmpty
                && Files.names(in: host.directory("accounts/.withdrawn")).isEmpty
        }
        #expect(try Set(host.accounts()) == Set(made.values.map(\.account.text)))
        try await eventually("every account is in the journal, whenever the daemon died") {
            try host.recorded().isSuperset(of: host.accounts())
        }
        #expect(try await host.ffsctl("staging", "reconcile", "--dry-run", "--json").succeeded().trimmed == "[]")
        // Whoever asks again gets the same.
        for (id, account) in made {
            let again = try await staging.create(
                StageCreate(customer: account.customer, items: account.items, lifetime: 3_600), id: id)
            #expect(again.account == account.account && again.password == account.password)
        }
        #expect(try host.accounts().count == Self.requests)
        for account in made.values {
            try await command(
                ["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"],
                directory: host.directory("accounts/\(account.account)/root")
            ).succeeded()
        }
        await client.close()
        #expect(try await daemon.stop() == 0)
        // A process's place for unfinished objects goes with the next start; nothing unfinished may be in it.
        for session in try Files.names(in: host.directory("repository/incoming")) {
            #expect(try Files.names(in: host.directory("repository/incoming/\(session)")).isEmpty)
        }
    }

    /// With the daemon dead, before anything mends: what a customer could see is whole already.
    private func inspect(_ host: StagingHost, _ sizes: [String: Int]) throws {
        for account in try host.accounts() {
            let root = host.directory("accounts/\(account)/root")
            #expect(Files.exists(host.directory("accounts/\(account)/record")), "\(account)")
            let product = try #require(try Files.names(in: root).first { $0 != "SHA256SUMS" })
            let files = try Files.below("\(root)/\(product)").count
            #expect(files == sizes[String(product.dropLast(2))], "\(account) holds \(files) files of \(product)")
        }
    }
}
