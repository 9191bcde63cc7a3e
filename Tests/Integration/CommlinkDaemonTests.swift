import Commlink
import CommlinkTransport
import FFSModel
import Logging
import Requests
import Synchronization
import TestSupport
import Testing

/// The commlink between real daemons and a client that shares no code with them.
@Suite(.timeLimit(.minutes(5))) struct CommlinkDaemonTests {
    private func ffs2(_ system: System, _ link: Link, _ words: [String]) async throws -> CommandResult {
        let port = link == .webInternal ? system.authPorts.lowerBound : system.stagePorts.upperBound
        return try await command(
            [
                "/usr/bin/python3", "\(Project.root)/Tests/Integration/Clients/ffs2.py", "--bag",
                "\(system.keyBags)/\(link.rawValue)", "--port", "\(port)",
            ] + words)
    }

    private func start() async throws -> System {
        let system = try await System()
        try await system.start(.ffsauthd)
        try await system.start(.ffsstaged)
        return system
    }

    @Test("the independent client pings, signs in and stages an account, which is the same when asked again")
    func independentClient() async throws {
        let system = try await start()
        let content = try TemporaryDirectory("content")
        try Files.write("hello\n", to: content("readme"))
        try await system.ctl("product", "publish", "kit", "1.0", content.path).succeeded()
        try await system.ctl("customer", "add", "acme", "--password-stdin", input: "pass word\u{E9}\n").succeeded()

        #expect(
            try await ffs2(system, .webInternal, ["ping"]).succeeded().output.contains("<daemon>ffsauthd</daemon>"))
        #expect(
            try await ffs2(system, .webStorage, ["ping"]).succeeded().output.contains("<daemon>ffsstaged</daemon>"))

        let login = try await ffs2(system, .webInternal, ["auth.login", "customer=acme", "password=pass word\u{E9}"])
        #expect(login.status == 0 && login.output.contains("<customer>acme</customer>"), "\(login)")
        let wrong = try await ffs2(system, .webInternal, ["auth.login", "customer=acme", "password=other"])
        #expect(wrong.status == 1 && wrong.output.contains("code=\"login-refused\""), "\(wrong)")

        let request = [
            "--id", "00112233445566778899aabbccddeeff", "stage.create", "customer=acme", "item=kit,1.0", "ttl=600",
        ]
        let first = try await ffs2(system, .webStorage, request).succeeded()
        #expect(first.output.contains("<password>") && first.output.contains("kit-1.0/readme"))
        #expect(try await ffs2(system, .webStorage, request).succeeded().output == first.output)
        let names = try Files.names(in: system.accounts).filter { !$0.hasPrefix(".") }
        #expect(names.count == 1)
        #expect(names.first.map { first.output.contains("<account>\($0)</account>") } == true)

        // The catalogue says where: staging is not for the link to ffsauthd, administration for neither.
        let elsewhere = try await ffs2(system, .webInternal, Array(request.dropFirst(2)))
        #expect(elsewhere.status == 1 && elsewhere.output.contains("code=\"not-served\""))
        let administration = try await ffs2(system, .webInternal, ["customer.delete", "customer=acme"])
        #expect(administration.status == 1 && administration.output.contains("code=\"not-served\""))
        try await system.stop()
    }

    @Test("the bag of one link opens no other; the log says who came with what")
    func otherBag() async throws {
        let system = try await start()
        let result = try await command(
            "/usr/bin/python3", "\(Project.root)/Tests/Integration/Clients/ffs2.py", "--bag",
            "\(system.keyBags)/web-storage", "--port", "\(system.authPorts.lowerBound)", "ping")
        #expect(result.status == 3)
        try await system.process(.ffsauthd).logged("unknown-bag")
        try await system.stop()
    }

    @Test("ffsctl rotates the bags under load, three times; no transaction fails")
    func rotation() async throws {
        let system = try await start()
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let keys = try KeyBagStore(
            directory: system.keyBags, link: .webInternal, allowTestKeys: false, logger: logger)
        let client = CommlinkClient(
            link: .webInternal, host: "127.0.0.1", ports: system.authPorts, bags: keys, settings: CommlinkSettings(),
            logger: logger)
        let load = Load(client)
        for round in 0..<3 {
            let before = keys.bags.current?.id
            try await system.ctl("keys", "stage", "web-internal").succeeded()
            try await system.ctl("reload", "ffsauthd").succeeded()
            try await system.ctl("keys", "activate", "web-internal").succeeded()
            // Either end may be first.
            if round.isMultiple(of: 2) { try keys.reload() }
            try await system.ctl("reload", "ffsauthd").succeeded()
            try keys.reload()
            #expect(keys.bags.current?.id != before && keys.bags.previous?.bag.id == before)
            try await system.ctl("keys", "retire", "web-internal").succeeded()
            try await system.ctl("reload", "ffsauthd").succeeded()
            try keys.reload()
            #expect(keys.bags.previous == nil)
            let count = load.count
            try await eventually("requests under the new bag") { load.count > count + 50 }
        }
        try await load.stop()
        #expect(load.count > 500)
        await client.close()
        try await system.stop()
    }

    @Test("a web front that stops says close on its connections")
    func webFrontStops() async throws {
        let system = try await System.start()
        let body = #"{"customer": "nobody", "password": "wrong"}"#
        _ = try await system.curl(["--json", body, "\(system.webURL)/api/v1/sessions"])
        try await system.process(.ffsauthd).logged("auth.login")
        #expect(try await system.process(.ffswebd).stop() == 0)
        try await system.stop()
        #expect(!(try Files.read(system.directory("var/log/ffs/ffsauthd.log")).contains("truncated")))
    }

    @Test("a daemon names what is wrong with its bag and does not start")
    func badBags() async throws {
        let system = try await System()
        let bag = "\(system.keyBags)/web-internal"
        let text = try Files.read(bag)
        func complaint() async throws -> String {
            let process = try await system.launch(.ffsauthd)
            let status = try await process.ended()
            #expect(status == FailureCode.configuration.exitStatus)
            return process.log
        }
        try Files.setMode(0o644, of: bag)
        #expect(try await complaint().contains("chmod 0640"))
        try Files.write(text.replacing("keys 127", with: "keys 126"), to: bag)
        try Files.setMode(0o640, of: bag)
        #expect(try await complaint().contains("even"))
        try Files.write(String(text.dropLast(300)), to: bag)
        #expect(try await complaint().contains("cut short"))
    }

    /// A new host's bag may come while it runs.
    @Test("a daemon without a bag starts, serves nobody on the link, and says so")
    func noBag() async throws {
        let system = try await System()
        try await command("rm", "\(system.keyBags)/web-internal").succeeded()
        let process = try await system.start(.ffsauthd)
        #expect(process.log.contains("nobody has a key for this link yet"), "\(process.log)")
        try await system.stop()
    }
}

/// Eight callers that ping until told to stop; throws at the end what any of them met.
private final class Load: Sendable {
    private let done = Atomic(0)
    private let isOver = Atomic(false)
    private let client: CommlinkClient
    private let task = Mutex<Task<Void, any Error>?>(nil)

    init(_ client: CommlinkClient) {
        self.client = client
        task.withLock { $0 = Task { try await self.run() } }
    }

    var count: Int { done.load(ordering: .relaxed) }

    private func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    while !self.isOver.load(ordering: .relaxed) {
                        _ = try await self.client.send(Ping())
                        self.done.add(1, ordering: .relaxed)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    func stop() async throws {
        isOver.store(true, ordering: .relaxed)
        try await task.withLock { $0 }?.value
    }
}
