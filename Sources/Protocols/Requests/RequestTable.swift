package import FFSModel
package import Tobj

/// Who sent a request, and in whose name.
package struct RequestContext: Sendable {
    package let link: Link
    /// For the log: `192.0.2.7:40213` on a commlink, `uid 0` on a control socket.
    package let peer: String
    package let id: RequestID
    /// The caller's trace, or a fresh one.
    package let trace: TraceID

    package init(link: Link, peer: String, id: RequestID, trace: TraceID) {
        self.link = link
        self.peer = peer
        self.id = id
        self.trace = trace
    }
}

/// What one daemon serves: request type → handler. Links are gated by the catalogue before a handler runs.
package struct RequestTable: Sendable {
    private typealias Handler = @Sendable (Document, RequestContext) async throws -> [Element]
    private var handlers: [RequestType: Handler] = [:]

    /// A table with nothing but `ping`.
    package init(daemon: String, version: String, clock: @escaping @Sendable () -> Timestamp) {
        on(Ping.self) { _, _ in Ping.Reply(daemon: daemon, version: version, time: clock()) }
    }

    /// Serves `Message` with `handler`; a later call replaces an earlier one.
    package mutating func on<Message: RequestMessage>(
        _ message: Message.Type,
        _ handler: @escaping @Sendable (Message, RequestContext) async throws -> Message.Reply
    ) {
        handlers[Message.type] = { document, context in
            let fields = Fields(document.body, of: document.type)
            return try await handler(try Message(fields: fields), context).body
        }
    }

    /// The types served, for `daemon.status` and the man pages' check.
    package var types: [RequestType] { handlers.keys.sorted { $0.rawValue < $1.rawValue } }

    /// Answers one request. Never throws: what a handler throws becomes the error reply; an error that is not a
    /// ``Failure`` shows its text only to `report`, the peer sees `internal`.
    package func answer(
        _ request: Document, link: Link, peer: String,
        report: @Sendable (Failure, RequestContext) -> Void
    ) async -> Document {
        let context = RequestContext(
            link: link, peer: peer, id: request.id, trace: request.trace ?? TraceID.random())
        do {
            guard let type = RequestType(rawValue: request.type), let handler = handlers[type],
                type.row.links.contains(link)
            else {
                throw Failure(
                    .notServed,
                    "this daemon does not serve \(printable(request.type.utf8, limit: 64)) on the \(link.rawValue) link"
                )
            }
            return request.reply(try await handler(request, context))
        } catch let failure as Failure {
            report(failure, context)
            return request.reply(failure)
        } catch {
            let failure = Failure(
                .internal, "the daemon met an unexpected error; its log has it under trace \(context.trace)",
                cause: "\(error)")
            report(failure, context)
            return request.reply(failure)
        }
    }
}
