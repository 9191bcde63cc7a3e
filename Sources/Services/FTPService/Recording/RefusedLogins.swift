import Events
import FFSModel
import FTPProtocol
import Synchronization
import SystemSupport

/// Who signs in where, for the journal.
struct LoginPlace {
    let peer: Endpoint
    let service: TransferEvent.Service
    let session: String
    let tls: String?
}

/// Lets some refused sign-ins into the journal and counts the others: a stranger who guesses passwords must not fill the
/// disk. One record then says how many there were.
final class RefusedLogins: Sendable {
    private struct State {
        /// When the allowance is full again, on the monotonic clock.
        var fullAt: Int64 = 0
        var left: UInt64 = 0
        var since: Int64 = 0
    }

    private let state = Mutex(State())
    /// A record each so many nanoseconds, on average; more at once after a quiet time.
    private static let spacing: Int64 = 500_000_000
    private static let burst: Int64 = 40

    /// Whether this one has a record of its own.
    func admits(now: Int64) -> Bool {
        state.withLock { state in
            let start = max(state.fullAt, now)
            guard start - now < Self.burst * Self.spacing else {
                state.left += 1
                return false
            }
            state.fullAt = start + Self.spacing
            return true
        }
    }

    /// How many had none; to be asked now and then, and recorded.
    func taken(now: Int64) -> UInt64? {
        state.withLock { state in
            guard state.left > 0, now - state.since >= 10_000_000_000 else { return nil }
            state.since = now
            defer { state.left = 0 }
            return state.left
        }
    }
}

extension Recorder {
    /// A sign-in that succeeded.
    func signedIn(_ subject: EventSubject, _ place: LoginPlace) -> Outcome {
        append(login(subject, place, outcome: "ok"))
    }

    /// A refused one. `name` is what a stranger called themselves.
    func refused(_ name: some Collection<UInt8>, _ why: String, _ place: LoginPlace) {
        guard refusals.admits(now: SystemClock.monotonic()) else { return }
        let subject = EventSubject(customer: [], account: Array(name.prefix(64)))
        _ = append(login(subject, place, outcome: "refused", reason: why))
    }

    /// Once a second: what was only counted.
    func countRefusals() {
        guard let count = refusals.taken(now: SystemClock.monotonic()) else { return }
        var encoder = EventEncoder(.login, id: nextID(), time: SystemClock.nanosecondsSince1970())
        encoder.append(.account, "")
        encoder.append(.outcome, "refused")
        encoder.append(.reason, "too many to be recorded one by one")
        encoder.append(.count, count)
        _ = append(encoder.bytes)
    }

    private func login(
        _ subject: EventSubject, _ place: LoginPlace, outcome: String, reason: String? = nil
    ) -> [UInt8] {
        var encoder = EventEncoder(.login, id: nextID(), time: SystemClock.nanosecondsSince1970())
        subject.append(to: &encoder)
        encoder.append(.outcome, outcome)
        if let reason { encoder.append(.reason, reason) }
        encoder.append(.peer, place.peer.description)
        encoder.append(.service, place.service.rawValue)
        if let tls = place.tls { encoder.append(.tls, tls) }
        encoder.append(.session, place.session)
        return encoder.bytes
    }
}
