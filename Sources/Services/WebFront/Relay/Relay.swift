package import Clients
import FFSModel
import Logging
import Metrics
package import Requests
import Synchronization
import SystemSupport

/// The relay: what storage hosts may ask of ffsauthd, through ffswebd, which alone reaches it.
///
/// Hop by hop: a request is decoded here, checked, and sent on as a new one under the same id and trace; nothing of a
/// storage host's bytes crosses the firewall. What is not in this table is refused, `auth.password` above all.
///
/// A storage host proves itself by its bag, but it is out where strangers are. So it learns and orders something for a
/// customer only for a short while after that customer's own password was right.
package struct Relay: Sendable {
    private let auth: AuthClient
    private let admitted: AdmittedCustomers
    private let steady: @Sendable () -> Int64

    /// - Parameter steady: seconds of a clock that nobody sets.
    package init(auth: AuthClient, steady: @escaping @Sendable () -> Int64) {
        self.auth = auth
        self.steady = steady
        admitted = AdmittedCustomers()
    }

    /// Adds what is relayed to `table`, which answers `ping` itself.
    package func add(to table: inout RequestTable) {
        table.on(AuthLogin.self) { [self] message, context in
            let reply = try await forward(message, context)
            admitted.admit(message.customer, now: steady())
            return reply
        }
        table.on(AuthEntitlements.self) { [self] message, context in
            try check(message.customer)
            return try await forward(message, context)
        }
        table.on(AuthOrder.self) { [self] message, context in
            try check(message.customer)
            return try await forward(message, context)
        }
        addFeed(to: &table)
    }

    func forward<Message: RequestMessage>(
        _ message: Message, _ context: RequestContext
    ) async throws(Failure) -> Message.Reply {
        Counter(label: "ffs_relay_requests_total", dimensions: [("type", Message.type.rawValue)]).increment()
        return try await auth.send(message, id: context.id, trace: context.trace)
    }

    private func check(_ customer: CustomerName) throws(Failure) {
        guard admitted.contains(customer, now: steady()) else {
            throw Failure(
                .denied,
                "\(customer) has not signed in through this relay within the last \(AdmittedCustomers.seconds) s; send auth.login first, to the same relay"
            )
        }
    }
}

/// Customers whose password was right a moment ago. Bounded: at the bound those admitted longest ago are forgotten.
final class AdmittedCustomers: Sendable {
    /// A sign-in with all its requests is over long before.
    static let seconds: Int64 = 60
    private let until: Mutex<BoundedMap<CustomerName, Int64>>

    init(capacity: Int = 65_536) { until = Mutex(BoundedMap(capacity: capacity)) }

    func admit(_ customer: CustomerName, now: Int64) { until.withLock { $0[customer] = now + Self.seconds } }

    func contains(_ customer: CustomerName, now: Int64) -> Bool {
        until.withLock { $0[customer].map { $0 > now } ?? false }
    }
}
