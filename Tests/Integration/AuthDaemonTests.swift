import ChangeFeed
import Clients
import CommlinkTransport
import FFSModel
import Glibc
import Logging
import Requests
import Synchronization
import TestSupport
import Testing

/// ffsauthd as a process of its own, its key bag and database in a temporary directory.
private struct AuthHost {
    let directory: TemporaryDirectory
    let ports: ClosedRange<Int>

    private var config: String { directory("ffs.yaml") }

    /// The user that a test run as root lets the daemon become.
    private static let user = "nobody"

    init() async throws {
        directory = try TemporaryDirectory("authd")
        ports = try Ports.range(4)
        for name in ["run", "state", "keybag"] { try Files.makeDirectory(directory(name)) }
        if geteuid() == 0 {
            try await command("chown", Self.user, directory("run"), directory("state")).succeeded()
        }
        let yaml = """
            run:
              directory: \(directory("run"))
            state:
              directory: \(directory("state"))
            commlink:
              keybag-directory: \(directory("keybag"))
            auth:
              user: \(Self.user)
              base-port: \(ports.lowerBound)
              port-count: \(ports.count)
              hash-cost: 1
              hash-threads: 1
            """
        try Files.write(yaml + "\n", to: config)
        try await ffsctl("keys", "generate", "web-internal").succeeded()
        if geteuid() == 0 {
            let group = try await command("id", "-gn", Self.user).succeeded().trimmed
            try await command("chgrp", group, directory("keybag/web-internal")).succeeded()
        }
    }

    func ffsctl(_ words: String..., input: String = "") async throws -> CommandResult {
        try await command([Project.program("ffsctl")] + words + ["--config", config], input: input)
    }

    func start() async throws -> DaemonProcess {
        // A log of its own for each run: "ready" of the last one must not be taken for this one's.
        let log = directory("ffsauthd-\(RequestID.random()).log")
        let daemon = try await DaemonProcess.start(
            [Project.program("ffsauthd"), "--config", config], name: "ffsauthd", logPath: log)
        try await daemon.logged("ready")
        return daemon
    }

    /// A client at the other end of the commlink.
    func client() throws -> CommlinkClient {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let bags = try KeyBagStore(
            directory: directory("keybag"), link: .webInternal, allowTestKeys: false, logger: logger)
        return CommlinkClient(
            link: .webInternal, host: "127.0.0.1", ports: ports, bags: bags, settings: CommlinkSettings(),
            logger: logger)
    }

    /// What an operator's sqlite3 prints.
    func sql(_ statement: String) async throws -> String {
        try await command("sqlite3", directory("state/auth/master.sqlite"), statement).succeeded().trimmed
    }

    /// A customer with a product that they may order, made as an operator and ffsctl's publish do.
    func prepareCustomer() async throws -> (CustomerName, Item) {
        try await ffsctl("customer", "add", "acme", "--password-stdin", input: "correct horse\n").succeeded()
        let item = Item(product: try ProductName("tool"), version: try VersionName("1"))
        let operators = AuthClient(ControlClient(path: directory("run/ffsauthd/control.sock")))
        guard let manifest = ContentDigest(String(repeating: "ab", count: 32)) else { throw TestFailure("digest") }
        _ = try await operators.send(
            ContentRegister(product: item.product, version: item.version, manifest: manifest, size: 1, files: 1))
        try await ffsctl("entitlement", "grant", "acme", "tool").succeeded()
        return (try CustomerName("acme"), item)
    }
}

/// The code of the failure that `body` throws.
private func code(_ body: () async throws -> some Any) async throws -> FailureCode {
    do { _ = try await body() } catch let failure as Failure { return failure.code }
    throw TestFailure("nothing was refused")
}

@Suite struct AuthDaemonTests {
    @Test func signsInAndOrdersOverTheCommlink() async throws {
        let host = try await AuthHost()
        let daemon = try await host.start()
        let (acme, item) = try await host.prepareCustomer()
        let client = try host.client()
        let web = AuthClient(client)
        let correct = Array("correct horse".utf8)
        #expect(try await web.ping().daemon == "ffsauthd")
        #expect(try await web.login(customer: acme, password: correct, source: "192.0.2.1").customer == acme)
        #expect(
            try await code { try await web.login(customer: acme, password: [1, 2, 3], source: "192.0.2.1") }
                == .loginRefused)
        #expect(try await web.entitlements(of: acme).map(\.item) == [item])
        let order = try await web.order(customer: acme, items: [item], source: "192.0.2.1", id: .random())
        #expect(order.order == 1)
        #expect(try await host.ffsctl("order", "list").succeeded().output.contains("tool 1"))
        // The web front's link carries no operators' requests.
        #expect(try await code { try await web.send(CustomerDelete(customer: acme)) } == .notServed)
        await client.close()

        #expect(!daemon.log.contains("horse"))
        #expect(try await daemon.stop() == 0)
        #expect(!Files.exists(host.directory("run/ffsauthd/control.sock")))
        // Stopped, the one file is everything.
        #expect(try await host.sql("SELECT count(*) FROM orders") == "1")
        #expect(try await host.sql("SELECT substr(password_hash, 1, 3) FROM customers") == "$y$")
        try await command("cp", host.directory("state/auth/master.sqlite"), host.directory("copy.sqlite")).succeeded()
        #expect(
            try await command("sqlite3", host.directory("copy.sqlite"), "SELECT count(*) FROM orders").succeeded()
                .trimmed
                == "1")
    }

    /// Who waits for changes does not keep the daemon from ending, and hears of what SQL does.
    @Test func questionsThatWaitEndWithTheDaemon() async throws {
        let host = try await AuthHost()
        let daemon = try await host.start()
        let (acme, _) = try await host.prepareCustomer()
        let client = try host.client()
        let node = try NodeName("storage-1")
        let head = try await client.send(FeedNext(node: node, after: nil, wait: 0)).position
        let changed = Task { try await client.send(FeedNext(node: node, after: head, wait: 60_000)) }
        try await Task.sleep(for: .milliseconds(300))
        _ = try await host.sql("UPDATE customers SET expires = 2000000000")
        let answer = try await changed.value
        #expect(answer.rows.map { $0[.customer] } == [acme.text])
        let waiting = Task { try await client.send(FeedNext(node: node, after: answer.position, wait: 60_000)) }
        try await Task.sleep(for: .milliseconds(300))
        let start = ContinuousClock.now
        #expect(try await daemon.stop() == 0)
        #expect(ContinuousClock.now - start < .seconds(5))
        _ = await waiting.result
        await client.close()
    }

    /// Whatever moment kill -9 hits: an order that was answered is there, each request made one order or none,
    /// and sending it again gives that very order.
    @Test func killedInTheMidstOfOrders() async throws {
        let host = try await AuthHost()
        var daemon = try await host.start()
        let (acme, item) = try await host.prepareCustomer()
        var answered: [RequestID: Int] = [:]
        var unanswered: [RequestID] = []
        for round in 0..<12 {
            let client = try host.client()
            let web = AuthClient(client)
            let ids = (0..<30).map { _ in RequestID.random() }
            let replies = Replies()
            let results = await withTaskGroup(of: (RequestID, Int?).self) { group in
                for id in ids {
                    group.addTask {
                        let order = try? await web.order(customer: acme, items: [item], source: "-", id: id)
                        if order != nil { replies.count.add(1, ordering: .relaxed) }
                        return (id, order?.order)
                    }
                }
                group.addTask { [daemon] in
                    // After 0, 2, 5 … 27 answers, however slow the machine is.
                    for _ in 0..<100_000 where replies.count.load(ordering: .relaxed) < round * 5 / 2 {
                        try? await Task.sleep(for: .microseconds(100))
                    }
                    try? await daemon.kill9()
                    await client.close()
                    return (ids[0], nil)
                }
                return await group.reduce(into: [RequestID: Int]()) { if let number = $1.1 { $0[$1.0] = number } }
            }
            answered.merge(results) { first, _ in first }
            unanswered += ids.filter { results[$0] == nil }
            #expect(try await host.sql("PRAGMA integrity_check") == "ok")
            // No order without its event, and no event without its order.
            let placed = "SELECT count(*) FROM outbox WHERE instr(record, CAST('order.placed' AS BLOB)) > 0"
            #expect(try await host.sql(placed) == host.sql("SELECT count(*) FROM orders"))
            // As root, sqlite3 may have made the log's index anew; it must stay the daemon's.
            if geteuid() == 0 {
                try await command("sh", "-c", "chown nobody \(host.directory("state/auth"))/*").succeeded()
            }
            daemon = try await host.start()
        }
        #expect(answered.count + unanswered.count == 360)
        // The kills hit before and after answers; otherwise this test would prove nothing.
        #expect(answered.count > 20 && unanswered.count > 20, "\(answered.count) answered, \(unanswered.count) not")
        let client = try host.client()
        let web = AuthClient(client)
        for (id, number) in answered {
            #expect(try await web.order(customer: acme, items: [item], source: "-", id: id).order == number)
        }
        var all = Set(answered.values)
        for id in unanswered {
            let number = try await web.order(customer: acme, items: [item], source: "-", id: id).order
            #expect(all.insert(number).inserted)
        }
        await client.close()
        #expect(try await daemon.stop() == 0)
        #expect(try await host.sql("SELECT count(*) FROM orders") == "360")
        #expect(
            try await host.sql(
                "SELECT count(*) FROM orders WHERE (SELECT count(*) FROM order_items i WHERE i.order_number = number) <> 1"
            ) == "0")
        #expect(try await host.sql("PRAGMA foreign_key_check") == "")
    }

    @Test func saysWhatIsWrongBeforeItStarts() async throws {
        let host = try await AuthHost()
        let daemon = try await host.start()
        try await daemon.stop()
        func refusal() async throws -> CommandResult {
            try await command(Project.program("ffsauthd"), "--config", host.directory("ffs.yaml"))
        }
        let database = host.directory("state/auth/master.sqlite")
        try Files.setMode(0o644, of: database)
        let mode = try await refusal()
        #expect(mode.status == FailureCode.configuration.exitStatus)
        #expect(mode.errorOutput.contains("chmod 600 \(database)"))
        let check = try await command(
            Project.program("ffsauthd"), "--config", host.directory("ffs.yaml"), "--check")
        #expect(check.status == FailureCode.configuration.exitStatus)
        #expect(check.output.contains("error: auth.database"))
        try Files.setMode(0o600, of: database)

        try Files.setMode(0o644, of: host.directory("keybag/web-internal"))
        #expect(try await refusal().errorOutput.contains("keybag/web-internal"))
        try Files.setMode(0o640, of: host.directory("keybag/web-internal"))

        // Its port is taken: the first daemon goes on.
        let first = try await host.start()
        let second = try await refusal()
        #expect(second.status == FailureCode.busy.exitStatus)
        #expect(second.errorOutput.contains("\(host.ports.lowerBound)"))
        #expect(first.isRunning)
        #expect(try await first.stop() == 0)
    }

    /// run.directory is shared: whoever else waits at a daemon's socket must not get an operator's password.
    @Test(.enabled(if: geteuid() == 0)) func ffsctlTalksToTheRightUserOnly() async throws {
        let host = try await AuthHost()
        let daemon = try await host.start()
        let refused = try await host.ffsctl(
            "customer", "add", "acme", "--password-stdin", "--set", "auth.user=daemon", input: "correct horse\n")
        #expect(refused.status == FailureCode.denied.exitStatus)
        #expect(refused.errorOutput.contains("not daemon as it should"))
        #expect(try await host.ffsctl("customer", "list", "--json").succeeded().trimmed == "[]")
        #expect(try await daemon.stop() == 0)
    }

    /// SIGHUP takes new settings; a fault in the file leaves the old ones.
    @Test func reloadsItsSettings() async throws {
        let host = try await AuthHost()
        let daemon = try await host.start()
        _ = try await host.prepareCustomer()
        let config = host.directory("ffs.yaml")
        let text = try Files.read(config)
        try Files.write(text + "  password-minimum: 20\n", to: config)
        try await host.ffsctl("reload", "ffsauthd").succeeded()
        let short = try await host.ffsctl("customer", "password", "acme", "--password-stdin", input: "correct horse\n")
        #expect(short.status == FailureCode.badRequest.exitStatus)
        #expect(short.errorOutput.contains("20"))
        try Files.write(text + "  password-minimun: 20\n", to: config)
        daemon.signal(SIGHUP)
        try await daemon.logged("reload failed")
        try Files.write(text, to: config)
        daemon.signal(SIGHUP)
        try await eventually("the short password is taken") {
            try await host.ffsctl("customer", "password", "acme", "--password-stdin", input: "correct horse\n").status
                == 0
        }
        #expect(try await daemon.stop() == 0)
    }
}

/// Orders that were answered so far.
private final class Replies: Sendable {
    let count = Atomic(0)
}
