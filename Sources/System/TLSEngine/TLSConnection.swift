import COpenSSL

/// One TLS connection over memory (ciphertext is fed and drained by the owner) or over a non-blocking socket.
///
/// Not Sendable: one owner at a time drives it. Every call returns at once.
///
///     memory:      feed → handshake/read/write → drain
///     descriptor:  poll → handshake/read/write
package final class TLSConnection {
    package enum Role: Sendable { case server, client }

    /// What a call needs before it can go on.
    package enum Progress: Sendable, Hashable {
        case done
        /// More ciphertext from the peer.
        case needsInput
        /// Room in the socket (descriptor transport only).
        case needsOutput
    }

    package enum ReadResult: Sendable, Hashable {
        case bytes(Int)
        case needsInput
        case needsOutput
        /// close_notify arrived: the peer said all it had to say.
        case closed
    }

    package enum WriteResult: Sendable, Hashable {
        case bytes(Int)
        case needsInput
        case needsOutput
    }

    /// How the handshake came about.
    package enum Resumption: Sendable, Hashable {
        /// A full handshake, no ticket offered or none that decrypts.
        case none
        /// Resumed from a ticket with this connection's identity.
        case ownSession
        /// A ticket of another session was offered (and not used where own tickets are demanded).
        case otherSession
    }

    private let ssl: OpaquePointer
    /// Kept so that callbacks' context outlives the connection.
    let context: TLSContext
    private var input: OpaquePointer?
    private var output: OpaquePointer?
    var sessionCache: TLSSessionCache? { context.sessions }
    /// What this connection's tickets carry.
    let identity: TLSContext.SessionIdentity
    let mustResumeOwnSession: Bool
    var sawForeignTicket = false
    package private(set) var isEstablished = false
    private var isGathering = false
    private var sentCloseNotify = false

    /// - Parameters:
    ///   - descriptor: a connected non-blocking socket that outlives the connection; nil for the memory transport.
    ///   - identity: the control session; a data connection gets its control connection's.
    ///   - mustResumeOwnSession: tickets with another identity are not resumed (data connections).
    ///   - kernelMayEncrypt: false for a connection that may have to leave its socket (``leaveSocket()``).
    package init(
        _ role: Role, context: TLSContext, descriptor: Int32? = nil, identity: TLSContext.SessionIdentity = [],
        mustResumeOwnSession: Bool = false, kernelMayEncrypt: Bool = true, serverName: String? = nil
    ) throws(TLSError) {
        guard let ssl = SSL_new(context.pointer) else { throw .fromQueue(.system, "cannot make a TLS connection") }
        self.ssl = ssl
        self.context = context
        self.identity = identity
        self.mustResumeOwnSession = mustResumeOwnSession
        if let descriptor {
            input = nil
            output = nil
            SSL_set_fd(ssl, descriptor)
        } else {
            input = BIO_new(BIO_s_mem())
            output = BIO_new(BIO_s_mem())
            SSL_set_bio(ssl, input, output)
        }
        if !kernelMayEncrypt { ffs_ssl_without_kernel(ssl) }
        _ = ffs_ssl_set_data(ssl, Unmanaged.passUnretained(self).toOpaque())
        switch role {
        case .server: SSL_set_accept_state(ssl)
        case .client:
            SSL_set_connect_state(ssl)
            if let serverName { _ = ffs_set_servername(ssl, serverName) }
        }
    }

    deinit { SSL_free(ssl) }

    // MARK: Handshake

    package func handshake() throws(TLSError) -> Progress {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            isEstablished = true
            if !mustResumeOwnSession, SSL_session_reused(ssl) == 1, SSL_version(ssl) == TLS1_2_VERSION {
                sessionCache?.adopt(sessionName(SSL_get_session(ssl)), by: identity)
            }
            return .done
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .needsInput
        case SSL_ERROR_WANT_WRITE: return .needsOutput
        default: throw failure("TLS handshake failed")
        }
    }

    package var resumption: Resumption {
        if sawForeignTicket { return .otherSession }
        guard SSL_session_reused(ssl) == 1 else { return .none }
        return wasOwnTicket ? .ownSession : .otherSession
    }

    /// A ticket that was used on a connection that insists on its own was its own: `readTicket` let no other pass.
    private var wasOwnTicket: Bool {
        mustResumeOwnSession || ticketIdentity(SSL_get_session(ssl)) == identity
    }

    /// `TLSv1.2` or `TLSv1.3`.
    package var version: String { String(cString: SSL_get_version(ssl)) }

    /// OpenSSL's name, such as `TLS_AES_128_GCM_SHA256`.
    package var cipher: String { SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)).map { String(cString: $0) } ?? "-" }

    /// The server's name as the client asked for it (SNI); nil when it named none.
    package var serverName: [UInt8]? {
        SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { Array(String(cString: $0).utf8) }
    }

    /// The protocol agreed by ALPN; nil when the client offered none.
    package var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        guard let name, count > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
    }

    // MARK: Application data

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(TLSError) -> ReadResult {
        ERR_clear_error()
        var count = 0
        let result = SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &count)
        if result == 1 { return .bytes(count) }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .needsInput
        case SSL_ERROR_WANT_WRITE: return .needsOutput
        case SSL_ERROR_ZERO_RETURN: return .closed
        default: throw failure("TLS read failed")
        }
    }

    /// Takes at most one record's worth (16 KiB) of `buffer` at a time from a full socket; with the memory transport all.
    package func write(_ buffer: UnsafeRawBufferPointer) throws(TLSError) -> WriteResult {
        ERR_clear_error()
        var count = 0
        let result = SSL_write_ex(ssl, buffer.baseAddress, buffer.count, &count)
        if result == 1 { return .bytes(count) }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .needsInput
        case SSL_ERROR_WANT_WRITE: return .needsOutput
        default: throw failure("TLS write failed")
        }
    }

    /// From now on records gather, some `bytes` of them, before they are given to the socket together: for long streams,
    /// where a system call for each record costs a quarter of the time. ``sendCloseNotify()`` sends the rest. Only after
    /// the handshake, and only over a socket; where the kernel encrypts there is nothing to gather.
    package func gatherRecords(bytes: Int) {
        guard isEstablished, input == nil, !isGathering, !kernelEncrypts else { return }
        isGathering = ffs_gather_records(ssl, bytes) == 1
    }

    /// Gives gathered records to the socket; `done` at once where none gather.
    package func flushRecords() throws(TLSError) -> Progress {
        guard isGathering else { return .done }
        ERR_clear_error()
        switch ffs_flush_records(ssl) {
        case 1: return .done
        case 0: return .needsOutput
        default: throw failure("TLS write failed")
        }
    }

    /// From now on one recv(2) takes whatever has come, where it took a record's head and then its body. After each read
    /// ``hasBufferedInput`` says whether there is more that no poll will tell of.
    package func readAhead() { SSL_set_read_ahead(ssl, 1) }

    /// Whether bytes of the peer wait inside.
    package var hasBufferedInput: Bool { SSL_has_pending(ssl) == 1 }

    /// Goes over from the socket to the memory transport: another than its owner of so far reads and writes the socket from
    /// now on. After the handshake, before anything was read or written.
    package func leaveSocket() {
        guard input == nil, !isGathering, !kernelEncrypts else { return }
        input = BIO_new(BIO_s_mem())
        output = BIO_new(BIO_s_mem())
        SSL_set_bio(ssl, input, output)
    }

    /// Whether the kernel encrypts what we send (kTLS), so that ``sendFile(_:offset:count:)`` works.
    package var kernelEncrypts: Bool { input == nil && ffs_ktls_send(ssl) == 1 }

    /// sendfile(2) through kTLS; only when ``kernelEncrypts``.
    package func sendFile(_ file: Int32, offset: Int64, count: Int) throws(TLSError) -> WriteResult {
        ERR_clear_error()
        let sent = SSL_sendfile(ssl, file, off_t(offset), count, 0)
        if sent >= 0 { return .bytes(sent) }
        switch SSL_get_error(ssl, Int32(truncatingIfNeeded: sent)) {
        case SSL_ERROR_WANT_READ: return .needsInput
        case SSL_ERROR_WANT_WRITE: return .needsOutput
        default: throw failure("TLS sendfile failed")
        }
    }

    /// Sends close_notify behind all that was written. `done` once it is on its way; the peer's own is not awaited.
    package func sendCloseNotify() throws(TLSError) -> Progress {
        ERR_clear_error()
        if !sentCloseNotify {
            let result = SSL_shutdown(ssl)
            guard result >= 0 else {
                switch SSL_get_error(ssl, result) {
                case SSL_ERROR_WANT_READ: return .needsInput
                case SSL_ERROR_WANT_WRITE: return .needsOutput
                default: throw failure("TLS shutdown failed")
                }
            }
            sentCloseNotify = true
        }
        return try flushRecords()
    }

    // MARK: Memory transport

    /// Gives ciphertext from the peer.
    package func feed(_ ciphertext: UnsafeRawBufferPointer) {
        guard let input, !ciphertext.isEmpty else { return }
        _ = BIO_write(input, ciphertext.baseAddress, Int32(ciphertext.count))
    }

    /// At least as many bytes as ``read(into:)`` could give now; 0: it would only ask for input.
    package var pendingInput: Int { (input.map { ffs_bio_pending($0) } ?? 0) + Int(SSL_pending(ssl)) }

    /// Ciphertext bytes that wait to be sent.
    package var pendingOutput: Int { output.map { ffs_bio_pending($0) } ?? 0 }

    /// Moves up to `buffer.count` bytes of ciphertext into `buffer`; returns how many.
    package func drain(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let output, !buffer.isEmpty else { return 0 }
        return max(0, Int(BIO_read(output, buffer.baseAddress, Int32(clamping: buffer.count))))
    }

    // MARK: Sessions (clients, tests)

    private func failure(_ what: String) -> TLSError {
        let code = ERR_peek_error()
        if code == 0 {
            // SSL_ERROR_SYSCALL with an empty queue: the transport ended or broke.
            return TLSError(.truncated, "\(what): the peer closed the connection")
        }
        // OpenSSL 3's SSL_R_UNEXPECTED_EOF_WHILE_READING
        let truncated = code & 0x7FFFFF == 294
        return .fromQueue(truncated ? .truncated : .peer, what)
    }

    /// The session to resume from, for a client; call after some application data was read (TLS 1.3 tickets come late).
    package func session() -> TLSSession? { SSL_get1_session(ssl).map(TLSSession.init) }

    /// Offers `session` in a client's handshake.
    package func resume(_ session: TLSSession) { SSL_set_session(ssl, session.pointer) }
}

/// A client's resumable session.
package final class TLSSession {
    fileprivate let pointer: OpaquePointer
    fileprivate init(_ pointer: OpaquePointer) { self.pointer = pointer }
    deinit { SSL_SESSION_free(pointer) }
}
