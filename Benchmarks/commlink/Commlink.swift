import Commlink
import CommlinkTransport
import FFSModel
import Glibc
import Logging
import Requests
import SystemSupport
import Tobj

/// `bench-commlink [seconds]`: the commlink end to end over loopback, client and server in this process.
/// Figures "of one core" count this process's CPU time, client and server together.
@main
struct BenchCommlink {
    static func main() async throws {
        let seconds = CommandLine.arguments.dropFirst().first.flatMap(Double.init) ?? 3
        let bench = try await Bench()
        try bench.packets()
        try await bench.latency(seconds: seconds)
        for size in [16, 256] { try await bench.throughput(seconds: seconds, concurrent: size) }
        for size in [1, 8, 32, 64] { try await bench.largeReplies(seconds: seconds, concurrent: size) }
        try await bench.connections(seconds: seconds)
        try await bench.stop()
    }
}

private struct Bench {
    private let directory: String
    private let keys: KeyBagStore
    private let server: CommlinkServer
    private let serving: Task<Void, any Error>
    private let ports: ClosedRange<Int>

    init() async throws {
        var template = Array("/tmp/bench-commlink-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(.internal, "cannot make a directory in /tmp") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var random = SystemRandomNumberGenerator()
        let bag = try KeyBag.generate(link: "web-internal", created: SystemClock.now(), random: &random)
        try KeyBagDirectory(path: directory, link: .webInternal).install(bag, as: .current)
        let logger = Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() })
        keys = try KeyBagStore(directory: directory, link: .webInternal, allowTestKeys: false, logger: logger)
        var table = RequestTable(daemon: "bench", version: "1", clock: SystemClock.now)
        let large = AuthEntitlements.Reply(entitlements: try Self.rows(bytes: 900_000))
        table.on(AuthEntitlements.self) { _, _ in large }
        let base = Int(getpid()) % 10_000 + 20_000
        ports = base...base
        server = CommlinkServer(
            link: .webInternal, address: "127.0.0.1", ports: ports, bags: keys, settings: CommlinkSettings(),
            table: table, logger: logger)
        try await server.bind()
        let server = self.server
        serving = Task { try await server.run() }
    }

    func stop() async throws {
        server.shutdown()
        try await serving.value
        unlink("\(directory)/web-internal")
        rmdir(directory)
    }

    private func client() -> CommlinkClient {
        CommlinkClient(
            link: .webInternal, host: "127.0.0.1", ports: ports, bags: keys, settings: CommlinkSettings(),
            logger: Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    /// The layers alone, without sockets: a document of 256 bytes from one connection machine to the other.
    func packets() throws {
        var random = SystemRandomNumberGenerator()
        let bag = try keys.offered()
        var (client, hello) = try ClientConnection.start(
            bag: bag, localPort: 40_000, documentLimit: 1 << 20, random: &random)
        var server = ServerConnection(peerPort: 40_000, portCheck: .strict, documentLimit: 1 << 20)
        hello.withUnsafeBytes { server.receive($0) }
        guard case .greeted(let line)? = try server.next(ring: keys.bags, now: 0, random: &random) else { return }
        line.withUnsafeBytes { client.receive($0) }
        _ = try client.next()
        let document = [UInt8](repeating: 0x78, count: 256)
        let count = 50_000
        let start = SystemClock.monotonic()
        var out: [UInt8] = []
        for _ in 0..<count {
            out.removeAll(keepingCapacity: true)
            try client.send(document, random: &random, into: &out)
            out.withUnsafeBytes { server.receive($0) }
            guard case .document? = try server.next(ring: keys.bags, now: 0, random: &random) else { return }
        }
        let each = Double(SystemClock.monotonic() - start) / Double(count) / 1_000
        report("packet of 256 bytes, sealed and opened", "\(round(each * 100) / 100) µs")
    }

    func latency(seconds: Double) async throws {
        let client = client()
        for _ in 0..<500 { _ = try await client.send(Ping()) }
        var times: [Int64] = []
        let end = SystemClock.monotonic() + Int64(seconds * 1e9)
        while SystemClock.monotonic() < end {
            let start = SystemClock.monotonic()
            _ = try await client.send(Ping())
            times.append(SystemClock.monotonic() - start)
        }
        report("ping on a kept connection", percentiles(&times))
        await client.close()
    }

    func throughput(seconds: Double, concurrent: Int) async throws {
        let client = client()
        _ = try await client.send(Ping())
        let before = cpu()
        let start = SystemClock.monotonic()
        let end = start + Int64(seconds * 1e9)
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<concurrent {
                group.addTask {
                    var done = 0
                    while SystemClock.monotonic() < end {
                        _ = try await client.send(Ping())
                        done += 1
                    }
                    return done
                }
            }
            return try await group.reduce(0, +)
        }
        let elapsed = Double(SystemClock.monotonic() - start) / 1e9
        let core = Double(count) / (cpu() - before)
        report(
            "\(concurrent) at once on one connection",
            "\(Int(Double(count) / elapsed)) requests/s, \(Int(core)) of one core")
        await client.close()
    }

    /// Replies of 900 kB, as the longest pages are, all on one connection.
    func largeReplies(seconds: Double, concurrent: Int) async throws {
        let client = client()
        let question = AuthEntitlements(customer: try CustomerName("acme"))
        _ = try await client.send(question)
        let (before, start) = (cpu(), SystemClock.monotonic())
        let end = start + Int64(seconds * 1e9)
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<concurrent {
                group.addTask {
                    var done = 0
                    while SystemClock.monotonic() < end {
                        _ = try await client.send(question)
                        done += 1
                    }
                    return done
                }
            }
            return try await group.reduce(0, +)
        }
        let elapsed = Double(SystemClock.monotonic() - start) / 1e9
        let cores = ((cpu() - before) / elapsed * 100).rounded() / 100
        report(
            "\(concurrent) replies of 900 kB at once",
            "\(Int(Double(count) / elapsed)) replies/s, \(Int(Double(count) * 0.9 / elapsed)) MB/s, \(cores) cores")
        await client.close()
    }

    private static func rows(bytes: Int) throws -> [Entitlement] {
        var rows: [Entitlement] = []
        var size = 0
        while size < bytes {
            let item = Item(product: try ProductName("product-\(rows.count)"), version: try VersionName("1.0"))
            rows.append(
                Entitlement(
                    item: item, title: "Product \(rows.count)", summary: String(repeating: "s", count: 400),
                    size: 1 << 30, files: 100, released: Timestamp(seconds: 1_700_000_000), until: nil, policy: .finish)
            )
            size += rows[rows.count - 1].element.serialized().count
        }
        return rows
    }

    func connections(seconds: Double) async throws {
        var times: [Int64] = []
        let end = SystemClock.monotonic() + Int64(seconds * 1e9)
        while SystemClock.monotonic() < end {
            let client = client()
            let start = SystemClock.monotonic()
            _ = try await client.send(Ping())
            times.append(SystemClock.monotonic() - start)
            await client.close()
        }
        report("new connection and first request", percentiles(&times))
    }

    private func percentiles(_ times: inout [Int64]) -> String {
        times.sort()
        func at(_ share: Double) -> Int { Int(times[Int(Double(times.count - 1) * share)]) / 1_000 }
        return "p50 \(at(0.5)) µs, p99 \(at(0.99)) µs, \(times.count) times"
    }

    /// Seconds of CPU time of this process.
    private func cpu() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private func report(_ what: String, _ figure: String) {
        print(what + String(repeating: " ", count: max(1, 42 - what.count)) + figure)
    }
}
