import FFSModel
import Requests

/// The change feed by way of the relay. Each question goes on as one of its own, under the host's request id and with nothing
/// kept between hosts, so "at the head" is said only from a reading that began after the host asked.
extension Relay {
    func addFeed(to table: inout RequestTable) {
        rule(
            FeedNext.self, to: auth, in: &table,
            check: { message, context throws(Failure) in try context.verify(isFrom: message.node) })
        rule(
            FeedAcknowledge.self, to: auth, in: &table,
            check: { message, context throws(Failure) in try context.verify(isFrom: message.node) })
        rule(OrderCheck.self, to: auth, in: &table)
    }
}
