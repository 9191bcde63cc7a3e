import COpenSSL
import Synchronization

/// TLS 1.2 sessions of clients that take no tickets, by session id (RFC 5246 §7.3), with the ``TLSContext/SessionIdentity``
/// of the connections that they belong to. Tickets and TLS 1.3 never come here.
///
/// An id is no secret, but only who has its session's keys can finish a handshake with it; so a session belongs to the
/// connection that made it, and to each that resumed it.
package final class TLSSessionCache: Sendable {
    /// The oldest go first; one takes about 1 KiB.
    package static let capacity = 10_000
    private static let mostOwners = 64

    /// Sendable, unchecked: an SSL_SESSION is reference counted with atomics and is not changed once it is here.
    fileprivate final class Kept: @unchecked Sendable {
        let session: OpaquePointer
        init(owning session: OpaquePointer) { self.session = session }
        deinit { SSL_SESSION_free(session) }
    }

    private struct Entry {
        let kept: Kept
        var owners: [TLSContext.SessionIdentity]
    }

    private struct State {
        var entries: [[UInt8]: Entry] = [:]
        /// Ids in the order they came, from `oldest` on.
        var order: [[UInt8]] = []
        var oldest = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// Sessions there are.
    package var count: Int { state.withLock { $0.entries.count } }

    fileprivate func keep(_ id: [UInt8], _ kept: Kept, of owner: TLSContext.SessionIdentity) {
        state.withLock { state in
            guard state.entries.updateValue(Entry(kept: kept, owners: [owner]), forKey: id) == nil else { return }
            state.order.append(id)
            guard state.entries.count > Self.capacity else { return }
            state.entries[state.order[state.oldest]] = nil
            state.oldest += 1
            if state.oldest == Self.capacity {
                state.order.removeFirst(state.oldest)
                state.oldest = 0
            }
        }
    }

    /// The session, and whether it belongs to `owner`.
    fileprivate func find(_ id: [UInt8], _ owner: TLSContext.SessionIdentity) -> (kept: Kept, isOwn: Bool)? {
        state.withLock { state in state.entries[id].map { ($0.kept, $0.owners.contains(owner)) } }
    }

    /// A connection has resumed the session, and with it proved to be the same client.
    func adopt(_ id: [UInt8], by owner: TLSContext.SessionIdentity) {
        state.withLock { state in
            guard var entry = state.entries[id], !entry.owners.contains(owner) else { return }
            if entry.owners.count == Self.mostOwners { entry.owners.removeFirst() }
            entry.owners.append(owner)
            state.entries[id] = entry
        }
    }
}

/// After a full handshake. Copies go in and out of the cache: OpenSSL marks a connection's session as not resumable when
/// the connection breaks, and a broken transfer must not end what its control connection goes on with.
let keepSession: @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32 = { ssl, session in
    // OpenSSL tells of TLS 1.3's sessions as well, which resume by ticket.
    guard let ssl, let session, SSL_version(ssl) == TLS1_2_VERSION, let data = ffs_ssl_data(ssl) else { return 0 }
    let connection = Unmanaged<TLSConnection>.fromOpaque(data).takeUnretainedValue()
    guard let cache = connection.sessionCache else { return 0 }
    if let copy = SSL_SESSION_dup(session) {
        cache.keep(sessionName(session), .init(owning: copy), of: connection.identity)
    }
    // The reference is still OpenSSL's.
    return 0
}

/// The session that a client asks to resume by id. A data connection gets its own control connection's only: another's
/// makes a full handshake, which its owner then judges.
let findSession:
    @convention(c) (
        OpaquePointer?, UnsafePointer<UInt8>?, Int32, UnsafeMutablePointer<Int32>?
    ) -> OpaquePointer? = { ssl, id, count, copy in
        // OpenSSL takes the reference that it is given over.
        copy?.pointee = 0
        guard let ssl, let id, let data = ffs_ssl_data(ssl) else { return nil }
        let connection = Unmanaged<TLSConnection>.fromOpaque(data).takeUnretainedValue()
        let name = Array(UnsafeBufferPointer(start: id, count: Int(count)))
        guard let found = connection.sessionCache?.find(name, connection.identity) else { return nil }
        if connection.mustResumeOwnSession, !found.isOwn {
            connection.sawForeignTicket = true
            return nil
        }
        return SSL_SESSION_dup(found.kept.session)
    }

/// A session's id.
func sessionName(_ session: OpaquePointer?) -> [UInt8] {
    var count: UInt32 = 0
    guard let session, let id = SSL_SESSION_get_id(session, &count) else { return [] }
    return Array(UnsafeBufferPointer(start: id, count: Int(count)))
}
