import Commlink
import FFSModel
import Glibc
import Logging
import Requests
import Synchronization
import TestSupport
import Testing
import Tobj

@testable import CommlinkTransport

/// A key bag directory of its own, removed at the end.
final class KeyDirectory: Sendable {
    let path: String
    let link: Link

    init(link: Link = .webInternal) throws {
        var template = Array("/tmp/ffs-keys-XXXXXX\0".utf8CString.map { UInt8(bitPattern: $0) })
        template.withUnsafeMutableBytes { _ = mkdtemp($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
        path = String(decoding: template.prefix { $0 != 0 }, as: UTF8.self)
        self.link = link
        chmod(path, 0o750)
    }

    deinit {
        for name in ["", ".previous", ".previous-until", ".next"] { unlink("\(path)/\(link.rawValue)\(name)") }
        rmdir(path)
    }

    func write(_ bytes: [UInt8], _ suffix: String = "", mode: mode_t = 0o640) {
        let name = "\(path)/\(link.rawValue)\(suffix)"
        let file = open("\(name).new", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        bytes.withUnsafeBytes { _ = Glibc.write(file, $0.baseAddress, $0.count) }
        fchmod(file, mode)
        close(file)
        rename("\(name).new", name)
    }

    @discardableResult
    func writeBag(_ suffix: String = "", link: String? = nil) throws -> KeyBag {
        var random = SystemRandomNumberGenerator()
        let bag = try KeyBag.generate(
            link: link ?? self.link.rawValue, created: Timestamp(seconds: 0), random: &random)
        write(bag.serialized(), suffix)
        return bag
    }

    func remove(_ suffix: String) { unlink("\(path)/\(link.rawValue)\(suffix)") }

    func store(allowTestKeys: Bool = false) throws -> KeyBagStore {
        try KeyBagStore(directory: path, link: link, allowTestKeys: allowTestKeys, logger: quiet)
    }
}

let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

/// What a server under test did.
final class Ledger: Sendable {
    let calls = Mutex<[RequestID: Int]>([:])
    /// Requests in their handler now, and the most there were.
    private let running = Mutex((now: 0, peak: 0))
    var peak: Int { running.withLock { $0.peak } }
    var nothingTwice: Bool { calls.withLock { $0.values.allSatisfy { $0 == 1 } } }
    func count(_ id: RequestID) -> Int { calls.withLock { $0[id] ?? 0 } }

    /// Lets `wait` go on.
    func release() { released.withLock { $0 = true } }
    fileprivate func wait() async throws { try await eventually("release") { released.withLock { $0 } } }
    private let released = Mutex(false)

    /// The clients' addresses and ports, of `auth.login`.
    var peers: Set<String> { seen.withLock { $0 } }
    fileprivate let seen = Mutex<Set<String>>([])

    func enter() { running.withLock { $0 = ($0.now + 1, max($0.peak, $0.now + 1)) } }
    func leave() { running.withLock { $0.now -= 1 } }

    /// Returns once `count` requests have reached their handler.
    func begun(_ count: Int) async throws {
        try await eventually("\(count) requests under way") { total >= count }
    }

    var total: Int { calls.withLock { $0.values.reduce(0, +) } }
}

/// `auth.password` stands for a request that changes something; its source says how long it takes, or that it fails.
func table(_ ledger: Ledger) -> RequestTable {
    var table = RequestTable(daemon: "ffstest", version: "1") { Timestamp(seconds: 1_000_000_000) }
    table.on(AuthEntitlements.self) { _, _ in
        let item = Item(product: try ProductName("p"), version: try VersionName("1"))
        return AuthEntitlements.Reply(
            entitlements: (0..<200).map { _ in
                Entitlement(
                    item: item, title: "t", summary: String(repeating: "s", count: 1_000), size: 1, files: 1,
                    released: Timestamp(seconds: 0), until: nil, policy: .finish)
            })
    }
    table.on(AuthPassword.self) { message, context in
        ledger.calls.withLock { $0[context.id, default: 0] += 1 }
        ledger.enter()
        defer { ledger.leave() }
        if message.source.hasPrefix("sleep ") {
            try await Task.sleep(for: .milliseconds(Int(message.source.dropFirst(6)) ?? 0))
        }
        if message.source == "wait" { try await ledger.wait() }
        if message.source.hasPrefix("fail ") {
            throw Failure(FailureCode(rawValue: String(message.source.dropFirst(5))) ?? .internal, "no")
        }
        return AuthPassword.Reply(generation: ledger.total)
    }
    table.on(AuthOrder.self) { _, context in
        ledger.calls.withLock { $0[context.id, default: 0] += 1 }
        return AuthOrder.Reply(order: 1, policy: .finish, until: nil)
    }
    table.on(AuthLogin.self) { message, context in
        ledger.seen.withLock { _ = $0.insert(context.peer) }
        ledger.calls.withLock { $0[context.id, default: 0] += 1 }
        return AuthLogin.Reply(customer: message.customer, displayName: "x", generation: 1)
    }
    return table
}

func change(_ source: String = "-") throws -> AuthPassword {
    AuthPassword(customer: try CustomerName("acme"), password: [1], newPassword: [2], source: source)
}

/// A server on free ports of the loopback interface, running until ``stop()``.
struct RunningServer {
    let server: CommlinkServer
    let ports: ClosedRange<Int>
    let task: Task<Void, any Error>

    init(
        _ keys: KeyBagStore, _ table: RequestTable, count: Int = 1, ports: ClosedRange<Int>? = nil,
        settings: CommlinkSettings = CommlinkSettings(), logger: Logger = quiet
    ) async throws {
        self.ports = try ports ?? Ports.range(count)
        server = CommlinkServer(
            link: keys.link, address: "127.0.0.1", ports: self.ports, bags: keys, settings: settings, table: table,
            logger: logger)
        try await server.bind()
        let server = self.server
        task = Task { try await server.run() }
    }

    func client(_ keys: KeyBagStore, settings: CommlinkSettings = CommlinkSettings()) -> CommlinkClient {
        CommlinkClient(
            link: keys.link, host: "127.0.0.1", ports: ports, bags: keys, settings: settings, logger: quiet)
    }

    func stop() async throws {
        server.shutdown()
        try await task.value
    }
}

/// Keeps what is logged: `message key=value …` lines.
struct LogBook: LogHandler {
    private let book: Pages

    final class Pages: Sendable {
        private let lines = Mutex<[String]>([])
        func append(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    init(_ book: Pages) { self.book = book }

    func log(event: LogEvent) {
        let fields = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted().joined(separator: " ")
        book.append("\(event.level) \(event.message) \(fields)")
    }

    static func logger(_ pages: Pages) -> Logger { Logger(label: "test") { _ in LogBook(pages) } }
}
