import FFSModel
import Glibc
import Logging
import Requests
import SystemSupport
import TestSupport
import Testing
import Tobj

@testable import FTPService

/// The gate's keeper with a process that plays the gate.
@Suite(.serialized) struct GateKeeperTests {
    /// Waits until no more sign-ins come for a while, then answers all that it has as locked out for as many seconds as it had
    /// at once. `dies`: ends at the first sign-in.
    private static let script = #"""
        import os, re, select, socket, struct, sys
        channel = socket.socket(fileno=3)
        bytes, held = b"", []
        while True:
            if held and not select.select([channel], [], [], 0.2)[0]:
                for number in held:
                    text = b'<signed-in number="%s" outcome="locked-out">%d</signed-in>' % (number, len(held))
                    channel.sendall(struct.pack(">I", len(text)) + text)
                held = []
            more = channel.recv(65536)
            if not more:
                break
            bytes += more
            while len(bytes) >= 4 and len(bytes) >= 4 + struct.unpack(">I", bytes[:4])[0]:
                end = 4 + struct.unpack(">I", bytes[:4])[0]
                text, bytes = bytes[4:end], bytes[end:]
                if text.startswith(b"<sign-in"):
                    if sys.argv[1] == "dies":
                        os._exit(1)
                    held.append(re.search(rb'number="(\d+)"', text)[1])
        """#

    private final class Scene {
        let loop: PollLoop
        private(set) var keeper: GateKeeper?
        let child: WorkerChild
        private var worker: WorkerChannel?
        var mode = "answers"
        private(set) var started: [ChildProcess] = []
        private(set) var answers: [Int: SignInAnswer] = [:]
        let status = SignInStatus()

        init(plan: GateBriefing?) throws {
            let loop = try PollLoop()
            self.loop = loop
            let pair = try Descriptor.socketPair()
            let near = try pair.first.duplicate()
            child = WorkerChild(
                column: 0, generation: 1,
                process: try ChildProcess.spawn("/bin/true", arguments: ["true"], environment: [], descriptors: []),
                running: try SharedMemory(size: 4_096), startedAt: 0)
            child.channel = try WorkerChannel(near, loop: loop, onMessage: { _ in }, onEnd: {})
            let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            keeper = GateKeeper(loop: loop, plan: plan, status: status, log: log) {
                [unowned self] channel throws(SystemError) in
                let process = try ChildProcess.spawn(
                    "/usr/bin/python3", arguments: ["python3", "-c", GateKeeperTests.script, mode], environment: [],
                    descriptors: [channel])
                started.append(process)
                return process
            }
            worker = try WorkerChannel(pair.second.duplicate(), loop: loop) { [unowned self] message in
                if case .signedIn(let number, let answer) = message { answers[number] = answer }
            } onEnd: {
            }
            loop.everySecond = { [unowned self] in keeper?.everySecond() }
            keeper?.start()
        }

        deinit { keeper?.stop() }

        func ask(_ numbers: Range<Int>, from source: String) throws {
            for number in numbers {
                let request = SignInRequest(
                    number: number, customer: try CustomerName("acme"), password: SecretBytes([1]),
                    source: source.replacing("N", with: "\(number)"), trace: .random())
                keeper?.ask(request, from: child)
            }
        }

        func count(_ answer: SignInAnswer) -> Int { answers.values.count { $0 == answer } }
    }

    private func plan(bag: String, setting: String = "1") throws -> GateBriefing {
        try #require(
            GateBriefing(
                Element(
                    "gate-plan",
                    children: [
                        Element("set", [.init("key", "ftp.customer-lifetime".utf8)], text: setting),
                        Element("bag", text: bag),
                    ])))
    }

    /// So many at once, the others after them; of one source no more than its share, whatever it asks.
    @Test func aFullGate() throws {
        let scene = try Scene(plan: plan(bag: "a"))
        // All of one /64.
        try scene.ask(0..<GateKeeper.mostOfOneSource, from: "2001:db8::N")
        try scene.ask(1_000..<1_001, from: "2001:db8::N")
        try scene.ask(2_000..<2_001, from: "2001:db8:0:1::N")
        try scene.loop.run(until: "all answers") { scene.answers.count == GateKeeper.mostOfOneSource + 2 }
        #expect(scene.answers[1_000] == .busy)
        #expect(scene.count(.busy) == 1)
        #expect(scene.count(.lockedOut(seconds: GateKeeper.mostAsked)) == 2 * GateKeeper.mostAsked)
        #expect(scene.count(.lockedOut(seconds: 1)) == 1)
        #expect(scene.started.count == 1)
    }

    /// Who waits is told at once, and the next one is served.
    @Test func aGateThatDies() throws {
        let scene = try Scene(plan: plan(bag: "a"))
        scene.keeper?.stop()
        scene.mode = "dies"
        scene.keeper?.start()
        try scene.ask(0..<3, from: "192.0.2.1")
        scene.mode = "answers"
        try scene.loop.run(until: "the bad news") { scene.answers.count == 3 }
        #expect(scene.count(.unavailable) == 3)
        try scene.loop.run(until: "another gate") { scene.started.count == 3 }
        try scene.ask(3..<4, from: "192.0.2.1")
        try scene.loop.run(until: "an answer") { scene.answers[3] != nil }
        #expect(scene.answers[3] == .lockedOut(seconds: 1))
    }

    /// Fresh keys go to the gate that is there; other settings take another; none at all ends it.
    @Test func reloads() throws {
        let scene = try Scene(plan: plan(bag: "a"))
        scene.keeper?.reload(try plan(bag: "a"))
        scene.keeper?.reload(try plan(bag: "b"))
        #expect(scene.started.count == 1)
        scene.keeper?.reload(try plan(bag: "b", setting: "2"))
        #expect(scene.started.count == 2)
        try scene.ask(0..<1, from: "192.0.2.1")
        scene.keeper?.reload(nil)
        try scene.ask(1..<2, from: "192.0.2.1")
        try scene.loop.run(until: "answers") { scene.answers.count == 2 }
        #expect(scene.count(.unavailable) == 2 && scene.status.values.isEmpty)
        #expect(scene.started.count == 2)
    }
}
