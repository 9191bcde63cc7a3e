import FFSModel
import Logging
import Metrics
package import Requests
import Synchronization
import SystemSupport

/// The relay: what storage hosts may ask of the internal host's daemons, through ffswebd, which alone reaches them.
///
/// Hop by hop: a request is decoded here, checked, and sent on as a new one under the same id and trace; nothing of a
/// storage host's bytes crosses the firewall, but for the sealed batches of `pipe.push`, which are not looked into. What is
/// not in the table of rules is refused, `auth.password` above all.
///
/// A storage host proves itself by its bag, but it is out where strangers are. So it learns and orders something for a
/// customer only for a short while after that customer's own password was right.
package struct Relay: Sendable {
    let auth: any RequestTransport
    private let pipe: (any RequestTransport)?
    private let admitted: AdmittedCustomers
    private let steady: @Sendable () -> Int64

    /// - Parameters:
    ///   - auth: ffsauthd.
    ///   - pipe: ffspiped on the internal host; nil where events are not relayed.
    ///   - steady: seconds of a clock that nobody sets.
    package init(
        auth: any RequestTransport, pipe: (any RequestTransport)?, steady: @escaping @Sendable () -> Int64
    ) {
        self.auth = auth
        self.pipe = pipe
        self.steady = steady
        admitted = AdmittedCustomers()
    }

    /// Adds what is relayed to `table`, which answers `ping` itself: a rule for each type, with where it goes and what is
    /// checked before.
    package func add(to table: inout RequestTable) {
        rule(
            AuthLogin.self, to: auth, in: &table,
            answered: { [self] message, _ in
                admitted.admit(message.customer, now: steady())
            })
        rule(
            AuthEntitlements.self, to: auth, in: &table,
            check: { [self] message, _ throws(Failure) in try check(message.customer) })
        rule(
            AuthOrder.self, to: auth, in: &table,
            check: { [self] message, _ throws(Failure) in try check(message.customer) })
        addFeed(to: &table)
        guard let pipe else { return }
        rule(
            PipePush.self, to: pipe, in: &table,
            check: { message, context throws(Failure) in try context.verify(isFrom: message.node) }
        )
    }

    /// - Parameters:
    ///   - check: throws why the request is not sent on.
    ///   - answered: told of each reply that is no error.
    func rule<Message: RequestMessage>(
        _ type: Message.Type, to upstream: any RequestTransport, in table: inout RequestTable,
        check: @escaping @Sendable (Message, RequestContext) throws(Failure) -> Void = { _, _ in },
        answered: @escaping @Sendable (Message, RequestContext) -> Void = { _, _ in }
    ) {
        table.on(Message.self) { message, context in
            try check(message, context)
            Counter(label: "ffs_relay_requests_total", dimensions: [("type", Message.type.rawValue)]).increment()
            let reply = try await upstream.send(message, id: context.id, trace: context.trace)
            answered(message, context)
            return reply
        }
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
