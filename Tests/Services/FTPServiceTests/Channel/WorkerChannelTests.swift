import FFSModel
import SystemSupport
import TestSupport
import Testing
import Tobj

@testable import FTPService

/// The socket pair between supervisor and worker.
@Suite(.serialized) struct WorkerChannelTests {
    private final class Scene {
        let loop: PollLoop
        let other: Descriptor
        private(set) var channel: WorkerChannel?
        private(set) var messages: [ChannelMessage] = []
        private(set) var ends = 0

        init(framer: ChannelFramer = ChannelFramer()) throws {
            let loop = try PollLoop()
            self.loop = loop
            let pair = try Descriptor.socketPair()
            other = try pair.second.duplicate()
            channel = try WorkerChannel(pair.takeFirst(), framer: framer, loop: loop) { [unowned self] in
                messages.append($0)
            } onEnd: { [unowned self] in
                ends += 1
            }
        }

        /// Lets the loop do what is there to be done.
        func turn() throws {
            let end = SystemClock.monotonic() + 200_000_000
            try loop.run(until: "a turn") { SystemClock.monotonic() > end }
        }
    }

    /// A side that reads nothing cannot make the other keep what it is told without end.
    @Test func whoReadsNothingCountsAsGone() throws {
        let scene = try Scene()
        let large = Element("kick", text: [UInt8](repeating: UInt8(ascii: "x"), count: 6 << 20))
        for _ in 0..<10 { scene.channel?.send(.ask(number: 1, large)) }
        // 60 MiB wait, which is allowed.
        try scene.turn()
        #expect(scene.ends == 0)
        scene.channel?.send(.ask(number: 2, large))
        try scene.loop.run(until: "the end") { scene.ends == 1 }
    }

    @Test func aMessageLongerThanAnyIsRefusedByItsHead() throws {
        for (length, isRefused) in [(ChannelFramer.fromWorkers, false), (ChannelFramer.fromWorkers + 1, true)] {
            let scene = try Scene(framer: ChannelFramer(longest: ChannelFramer.fromWorkers))
            let head = (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
            // One that may come waits for its body, and then for sense in it.
            try scene.other.write(head)
            if !isRefused { try scene.other.write([0x3C]) }
            if isRefused { try scene.loop.run(until: "the end") { scene.ends == 1 } } else { try scene.turn() }
            #expect((scene.ends == 1) == isRefused)
        }
    }

    /// A password leaves no copy in the process that hands it on.
    @Test func passwordsAreOverwrittenOnTheirWay() throws {
        let password = randomBytes(96).map { 0x61 + $0 % 26 }
        let before = try MemoryCopies.count(of: password)
        func carry() throws {
            let request = SignInRequest(
                number: 1, customer: try CustomerName("acme"), password: SecretBytes(password), source: "192.0.2.1",
                trace: .random())
            var framer = ChannelFramer()
            var framed = ChannelMessage.signIn(request).framed
            framed.withUnsafeBytes { framer.append($0) }
            SecretMemory.wipe(&framed)
            guard case .signIn(let arrived)? = try framer.next() else { throw TestFailure("no request") }
            #expect(arrived.password.bytes == password)
        }
        try carry()
        // The comparison above made one of its own, in memory that is free now.
        #expect(try MemoryCopies.count(of: password) <= before + 1)
    }
}
