import NIOCore
import NIOEmbedded
import TLSEngine
import Testing

@Suite struct TLSServerHandlerTests {
    /// What the application above TLS saw.
    private final class Recorder: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        var text = ""
        var handshake: TLSHandshakeCompleted?
        var error: (any Error)?

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { text += String(buffer: unwrapInboundIn(data)) }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if let event = event as? TLSHandshakeCompleted { handshake = event }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { self.error = error }
    }

    private struct Setup {
        let channel: EmbeddedChannel
        let recorder: Recorder
        let client: TLSConnection

        init() throws {
            let context = try TLSContext(server: [TestCertificate.credentials()], protocols: ["ftp"])
            recorder = Recorder()
            channel = EmbeddedChannel()
            let server = try TLSConnection(.server, context: context, identity: [7])
            try channel.pipeline.syncOperations.addHandlers([TLSServerHandler(connection: server), recorder])
            client = try TLSConnection(.client, context: TLSContext(unverifyingClientWithProtocols: ["ftp"]))
        }

        /// Carries ciphertext both ways.
        func carry() throws {
            var buffer = channel.allocator.buffer(capacity: 65_536)
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: client.pendingOutput) { client.drain(into: $0) }
            if buffer.readableBytes > 0 { try channel.writeInbound(buffer) }
            while let out = try channel.readOutbound(as: ByteBuffer.self) {
                out.withUnsafeReadableBytes { client.feed($0) }
            }
        }

        func handshake() throws {
            for _ in 0..<5 where try client.handshake() != .done { try carry() }
            try carry()
        }

        func read() throws -> TLSConnection.ReadResult {
            var buffer = [UInt8](repeating: 0, count: 1_000)
            return try buffer.withUnsafeMutableBytes { try client.read(into: $0) }
        }
    }

    @Test func earlyWritesWaitForTheHandshake() throws {
        let setup = try Setup()
        setup.channel.writeAndFlush(ByteBuffer(string: "220 ready\r\n"), promise: nil)
        #expect(try setup.channel.readOutbound(as: ByteBuffer.self) == nil)
        try setup.handshake()
        #expect(setup.recorder.handshake?.applicationProtocol == "ftp")
        #expect(try setup.read() == .bytes(11))
        _ = try Array("USER a\r\n".utf8).withUnsafeBytes { try setup.client.write($0) }
        try setup.carry()
        #expect(setup.recorder.text == "USER a\r\n")
    }

    @Test func aCloseSaysGoodbye() throws {
        let setup = try Setup()
        try setup.handshake()
        setup.channel.close(promise: nil)
        try setup.carry()
        #expect(try setup.read() == .closed)
    }

    @Test func anEndWithoutCloseNotifyIsReported() throws {
        let setup = try Setup()
        try setup.handshake()
        setup.channel.pipeline.fireChannelInactive()
        #expect((setup.recorder.error as? TLSError)?.kind == .truncated)
    }

    @Test func plainTextIsRefused() throws {
        let setup = try Setup()
        try setup.channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n"))
        #expect((setup.recorder.error as? TLSError)?.kind == .peer)
        #expect(!setup.channel.isActive)
    }
}
