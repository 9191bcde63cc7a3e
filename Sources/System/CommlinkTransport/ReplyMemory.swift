import DequeModule
import FFSModel
import Synchronization

/// The replies to recent requests, so that a request sent again gets the first reply and does nothing twice
/// (ffs-commlink(7)). Bounded in time, in number and in bytes; the oldest go first.
///
/// It lives as long as the process. What must not happen twice even across a restart (orders, accounts) is also keyed
/// by the request id where it is stored.
final class ReplyMemory: Sendable {
    /// A reply, ready to send.
    typealias Waiter = @Sendable ([UInt8]) -> Void

    enum Admission {
        /// Nobody asked before: answer it, then call `finish`.
        case first
        /// The reply given before.
        case repeated([UInt8])
        /// Being answered; the waiter gets the same reply.
        case joined
        /// The id belongs to another request.
        case conflict
    }

    /// An id is its sender's own: two hosts may choose the same.
    struct Key: Hashable {
        let node: NodeName?
        let id: RequestID
    }

    private enum Entry {
        case running(fingerprint: Int, waiters: [Waiter])
        case done(fingerprint: Int, reply: [UInt8])
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        /// Finished requests, oldest first.
        var order: Deque<(key: Key, at: Int64)> = []
        var bytes = 0
    }

    private let state = Mutex(State())
    private let capacity: Int
    private let byteCapacity: Int
    private let seconds: Int64

    /// How long a reply is remembered.
    static let day: Int64 = 86_400

    init(capacity: Int, byteCapacity: Int, seconds: Int64 = day) {
        self.capacity = capacity
        self.byteCapacity = byteCapacity
        self.seconds = seconds
    }

    /// `fingerprint`: a hash of the request without its trace. `now`: seconds of any clock that does not go back.
    func admit(_ key: Key, fingerprint: Int, now: Int64, waiter: @autoclosure () -> Waiter) -> Admission {
        state.withLock { state in
            forget(&state, before: now - seconds)
            switch state.entries[key] {
            case nil:
                state.entries[key] = .running(fingerprint: fingerprint, waiters: [])
                return .first
            case .running(fingerprint, var waiters):
                waiters.append(waiter())
                state.entries[key] = .running(fingerprint: fingerprint, waiters: waiters)
                return .joined
            case .done(fingerprint, let reply):
                return .repeated(reply)
            case .running, .done:
                return .conflict
            }
        }
    }

    /// The reply to a request that was admitted as `first`. `keep`: false for refusals that a later repeat may
    /// turn into success (busy, draining …).
    func finish(_ key: Key, reply: [UInt8], keep: Bool, now: Int64) {
        let waiters = state.withLock { state -> [Waiter] in
            guard case .running(let fingerprint, let waiters)? = state.entries[key] else { return [] }
            if keep {
                state.entries[key] = .done(fingerprint: fingerprint, reply: reply)
                state.order.append((key, now))
                state.bytes += reply.count
                while state.order.count > capacity || state.bytes > byteCapacity { drop(&state) }
            } else {
                state.entries[key] = nil
            }
            return waiters
        }
        for waiter in waiters { waiter(reply) }
    }

    private func forget(_ state: inout State, before limit: Int64) {
        while let oldest = state.order.first, oldest.at <= limit { drop(&state) }
    }

    private func drop(_ state: inout State) {
        let key = state.order.removeFirst().key
        if case .done(_, let reply)? = state.entries.removeValue(forKey: key) { state.bytes -= reply.count }
    }
}
