import ConfigurationSchema
import FFSModel
import Glibc
import Logging
import Requests
import SystemSupport
import TestSupport
import Testing
import Tobj

@testable import FTPService

/// The supervisor with processes that play workers: it is told so by its channel, as by real ones.
@Suite(.serialized) struct SupervisorTests {
    /// The worker, in Python: says that it serves, answers questions, writes a line to each transfer log it is given.
    /// `silent`: never serves. `dies`: ends at once. `mute`: answers nothing. `floods`: announces 200 MiB.
    /// `passes`: sends two descriptors along.
    private static let script = #"""
        import os, re, socket, struct, sys
        mode, column = sys.argv[1:3]
        channel = socket.socket(fileno=3)
        def send(text):
            channel.sendall(struct.pack(">I", len(text)) + text)
        if mode == "dies":
            sys.exit(1)
        if mode == "floods":
            channel.sendall(struct.pack(">I", 200 << 20) + b"x" * 100)
        elif mode == "passes":
            text = b'<ready files="true" calls="true"/>'
            socket.send_fds(channel, [struct.pack(">I", len(text)) + text], [0, 1])
        elif mode != "silent":
            send(b'<ready files="true" calls="%s"/>' % (b"true" if column == "0" else b"false"))
        bytes, passed, keys = b"", [], []
        while True:
            more, descriptors, _, _ = socket.recv_fds(channel, 65536, 4)
            if not more:
                break
            bytes, passed = bytes + more, passed + descriptors
            while len(bytes) >= 4 and len(bytes) >= 4 + struct.unpack(">I", bytes[:4])[0]:
                end = 4 + struct.unpack(">I", bytes[:4])[0]
                text, bytes = bytes[4:end], bytes[end:]
                if text.startswith(b"<ask") and mode != "mute":
                    known = [len(later) for earlier, later in zip(keys, keys[1:]) if earlier[0] in later[1:] and later[0] not in earlier]
                    send(b'<answer number="%s"><turns>%s</turns></answer>' % (re.search(rb'number="(\d+)"', text)[1], b" ".join(b"%d" % count for count in known)))
                elif text.startswith(b"<plan"):
                    keys.append(re.findall(rb"<ticket-key[ >].*?</ticket-key>", text, re.S))
                elif text.startswith(b"<transfer-log"):
                    os.write(passed.pop(0), b"from %s\n" % column.encode())
                elif text.startswith(b"<drain"):
                    sys.exit(0)
        """#

    /// A supervisor and what it started.
    private final class Scene {
        let loop: PollLoop
        let metrics: WorkerMetrics
        private(set) var supervisor: Supervisor?
        /// What workers that are started from now on do; nil: they cannot be started.
        var mode: (Int) -> String? = { _ in "serves" }
        private(set) var started: [(column: Int, process: ChildProcess, log: LentDescriptor?)] = []

        /// Patience is far longer than a busy machine takes to start Python; a test that waits for its end says so.
        init(ready: Int = 60, answer: Int = 60, hang: Int = 60, ticketKey: Int = 3_600) throws {
            let loop = try PollLoop()
            self.loop = loop
            let counters = try SharedCounters(secret: 7)
            metrics = WorkerMetrics(counters)
            let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let plan = WorkerBriefing(
                Configuration(), certificates: [], counterSecret: [UInt8](repeating: 1, count: 8))
            supervisor = Supervisor(
                loop: loop, counters: counters, metrics: metrics, count: 2, plan: plan, transferLog: nil,
                gate: GateKeeper(loop: loop, plan: nil, status: SignInStatus(), log: log, launch: Self.noGate),
                patience: .init(drain: 60, ready: ready, answer: answer, hang: hang, ticketKey: ticketKey), log: log
            ) { [unowned self] column, channel, log, _ throws(SystemError) in
                guard let mode = mode(started.count) else { throw SystemError("posix_spawn", .tooManyOpenFiles) }
                let process = try ChildProcess.spawn(
                    "/usr/bin/python3", arguments: ["python3", "-c", SupervisorTests.script, mode, "\(column)"],
                    environment: [], descriptors: [channel])
                started.append((column, process, log))
                return process
            }
        }

        deinit {
            supervisor?.killAll()
            for worker in started where worker.process.end() == nil { worker.process.send(signal: SIGKILL) }
        }

        private static func noGate(_ channel: Int32) throws(SystemError) -> ChildProcess {
            throw SystemError("posix_spawn", .notSupported)
        }

        func wait(_ what: String, _ isDone: @escaping () -> Bool) throws { try loop.run(until: what, isDone) }

        /// The outcome of the start, or a restart.
        func outcome(_ begin: (@escaping (Failure?) -> Void) -> Void) throws -> Failure? {
            var outcome: Failure??
            begin { outcome = .some($0) }
            try wait("an outcome") { outcome != nil }
            return outcome ?? nil
        }

        func serve() throws -> Supervisor {
            let supervisor = try #require(supervisor)
            #expect(try outcome(supervisor.start) == nil)
            return supervisor
        }

        func answers() throws -> [Element] {
            var answers: [Element]?
            supervisor?.ask(Element("kick")) { answers = $0 }
            try wait("answers") { answers != nil }
            return answers ?? []
        }
    }

    @Test func showsWhatConfinesWorkers() throws {
        let scene = try Scene()
        _ = try scene.serve()
        let counts = Dictionary(uniqueKeysWithValues: scene.metrics.counts.map { ($0.name, $0.value) })
        #expect(counts["workers"] == 2 && counts["workers under Landlock"] == 2)
        #expect(counts["workers under seccomp"] == 1)
        #expect(try scene.answers().count == 2)
    }

    /// What workers pass along goes with their channel; a second descriptor never comes to be.
    @Test func descriptorsThatWorkersPassAreClosed() throws {
        func serve(_ mode: String) throws {
            let scene = try Scene()
            scene.mode = { _ in mode }
            _ = try scene.serve()
        }
        func left(by mode: String) throws -> Int {
            try serve(mode)
            return try Files.names(in: "/proc/self/fd").count
        }
        _ = try left(by: "serves")
        let usual = try left(by: "serves")
        #expect(try left(by: "passes") == usual)
    }

    @Test func aWorkerThatDiesIsReplaced() throws {
        let scene = try Scene()
        _ = try scene.serve()
        scene.started[0].process.send(signal: SIGKILL)
        try scene.wait("another worker") { scene.started.count == 3 && scene.metrics.workers == 2 }
        #expect(scene.started[2].column == scene.started[0].column)
    }

    /// What does not begin to serve is given up after its time, and the next restart finds nothing in its way.
    @Test(arguments: ["silent", "dies", nil] as [String?])
    func aRestartThatFailsLeavesWhatWas(mode: String?) throws {
        let scene = try Scene(ready: mode == nil || mode == "silent" ? 8 : 60)
        let supervisor = try scene.serve()
        // One of the two serves.
        scene.mode = { $0 == 2 ? "serves" : mode }
        #expect(try scene.outcome(supervisor.restart)?.code == .internal)
        scene.mode = { _ in "serves" }
        try scene.wait("an end of the new ones") { scene.metrics.workers == 2 }
        #expect(try scene.answers().count == 2)
        #expect(scene.started[..<2].allSatisfy { kill($0.process.number, 0) == 0 }, "those of before go on")
        let before = scene.started.count
        #expect(try scene.outcome(supervisor.restart) == nil)
        #expect(scene.started.count == before + 2, "no more workers than there are to be")
    }

    /// One of those that serve dies while the next generation does not come to serve: it is replaced once that is given up.
    @Test func aWorkerThatDiesDuringAFailingRestartIsReplaced() throws {
        let scene = try Scene(ready: 8)
        let supervisor = try scene.serve()
        scene.mode = { _ in "silent" }
        var outcome: Failure??
        supervisor.restart { outcome = .some($0) }
        scene.started[0].process.send(signal: SIGKILL)
        try scene.wait("the end of the one") { scene.metrics.workers == 1 }
        #expect(outcome == nil, "the restart is under way still")
        scene.mode = { _ in "serves" }
        try scene.wait("an outcome") { outcome != nil }
        #expect(outcome??.code == .internal)
        try scene.wait("another worker") { scene.metrics.workers == 2 }
        #expect(kill(scene.started[1].process.number, 0) == 0, "the other one goes on")
        #expect(try scene.answers().count == 2)
    }

    @Test func aWorkerThatDoesNotAnswerHoldsNobodyUp() throws {
        let scene = try Scene(answer: 4)
        scene.mode = { $0 == 0 ? "mute" : "serves" }
        _ = try scene.serve()
        #expect(try scene.answers().count == 1)
    }

    @Test func aWorkerThatHangsIsReplaced() throws {
        let scene = try Scene(hang: 5)
        scene.mode = { $0 == 0 ? "mute" : "serves" }
        _ = try scene.serve()
        let hanging = scene.started[0]
        try scene.wait("another worker") { scene.started.count >= 3 && scene.metrics.workers == 2 }
        #expect(scene.started[2].column == hanging.column && kill(hanging.process.number, 0) != 0)
        #expect(kill(scene.started[1].process.number, 0) == 0, "the one that answers goes on")
    }

    /// A worker that was taken over cannot make the supervisor, which is root, keep what it sends.
    @Test func noMoreIsKeptThanAMessageTakes() throws {
        let scene = try Scene()
        let supervisor = try scene.serve()
        scene.mode = { $0 == 2 ? "floods" : "serves" }
        scene.started[0].process.send(signal: SIGKILL)
        try scene.wait("the end of who floods") { scene.started.count == 4 && scene.metrics.workers == 2 }
        #expect(kill(scene.started[2].process.number, 0) != 0)
        #expect(try scene.outcome(supervisor.restart) == nil)
        let header = [UInt8](arrayLiteral: 0x0C, 0x80, 0, 0)
        var framer = ChannelFramer(longest: ChannelFramer.fromWorkers)
        header.withUnsafeBytes { framer.append($0) }
        #expect(throws: Failure.self) { try framer.next() }
    }

    /// A key writes for a while, then only reads: each turn all workers get a new first key behind which stand those of
    /// before, and never more than can still be asked for.
    @Test func ticketKeysTurnOver() throws {
        let scene = try Scene(ticketKey: 1)
        _ = try scene.serve()
        var turns: [String] = []
        let end = SystemClock.monotonic() + 60_000_000_000
        while turns.isEmpty || !turns.allSatisfy({ $0.hasPrefix("2 3") }), SystemClock.monotonic() < end {
            SystemClock.sleep(nanoseconds: 20_000_000)
            turns = try scene.answers().map { $0.string }
        }
        #expect(turns.count == 2 && turns.allSatisfy { $0.hasPrefix("2 3") }, "\(turns)")
    }

    /// After logrotate(8): those who are there write to the file that was opened last, and so do those who come.
    @Test func theTransferLogIsHandedOn() throws {
        let directory = try TemporaryDirectory("supervisor")
        let scene = try Scene()
        let supervisor = try scene.serve()
        let file = LentDescriptor(
            try Descriptor.open(CPath(directory("xferlog")), [.write, .create, .append], permissions: 0o600))
        let plan = WorkerBriefing(
            Configuration(), certificates: [], counterSecret: [UInt8](repeating: 1, count: 8))
        supervisor.reload(plan, transferLog: file, nil)
        // Answers come behind what was told before.
        #expect(try scene.answers().count == 2)
        #expect(try Files.read(directory("xferlog")).lines.sorted() == ["from 0", "from 1"])
        scene.started[0].process.send(signal: SIGKILL)
        try scene.wait("another worker") { scene.started.count == 3 && scene.metrics.workers == 2 }
        #expect(scene.started[2].log === file)
    }
}
