import FFSModel
import Glibc
import Logging
import Repository
import Requests
import StagingService
import StoredFormats
import Synchronization
import SystemSupport
import TestSupport

/// Wall time and steady time that tests move by hand.
final class TestClock: Sendable {
    private let times: Mutex<(wall: Int64, steady: Int64)>

    init() { times = Mutex((SystemClock.now().seconds, 1_000)) }

    /// Time passes.
    func pass(_ seconds: Int64) {
        times.withLock { $0 = ($0.wall + seconds, $0.steady + seconds) }
    }

    /// Someone sets the clock.
    func step(_ seconds: Int64) { times.withLock { $0.wall += seconds } }

    var clock: StagingClock {
        StagingClock(
            now: { self.times.withLock { Timestamp(seconds: $0.wall) } }, steady: { self.times.withLock { $0.steady } })
    }
}

/// A repository, an account area and an engine on them, in a directory that goes away.
final class StagingFixture {
    let directory: TemporaryDirectory
    let repository: Repository
    let clock = TestClock()
    let log = RecordingLog()
    var settings: StagingSettings
    private(set) var engine: StagingEngine

    init(linkCeiling: Int = 64_000, threads: Int = 2, queue: Int = 512, in path: String? = nil) throws {
        directory = try TemporaryDirectory("staging")
        let place = path ?? directory.path
        for folder in ["repository", "accounts", "state"] { try Files.makeDirectory("\(place)/\(folder)") }
        try Files.makeDirectory(directory("source"))
        repository = try Repository(path: "\(place)/repository", owner: nil)
        settings = StagingSettings(
            repository: "\(place)/repository", accounts: "\(place)/accounts", stateDirectory: "\(place)/state",
            owner: "root")
        settings.linkCeiling = linkCeiling
        settings.threads = threads
        settings.queue = queue
        // Tests of other things may make as many as they like.
        settings.accountsPerCustomer = 0
        settings.accountsPerHour = 0
        engine = try StagingEngine(settings: settings, logger: log.logger, clock: clock.clock)
    }

    deinit { engine.stop() }

    /// Ends the engine and starts another on the same directories.
    func restart() throws {
        engine.stop()
        engine = try StagingEngine(settings: settings, logger: log.logger, clock: clock.clock)
    }

    static func item(_ product: String = "tool", _ version: String = "1.0") -> Item {
        Item(product: ProductName(validated: product), version: VersionName(validated: version))
    }

    /// Publishes files given by path and text.
    @discardableResult
    func publish(_ files: [String: String], as item: Item = item()) throws -> PublishedVersion {
        let source = directory("source/\(ID128.random())")
        try Files.makeDirectory(source)
        for (path, text) in files {
            if let slash = path.lastIndex(of: "/") { try Files.makeDirectory("\(source)/\(path[..<slash])") }
            try Files.write(text, to: "\(source)/\(path)")
        }
        return try repository.publish(try SourceTree(path: source), as: item)
    }

    static func request(
        _ items: [Item] = [item()], lifetime: Int = 3_600, policy: ExpiryPolicy = .finish
    ) -> StageCreate {
        StageCreate(
            customer: CustomerName(validated: "acme"), items: items, lifetime: lifetime, policy: policy, order: 7)
    }

    func create(
        _ items: [Item] = [item()], id: RequestID = .random(), lifetime: Int = 3_600, policy: ExpiryPolicy = .finish
    ) async throws -> StagedAccount {
        try await engine.create(Self.request(items, lifetime: lifetime, policy: policy), id: id)
    }

    /// A path in the account area.
    func area(_ path: String) -> String { "\(settings.accounts)/\(path)" }

    func record(_ account: AccountID, in folder: String = "") throws -> AccountRecord {
        let text = try Files.read(area("\(folder)\(account)/record"))
        return try AccountRecord(bytes: Array(text.utf8))
    }

    /// Names in the area that are accounts.
    func accounts() throws -> [String] {
        try Files.names(in: settings.accounts).filter { !$0.hasPrefix(".") }
    }

    /// Waits up to ten seconds for the threads to bring something about.
    func eventually(_ condition: () throws -> Bool) async throws -> Bool {
        for _ in 0..<400 {
            if try condition() { return true }
            try await Task.sleep(for: .milliseconds(25))
        }
        return false
    }
}

/// Keeps what is logged.
final class RecordingLog: Sendable {
    private let lines = Mutex<[String]>([])

    var logger: Logger {
        Logger(label: "test") { _ in Handler(log: self) }
    }

    func contains(_ text: String) -> Bool { lines.withLock { $0.contains { $0.contains(text) } } }

    private struct Handler: LogHandler {
        let log: RecordingLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        init(log: RecordingLog) { self.log = log }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { log.lines.withLock { $0.append("\(event.level) \(event.message)") } }
    }
}
