import COpenSSL

/// What all connections of one listener share: credentials, versions, ALPN, ticket keys.
///
/// Server contexts accept TLS 1.2 and 1.3 with forward secrecy and AEAD only. Session tickets carry the
/// ``SessionIdentity`` of the connection that issued them, so that an FTP data connection can be held to its own
/// control connection (RFC 4217 §10.2).
package final class TLSContext: Sendable {
    /// Sixteen bytes that name one control session inside its tickets.
    package typealias SessionIdentity = [UInt8]

    // Proof: an SSL_CTX is reference counted with atomics, internally locked, and only configured in `init`.
    nonisolated(unsafe) let pointer: OpaquePointer
    /// Protocol names a client may ask for by ALPN; a client that offers only others is refused (ALPACA).
    let protocols: [[UInt8]]
    /// The first is the default; empty for a client.
    let credentials: [TLSCredentials]
    /// Sessions by id, for clients without tickets.
    let sessions: TLSSessionCache?

    /// Seconds for which a session can be resumed: as long as an FTP session may last without a command.
    package static let resumable = 86_400

    /// Under which tickets are written, and read: the first; the others, of before, only read. Empty: OpenSSL's own.
    let ticketKeys: [TicketKey]

    /// A server's context.
    /// - Parameters:
    ///   - credentials: at least one; the first for clients that name no server (SNI, RFC 6066 §3) that another serves.
    ///   - ticketKeys: the same for all contexts and processes that are to accept each other's tickets; none: this
    ///     context's own.
    ///   - sessions: where TLS 1.2 sessions of clients without tickets are kept; nil: they cannot resume.
    package init(
        server credentials: [TLSCredentials], protocols: [String], maximumVersion: Int32? = nil,
        ticketKeys: [TicketKey] = [], sessions: TLSSessionCache? = nil
    ) throws(TLSError) {
        guard let first = credentials.first else { throw TLSError(.credentials, "there is no certificate") }
        guard let context = SSL_CTX_new(TLS_server_method()) else {
            throw .fromQueue(.system, "cannot make a TLS context")
        }
        pointer = context
        self.protocols = protocols.map { Array($0.utf8) }
        self.credentials = credentials
        self.sessions = sessions
        self.ticketKeys = ticketKeys
        guard SSL_CTX_use_certificate(context, first.leaf) == 1, SSL_CTX_use_PrivateKey(context, first.key) == 1,
            ffs_ctx_set_chain(context, first.chain) == 1
        else { throw .fromQueue(.credentials, "OpenSSL does not accept the certificate") }
        configure(context)
        if let maximumVersion { _ = ffs_ctx_set_max_version(context, maximumVersion) }
        // AES-128 first: the fastest that is strong; a client that prefers ChaCha20 for want of AES gets it.
        SSL_CTX_set_cipher_list(
            context, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK"
        )
        SSL_CTX_set_ciphersuites(
            context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256")
        var sessionContext = Array("ffs".utf8)
        SSL_CTX_set_session_id_context(context, &sessionContext, UInt32(sessionContext.count))
        SSL_CTX_set_session_ticket_cb(context, markTicket, readTicket, nil)
        // A session has one data connection at a time, and each brings the next ticket.
        SSL_CTX_set_num_tickets(context, 1)
        if !ticketKeys.isEmpty { SSL_CTX_set_tlsext_ticket_key_evp_cb(context, chooseTicketKey) }
        SSL_CTX_set_timeout(context, Self.resumable)
        let me = Unmanaged.passUnretained(self).toOpaque()
        SSL_CTX_set_alpn_select_cb(context, selectProtocol, me)
        if credentials.count > 1 { SSL_CTX_set_cert_cb(context, chooseCertificate, me) }
        if sessions != nil {
            let mode = SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL
            _ = ffs_ctx_set_cache_mode(context, Int(mode))
            SSL_CTX_sess_set_new_cb(context, keepSession)
            SSL_CTX_sess_set_get_cb(context, findSession)
        }
    }

    /// A client's context that trusts any certificate; for tests and for peers that are authenticated otherwise.
    package init(unverifyingClientWithProtocols protocols: [String] = [], maximumVersion: Int32? = nil) throws(TLSError)
    {
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw .fromQueue(.system, "cannot make a TLS context")
        }
        pointer = context
        self.protocols = protocols.map { Array($0.utf8) }
        credentials = []
        sessions = nil
        ticketKeys = []
        configure(context)
        if let maximumVersion { _ = ffs_ctx_set_max_version(context, maximumVersion) }
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        let wire = self.protocols.flatMap { [UInt8($0.count)] + $0 }
        if !wire.isEmpty { SSL_CTX_set_alpn_protos(context, wire, UInt32(wire.count)) }
    }

    deinit { SSL_CTX_free(pointer) }

    private func configure(_ context: OpaquePointer) {
        _ = ffs_ctx_set_min_version(context, TLS1_2_VERSION)
        ffs_ctx_set_options(context)
        // Tickets only: no server-side memory a session, but for clients without tickets (TLSSessionCache).
        _ = ffs_ctx_set_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        _ = ffs_ctx_set_groups(context, "X25519:P-256:P-384")
    }
}

/// Writes the issuing connection's identity into each ticket.
private let markTicket: SSL_CTX_generate_session_ticket_fn = { ssl, _ in
    guard let ssl, let data = ffs_ssl_data(ssl) else { return 1 }
    let connection = Unmanaged<TLSConnection>.fromOpaque(data).takeUnretainedValue()
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), connection.identity, connection.identity.count)
}

/// Accepts a ticket that decrypts, and always renews it, so that the next one carries this connection's identity.
/// A data connection ignores another session's ticket: that makes a full handshake, which its owner then judges.
private let readTicket: SSL_CTX_decrypt_session_ticket_fn = { ssl, session, _, _, status, _ in
    guard status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW else {
        return SSL_TICKET_RETURN_IGNORE_RENEW
    }
    guard let ssl, let data = ffs_ssl_data(ssl) else { return SSL_TICKET_RETURN_IGNORE_RENEW }
    let connection = Unmanaged<TLSConnection>.fromOpaque(data).takeUnretainedValue()
    if connection.mustResumeOwnSession, ticketIdentity(session) != connection.identity {
        connection.sawForeignTicket = true
        return SSL_TICKET_RETURN_IGNORE_RENEW
    }
    return SSL_TICKET_RETURN_USE_RENEW
}

/// The identity inside a session's ticket; nil when it carries none.
func ticketIdentity(_ session: OpaquePointer?) -> TLSContext.SessionIdentity? {
    var data: UnsafeMutableRawPointer?
    var count = 0
    guard let session, SSL_SESSION_get0_ticket_appdata(session, &data, &count) == 1, let data, count > 0 else {
        return nil
    }
    return Array(UnsafeRawBufferPointer(start: data, count: count))
}

/// SNI: the first credentials that are valid for the name asked for; the context's own, the first, for no or another
/// name. Clients that insist on a name find the mismatch themselves.
private let chooseCertificate: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { ssl, argument in
    guard let ssl, let argument, let asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else { return 1 }
    let context = Unmanaged<TLSContext>.fromOpaque(argument).takeUnretainedValue()
    let name = String(cString: asked)
    guard let position = context.credentials.firstIndex(where: { $0.serves(name) }), position > 0 else { return 1 }
    let chosen = context.credentials[position]
    // A key of another kind would stay beside the new one, and might be preferred.
    SSL_certs_clear(ssl)
    return SSL_use_certificate(ssl, chosen.leaf) == 1 && SSL_use_PrivateKey(ssl, chosen.key) == 1
        && ffs_set_chain(ssl, chosen.chain) == 1 ? 1 : 0
}

/// ALPN, RFC 7301: the first of our protocols that the client offers; a client that offers only others is refused.
private let selectProtocol: SSL_CTX_alpn_select_cb_func = { _, out, outLength, offered, offeredLength, argument in
    guard let argument, let offered else { return SSL_TLSEXT_ERR_NOACK }
    let context = Unmanaged<TLSContext>.fromOpaque(argument).takeUnretainedValue()
    let bytes = UnsafeBufferPointer(start: offered, count: Int(offeredLength))
    for wanted in context.protocols {
        var position = 0
        while position < bytes.count {
            let length = Int(bytes[position])
            let end = position + 1 + length
            guard end <= bytes.count else { return SSL_TLSEXT_ERR_ALERT_FATAL }
            if bytes[(position + 1)..<end].elementsEqual(wanted) {
                out?.pointee = offered + position + 1
                outLength?.pointee = UInt8(length)
                return SSL_TLSEXT_ERR_OK
            }
            position = end
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}
