import Clients
import FFSModel
import Logging
import Requests
import Synchronization
import SystemSupport
import TestSupport
import Tobj

@testable import AuthService

/// The wall clock of a test.
final class TestClock: Sendable {
    private let value: Mutex<Timestamp>

    init(_ text: String = "2026-11-21T00:00:00Z") { value = Mutex(Timestamp(text) ?? Timestamp(seconds: 0)) }

    var now: Timestamp { value.withLock { $0 } }
    func advance(_ seconds: Int64) { value.withLock { $0 = $0 + seconds } }
}

/// Log lines of a test, with their metadata.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var text: String { lines.withLock { $0.joined(separator: "\n") } }
    var logger: Logger { Logger(label: "test") { [self] _ in Handler(lines: self) } }

    fileprivate func append(_ line: String) { lines.withLock { $0.append(line) } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted().joined(separator: " ")
            lines.append("\(event.level) \(event.message) \(fields)")
        }
    }
}

/// Carries requests to a table in this process, through their bytes on the wire.
struct TableTransport: RequestTransport {
    let table: RequestTable
    let link: Link

    func exchange(_ request: Document) async throws(Failure) -> Document {
        let received = try Document(bytes: request.serialized())
        let reply = await table.answer(received, link: link, peer: "test") { _, _ in }
        return try Document(bytes: reply.serialized())
    }
}

/// An AuthService on a fresh database, and clients of both its links.
struct Harness {
    let directory: TemporaryDirectory
    let database: SQLiteMasterDatabase
    let hasher: PasswordHasher
    let service: AuthService
    let clock: TestClock
    let log: LogLines
    /// As ffswebd.
    let web: AuthClient
    /// As ffsctl.
    let operators: AuthClient
    let table: RequestTable

    var path: String { directory("auth/master.sqlite") }

    init(
        settings: SignInSettings = .fast, threads: Int = 1, queue: Int = 64, directory: TemporaryDirectory? = nil,
        steady: @escaping @Sendable () -> Int64 = SystemClock.sinceBoot
    ) throws {
        let directory = try directory ?? TemporaryDirectory("auth")
        self.directory = directory
        clock = TestClock()
        log = LogLines()
        database = try SQLiteMasterDatabase(path: directory("auth/master.sqlite"), owner: try Self.owner())
        hasher = try PasswordHasher(cost: settings.hashCost, threads: threads, queue: queue)
        service = AuthService(
            database: database, hasher: hasher, settings: settings, logger: log.logger,
            clock: { [clock] in clock.now }, steady: steady)
        table = service.requestTable(daemon: "ffsauthd", version: "test")
        web = AuthClient(TableTransport(table: table, link: .webInternal))
        operators = AuthClient(TableTransport(table: table, link: .control))
    }

    static func owner() throws -> SystemUser {
        guard let user = try SystemUser(number: SystemUser.effectiveNumber) else {
            throw TestFailure("the user of this test has no name")
        }
        return user
    }

    /// A customer who may sign in, with password "correct horse".
    @discardableResult
    func customer(_ name: String = "acme", expires: Timestamp? = nil) async throws -> CustomerName {
        let customer = try CustomerName(name)
        _ = try await operators.send(
            CustomerCreate(customer: customer, displayName: "\(name) Ltd.", expires: expires, password: .correct))
        return customer
    }

    /// A published version with a digest of its own.
    @discardableResult
    func content(_ product: String, _ version: String, replace: Bool = false, seed: UInt8 = 0) async throws -> Item {
        let item = Item(product: try ProductName(product), version: try VersionName(version))
        _ = try await operators.send(
            ContentRegister(
                product: item.product, version: item.version, title: "Title of \(product)",
                manifest: digest(product, version, seed), size: 1_000, files: 3, replace: replace))
        return item
    }

    @discardableResult
    func grant(
        _ customer: CustomerName, _ product: String, version: String? = nil, from: Timestamp? = nil,
        until: Timestamp? = nil, policy: ExpiryPolicy = .finish, orderLimit: Int? = nil
    ) async throws -> EntitlementRecord {
        try await operators.send(
            EntitlementGrant(
                customer: customer, product: try ProductName(product), version: try version.map { try VersionName($0) },
                from: from, until: until, policy: policy, orderLimit: orderLimit))
    }

    func order(_ customer: CustomerName, _ items: [Item], id: RequestID = .random()) async throws -> AuthOrder.Reply {
        try await web.order(customer: customer, items: items, source: "192.0.2.1", id: id)
    }

    func login(_ customer: CustomerName, _ password: [UInt8] = .correct, from source: String = "192.0.2.1") async throws
        -> AuthLogin.Reply
    {
        try await web.login(customer: customer, password: password, source: source)
    }
}

extension [UInt8] {
    static var correct: [UInt8] { Array("correct horse".utf8) }
    static var wrong: [UInt8] { Array("incorrect horse".utf8) }
}

extension SignInSettings {
    /// Cheap hashes and short waits; what the tests of time themselves set otherwise.
    static var fast: SignInSettings {
        SignInSettings(hashCost: 1, refusalStep: .milliseconds(1))
    }
}

/// 32 bytes that depend on all arguments.
func digest(_ product: String, _ version: String, _ seed: UInt8) -> ContentDigest {
    var bytes = [UInt8](repeating: seed, count: 32)
    for (index, byte) in "\(product)/\(version)".utf8.enumerated() {
        bytes[index % 32] &+= byte &* UInt8(index + 3 & 255)
    }
    guard let digest = ContentDigest(bytes: bytes) else { preconditionFailure("32 bytes are a digest") }
    return digest
}

/// The failure that `body` throws; a test failure when it throws none.
func failure(_ body: () async throws -> some Any) async throws -> Failure {
    do { _ = try await body() } catch let failure as Failure { return failure }
    throw TestFailure("nothing was refused")
}
