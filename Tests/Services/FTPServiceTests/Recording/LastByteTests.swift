import Glibc
import SystemSupport
import TestSupport
import Testing

@testable import FTPService

/// The last byte of a transfer goes out when its record is written, and not before.
@Suite(.serialized) struct LastByteTests {
    private final class Pieces: ChunkProducer {
        private var left: [[UInt8]]
        init(_ pieces: [[UInt8]]) { left = pieces }
        func produce(into buffer: inout [UInt8]) -> Bool {
            if !left.isEmpty { buffer += left.removeFirst() }
            return !left.isEmpty
        }
    }

    /// A transfer on a loop, its peer, and what was asked.
    private final class Scene {
        let loop: PollLoop
        let transfer: Transfer
        let peer: Descriptor
        var got: [UInt8] = []
        var asked: [(bytes: UInt64, got: Int)] = []
        var end: Transfer.End?
        var hasEnded = false

        init(_ content: Transfer.Content, _ settlement: Settlement) throws {
            loop = try PollLoop()
            let address = try #require(TCPAddress(bytes: [127, 0, 0, 1], port: 0))
            let listener = try Descriptor.listen(address, backlog: 1)
            peer = try Descriptor.connect(from: address, to: listener.localAddress())
            try peer.setNonBlocking()
            var accepted: Descriptor?
            while accepted == nil { accepted = try listener.accept()?.take() }
            transfer = Transfer(
                ByteStream(accepted.take()!), content, demand: .nothing, corks: false, patience: 5)
            transfer.settle = { [unowned self] _, bytes in
                read()
                asked.append((bytes, got.count))
                return settlement
            }
            transfer.onEnd = { [unowned self] in end = $0 }
            transfer.start(on: loop)
        }

        func read() {
            var isOpen = true
            while isOpen {
                isOpen = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { space in
                    guard case .bytes(let count) = peer.receive(into: space) else { return false }
                    got += space[..<count]
                    return true
                }
            }
        }

        func run(until what: String, _ isDone: @escaping () -> Bool) throws {
            try loop.run(until: what) { [self] in
                read()
                return isDone()
            }
        }
    }

    private static func file(_ count: Int) throws -> (Transfer.Content, [UInt8]) {
        let directory = try TemporaryDirectory("last-byte")
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Files.write(bytes, to: directory("f"))
        let descriptor = try Descriptor.open(CPath(directory("f")), .read)
        let status = try descriptor.status()
        return (.file(OpenFile(descriptor, status), 0..<UInt64(count)), bytes)
    }

    private static func content(_ kind: String) throws -> (Transfer.Content, [UInt8]) {
        switch kind {
        case "empty": return try file(0)
        case "one": return try file(1)
        case "small": return try file(4_096)
        case "large": return try file(3_000_000)
        case "ascii":
            let directory = try TemporaryDirectory("last-byte")
            let text = [UInt8](repeating: 0x0A, count: 200_000)
            try Files.write(text, to: directory("f"))
            let descriptor = try Descriptor.open(CPath(directory("f")), .read)
            let status = try descriptor.status()
            return (
                .translated(OpenFile(descriptor, status), Translation(.ascii)), text.flatMap { [0x0D, $0] }
            )
        // Its last piece is empty: the byte before had to wait for that.
        case "made": return (.produced(Pieces([[1, 2, 3], [], [4], []])), [1, 2, 3, 4])
        default: return (.produced(Pieces([])), [])
        }
    }

    private static let kinds = ["empty", "one", "small", "large", "ascii", "made", "made of nothing"]

    @Test(arguments: kinds) func settledOnceAndThenWhole(kind: String) throws {
        let (content, bytes) = try Self.content(kind)
        let scene = try Scene(content, .settled)
        try scene.run(until: "the end") { scene.end != nil }
        scene.read()
        #expect(scene.end == .complete)
        #expect(scene.got == bytes)
        #expect(scene.asked.count == 1 && scene.asked[0].bytes == UInt64(bytes.count))
        #expect(scene.asked[0].got <= max(0, bytes.count - 1))
    }

    @Test(arguments: kinds) func unrecordedIsNeverWhole(kind: String) throws {
        let (content, bytes) = try Self.content(kind)
        let scene = try Scene(content, .failed("full"))
        try scene.run(until: "the end") { scene.end != nil }
        scene.read()
        #expect(scene.end == .unrecorded("full"))
        #expect(scene.got.count <= max(0, bytes.count - 1) && scene.asked.count == 1)
    }

    @Test(arguments: kinds) func pendingWaits(kind: String) throws {
        let (content, bytes) = try Self.content(kind)
        let scene = try Scene(content, .pending)
        try scene.run(until: "the question") { !scene.asked.isEmpty }
        let until = SystemClock.monotonic() + 50_000_000
        try scene.run(until: "a while") { SystemClock.monotonic() > until }
        #expect(scene.end == nil && scene.got.count <= max(0, bytes.count - 1))
        scene.transfer.settled(nil)
        try scene.run(until: "the end") { scene.end != nil }
        scene.read()
        #expect(scene.end == .complete && scene.got == bytes && scene.asked.count == 1)
    }

    @Test func pendingThatFailsIsNeverWhole() throws {
        let (content, bytes) = try Self.content("large")
        let scene = try Scene(content, .pending)
        try scene.run(until: "the question") { !scene.asked.isEmpty }
        scene.transfer.settled("a disk that is gone")
        scene.read()
        #expect(scene.end == .unrecorded("a disk that is gone") && scene.got.count < bytes.count)
    }
}
