import AuthService
import ChangeFeed
import Clients
import Commlink
import CommlinkTransport
import FFSModel
import GRDB
import Glibc
import Logging
import Requests
import Synchronization
import SystemSupport
import Tobj
import WebFront

/// `bench-feed [subscribers] [changes]`: from a commit in the master database to its application on every subscriber, each
/// with a connection of its own through a relay to ffsauthd's service, all of it over loopback in this process. Half of the
/// changes are made by requests, half by another connection's SQL, which tells nobody. The probe of the same run is the
/// commit alone.
@main
struct BenchFeed {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        let subscribers = arguments.first ?? 100
        let changes = arguments.dropFirst().first ?? 200
        let bench = try await Bench()
        try await bench.measure(subscribers: subscribers, changes: changes)
        await bench.stop()
    }
}

private struct Bench {
    private let directory: String
    private let logger = Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() })
    private let database: SQLiteMasterDatabase
    private let table: RequestTable
    private let keys: [Link: KeyBagStore]
    private let servers: [CommlinkServer]
    private let running: [Task<Void, any Error>]
    private let base = Int(getpid()) % 10_000 + 20_000

    init() async throws {
        var template = Array("/tmp/bench-feed-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(.internal, "cannot make a directory in /tmp") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let user = try SystemUser(number: SystemUser.effectiveNumber) else {
            throw Failure(.internal, "this user has no name")
        }
        database = try SQLiteMasterDatabase(path: "\(directory)/auth/master.sqlite", owner: user)
        let service = AuthService(
            database: database, hasher: try PasswordHasher(cost: 1, threads: 1, queue: 1),
            settings: SignInSettings(hashCost: 1), logger: logger, clock: SystemClock.now)
        table = service.requestTable(daemon: "ffsauthd", version: "benchmark")
        keys = try Self.keys(in: directory, logger)
        let inner = try Self.server(.webInternal, base, keys, table, logger)
        try await inner.bind()
        var relayed = RequestTable(daemon: "ffswebd", version: "benchmark", clock: SystemClock.now)
        let upstream = try Self.client(.webInternal, base, keys, logger)
        Relay(auth: upstream, pipe: nil, steady: { SystemClock.sinceBoot() / 1_000_000_000 }).add(to: &relayed)
        let outer = try Self.server(.storageWeb, base + 1, keys, relayed, logger)
        try await outer.bind()
        servers = [inner, outer]
        running = servers.map { server in Task { try await server.run() } } + [Task { await service.watch.run() }]
    }

    private static func keys(in directory: String, _ logger: Logger) throws -> [Link: KeyBagStore] {
        var random = SystemRandomNumberGenerator()
        var keys: [Link: KeyBagStore] = [:]
        for link in [Link.webInternal, .storageWeb] {
            let bag = try KeyBag.generate(link: link.rawValue, created: SystemClock.now(), random: &random)
            try KeyBagDirectory(path: directory, link: link).install(bag, as: .current)
            keys[link] = try KeyBagStore(directory: directory, link: link, allowTestKeys: false, logger: logger)
        }
        return keys
    }

    private static func server(
        _ link: Link, _ port: Int, _ keys: [Link: KeyBagStore], _ table: RequestTable, _ logger: Logger
    ) throws -> CommlinkServer {
        CommlinkServer(
            link: link, address: "127.0.0.1", ports: port...port, bags: try bag(link, keys),
            settings: CommlinkSettings(), table: table, logger: logger)
    }

    private static func client(
        _ link: Link, _ port: Int, _ keys: [Link: KeyBagStore], _ logger: Logger
    ) throws -> CommlinkClient {
        CommlinkClient(
            link: link, host: "127.0.0.1", ports: port...port, bags: try bag(link, keys), settings: CommlinkSettings(),
            logger: logger)
    }

    private static func bag(_ link: Link, _ keys: [Link: KeyBagStore]) throws -> KeyBagStore {
        guard let bag = keys[link] else { throw Failure(.internal, "no key bag of \(link)") }
        return bag
    }

    func stop() async {
        for server in servers.reversed() { server.shutdown() }
        for task in running { task.cancel() }
        try? await database.close()
    }

    // MARK: Measuring

    /// Row number → when each subscriber had applied it.
    private final class Applied: Sendable {
        let times = Mutex<[Int: [Int64]]>([:])
        /// Subscribers that know the head.
        let ready = Atomic(0)

        func add(_ number: Int, at time: Int64) { times.withLock { $0[number, default: []].append(time) } }
        func count(_ number: Int) -> Int { times.withLock { $0[number]?.count ?? 0 } }
    }

    func measure(subscribers: Int, changes: Int) async throws {
        let customer = try CustomerName("acme")
        let operators = AuthClient(Direct(table: table))
        _ = try await operators.send(CustomerCreate(customer: customer))
        let applied = Applied()
        let clients = try (0..<subscribers).map { _ in try Self.client(.storageWeb, base + 1, keys, logger) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, client) in clients.enumerated() {
                group.addTask { try await follow(AuthClient(client), "storage-\(number)", applied) }
            }
            while applied.ready.load(ordering: .relaxed) < subscribers { try await Task.sleep(for: .milliseconds(20)) }
            let raw = try DatabaseQueue(path: "\(directory)/auth/master.sqlite")
            var (commits, delays): ([String: [Double]], [String: [Double]]) = ([:], [:])
            for change in 0..<changes {
                let kind = change.isMultiple(of: 2) ? "request" : "raw SQL"
                let expires = 2_000_000_000 + change
                let start = SystemClock.monotonic()
                if kind == "request" {
                    let end = Deadline.at(Timestamp(seconds: Int64(expires)))
                    _ = try await operators.send(CustomerUpdate(customer: customer, expires: end))
                } else {
                    try await raw.write { try $0.execute(sql: "UPDATE customers SET expires = \(expires)") }
                }
                commits[kind, default: []].append(Double(SystemClock.monotonic() - start) / 1e6)
                let number = try await database.read { try $0.feedHead().number }
                while applied.count(number) < subscribers { try await Task.sleep(for: .milliseconds(5)) }
                let times = applied.times.withLock { $0.removeValue(forKey: number) ?? [] }
                delays[kind, default: []] += times.map { Double($0 - start) / 1e6 }
                try await Task.sleep(for: .milliseconds(Int.random(in: 10...60)))
            }
            for kind in ["request", "raw SQL"] {
                report("commit by \(kind) alone (probe)", commits[kind] ?? [])
                report("commit by \(kind) to applied, \(subscribers) subscribers", delays[kind] ?? [])
            }
            group.cancelAll()
        }
    }

    /// A host, as far as the feed goes.
    private func follow(_ auth: AuthClient, _ name: String, _ applied: Applied) async throws {
        let node = try NodeName(name)
        var follower = FeedFollower(lease: 30_000_000_000)
        var isFirst = true
        while !Task.isCancelled {
            let question = follower.question(at: SystemClock.sinceBoot())
            let message = FeedNext(
                node: node, after: question.after, seen: question.seen, wait: Int(follower.longestWait / 1_000_000))
            guard let answer = try? await auth.send(message) else { return }
            try follower.begin(answer, to: question)
            let now = SystemClock.monotonic()
            for row in answer.rows { applied.add(row.position.number, at: now) }
            follower.applied(answer, to: question)
            let lease = Int(follower.leaseLeft(at: SystemClock.sinceBoot()) / 1_000_000)
            _ = try await auth.send(FeedAcknowledge(node: node, position: answer.position, lease: lease))
            if isFirst { applied.ready.add(1, ordering: .relaxed) }
            isFirst = false
        }
    }

    private func report(_ what: String, _ times: [Double]) {
        let sorted = times.sorted()
        guard let last = sorted.last else { return }
        func percentile(_ share: Double) -> Double { sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))] }
        let values = [("p50", percentile(0.5)), ("p99", percentile(0.99)), ("max", last)]
        print("\(what): " + values.map { "\($0.0) \(rounded($0.1)) ms" }.joined(separator: ", "))
    }

    private func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}

/// Carries operators' requests to the service in this process.
private struct Direct: RequestTransport {
    let table: RequestTable

    func exchange(_ request: Document) async throws(Failure) -> Document {
        await table.answer(request, link: .control, peer: "benchmark") { _, _ in }
    }
}
