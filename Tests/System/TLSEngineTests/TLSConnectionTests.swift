import TLSEngine
import Testing

@Suite struct TLSConnectionTests {
    private static let tls12: Int32 = 0x0303
    private static let tls13: Int32 = 0x0304

    private func pair(
        _ context: TLSContext, client: TLSContext, identity: [UInt8] = [1], data: Bool = false,
        resuming session: TLSSession? = nil
    ) throws -> Pair {
        let pair = Pair(
            server: try TLSConnection(.server, context: context, identity: identity, mustResumeOwnSession: data),
            client: try TLSConnection(.client, context: client))
        if let session { pair.client.resume(session) }
        return pair
    }

    @Test(arguments: [(tls12, "TLSv1.2"), (tls13, "TLSv1.3")])
    func bytesCrossBothWays(_ version: Int32, _ name: String) throws {
        let context = try TLSContext(server: [TestCertificate.credentials()], protocols: [])
        let pair = try pair(context, client: TLSContext(unverifyingClientWithProtocols: [], maximumVersion: version))
        try pair.handshake()
        #expect(pair.server.version == name)
        #expect(pair.server.resumption == .none)
        #expect(pair.server.cipher.contains("AES_128_GCM") || pair.server.cipher.contains("AES128-GCM"))
        #expect(try pair.send("hello", from: pair.client, to: pair.server) == "hello")
        #expect(try pair.send("150 go", from: pair.server, to: pair.client) == "150 go")
    }

    /// RFC 4217 §10.2 with both versions' mechanisms: a data connection proves that it belongs to its control session.
    @Test(arguments: [tls12, tls13])
    func aDataConnectionResumesItsOwnSessionOnly(_ version: Int32) throws {
        let context = try TLSContext(server: [TestCertificate.credentials()], protocols: [])
        let client = try TLSContext(unverifyingClientWithProtocols: [], maximumVersion: version)
        let control = try pair(context, client: client, identity: [1])
        try control.handshake()
        _ = try control.send("220", from: control.server, to: control.client)
        let session = try #require(control.client.session())

        let data = try pair(context, client: client, identity: [1], data: true, resuming: session)
        try data.handshake()
        #expect(data.server.resumption == .ownSession)

        let thief = try pair(context, client: client, identity: [2], data: true, resuming: session)
        try thief.handshake()
        #expect(thief.server.resumption == .otherSession)

        let stranger = try pair(context, client: client, identity: [1], data: true)
        try stranger.handshake()
        #expect(stranger.server.resumption == .none)
    }

    /// A control connection resumed from an older one gets tickets of its own.
    @Test(arguments: [tls12, tls13])
    func aResumedControlConnectionHasItsOwnIdentity(_ version: Int32) throws {
        let context = try TLSContext(server: [TestCertificate.credentials()], protocols: [])
        let client = try TLSContext(unverifyingClientWithProtocols: [], maximumVersion: version)
        let first = try pair(context, client: client, identity: [1])
        try first.handshake()
        _ = try first.send("220", from: first.server, to: first.client)
        let second = try pair(context, client: client, identity: [2], resuming: first.client.session())
        try second.handshake()
        _ = try second.send("220", from: second.server, to: second.client)
        let data = try pair(
            context, client: client, identity: [2], data: true, resuming: second.client.session())
        try data.handshake()
        #expect(data.server.resumption == .ownSession)
    }

    /// A ticket opens under its key as long as that is kept, and is written anew under the newest.
    @Test(arguments: [tls12, tls13])
    func ticketKeysTurnOver(_ version: Int32) throws {
        var keys = TicketKeys()
        func context() throws -> TLSContext {
            try TLSContext(server: [TestCertificate.credentials()], protocols: [], ticketKeys: keys.keys)
        }
        let client = try TLSContext(unverifyingClientWithProtocols: [], maximumVersion: version)
        // A connection that is gone without a word takes its session with it.
        var kept: [Pair] = []
        func session(_ context: TLSContext, resuming old: TLSSession? = nil) throws -> (TLSSession, Bool) {
            let pair = try pair(context, client: client, resuming: old)
            kept.append(pair)
            try pair.handshake()
            _ = try pair.send("220", from: pair.server, to: pair.client)
            return (try #require(pair.client.session()), pair.server.resumption == .ownSession)
        }
        let (first, _) = try session(context())
        // A second process with the same keys, and one with others.
        #expect(try session(context(), resuming: first).1)
        let stranger = try TLSContext(
            server: [TestCertificate.credentials()], protocols: [], ticketKeys: TicketKeys().keys)
        #expect(try !session(stranger, resuming: first).1)
        keys.turnOver()
        let (second, resumed) = try session(context(), resuming: first)
        #expect(resumed)
        keys.turnOver()
        #expect(try session(context(), resuming: first).1)
        keys.turnOver()
        #expect(try !session(context(), resuming: first).1, "its key is forgotten")
        #expect(try session(context(), resuming: second).1, "it was written anew")
        #expect(keys.keys.count == 3 && Set(keys.keys).count == 3)
        let key = try #require(keys.keys.first)
        #expect(TicketKey(key.bytes) == key && TicketKey(key.bytes.dropLast()) == nil)
    }

    @Test func closeNotifyIsTheOnlyCleanEnd() throws {
        let context = try TLSContext(server: [TestCertificate.credentials()], protocols: [])
        let pair = try pair(context, client: TLSContext(unverifyingClientWithProtocols: []))
        try pair.handshake()
        var buffer = [UInt8](repeating: 0, count: 10)
        #expect(try buffer.withUnsafeMutableBytes { try pair.client.read(into: $0) } == .needsInput)
        _ = try pair.server.sendCloseNotify()
        pair.carry()
        #expect(try buffer.withUnsafeMutableBytes { try pair.client.read(into: $0) } == .closed)
    }

    @Test func applicationProtocols() throws {
        let context = try TLSContext(server: [TestCertificate.credentials()], protocols: ["ftp"])
        let agreed = try pair(context, client: TLSContext(unverifyingClientWithProtocols: ["x", "ftp"]))
        try agreed.handshake()
        #expect(agreed.server.applicationProtocol == "ftp")
        let silent = try pair(context, client: TLSContext(unverifyingClientWithProtocols: []))
        try silent.handshake()
        #expect(silent.server.applicationProtocol == nil)
        let web = try pair(context, client: TLSContext(unverifyingClientWithProtocols: ["http/1.1"]))
        #expect(throws: TLSError.self) { try web.handshake() }
    }

    @Test func garbageIsAnErrorNotACrash() throws {
        let context = try TLSContext(server: [TestCertificate.credentials()], protocols: [])
        let server = try TLSConnection(.server, context: context)
        Array("USER anonymous\r\n".utf8).withUnsafeBytes { server.feed($0) }
        #expect(throws: TLSError.self) { try server.handshake() }
    }
}

@Suite struct TLSCredentialsTests {
    @Test func validity() throws { #expect(try TestCertificate.credentials().notAfter > 1_700_000_000) }

    @Test func whatDoesNotFitIsNamed() throws {
        let good = TestCertificate.pem
        func complaint(_ certificate: [UInt8], _ key: [UInt8]) -> String {
            do {
                _ = try TLSCredentials(certificatePEM: certificate, privateKeyPEM: key)
                return ""
            } catch { return error.description }
        }
        #expect(complaint([], good.key).contains("no PEM certificate"))
        #expect(complaint(good.certificate, []).contains("no unencrypted PEM private key"))
        #expect(complaint(good.certificate, TestCertificate.other.key).contains("does not belong"))
        #expect(complaint(Array(good.certificate.dropLast(200)), good.key).contains("no PEM certificate"))
    }
}
