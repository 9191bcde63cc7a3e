import Events
import FFSModel
import Logging
import Pipeline
import Requests

/// Takes ffsauthd's events out of its outbox, over a socket on the same machine: they are in its database's transactions, so
/// none is ever missing, and the log knows each by its id, so none comes twice.
struct OutboxReader: Sendable {
    let auth: any RequestTransport
    let database: LogDatabase
    let logger: Logger

    /// Until the task is cancelled.
    func run() async {
        var complaint: String?
        var place = Place()
        while !Task.isCancelled {
            do throws(Failure) {
                try await next(&place)
                if complaint != nil { logger.notice("ffsauthd's events go on to the log") }
                complaint = nil
            } catch {
                if Task.isCancelled { return }
                if complaint != error.text { logger.warning("ffsauthd's events wait in its database: \(error)") }
                complaint = error.text
                try? await Task.sleep(for: .milliseconds(Int.random(in: 500...1_500)))
            }
        }
    }

    private struct Place {
        var incarnation: ID128?
        var number = 0
        var last: ID128?
    }

    private func next(_ place: inout Place) async throws(Failure) {
        let reply = try await auth.send(
            OutboxNext(after: place.number, incarnation: place.incarnation, last: place.last, wait: 10_000))
        guard let last = reply.rows.last else {
            place.incarnation = reply.incarnation
            return
        }
        var events: [Event] = []
        for row in reply.rows {
            do throws(EventError) { events.append(try Event(record: row.record)) } catch {
                logger.error(
                    "an event of ffsauthd's outbox cannot be read and is left out",
                    metadata: ["number": "\(row.number)", "reason": "\(error)"])
            }
        }
        try await database.record(events)
        _ = try await auth.send(OutboxAcknowledge(incarnation: reply.incarnation, through: last.number))
        place = Place(
            incarnation: reply.incarnation, number: last.number, last: (try? Event(record: last.record))?.id)
    }
}
