import FFSModel
import Requests

/// The change feed by way of the relay. Each question goes on as one of its own, under the host's request id and with nothing
/// kept between hosts, so "at the head" is said only from a reading that began after the host asked.
extension Relay {
    func addFeed(to table: inout RequestTable) {
        table.on(FeedNext.self) { [self] message, context in
            try context.verify(isFrom: message.node)
            return try await forward(message, context)
        }
        table.on(FeedAcknowledge.self) { [self] message, context in
            try context.verify(isFrom: message.node)
            return try await forward(message, context)
        }
        table.on(OrderCheck.self) { [self] message, context in try await forward(message, context) }
    }
}
