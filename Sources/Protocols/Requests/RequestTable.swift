package import FFSModel
package import Tobj

/// Who sent a request, and in whose name.
package struct RequestContext: Sendable {
    package let link: Link
    /// For the log: `192.0.2.7:40213` on a commlink, `uid 0` on a control socket.
    package let peer: String
    /// The host that the key bag belongs to; nil on a local socket, and under a link's common bag that names none.
    package let node: NodeName?
    package let id: RequestID
    /// The caller's trace, or a fresh one.
    package let trace: TraceID

    package init(link: Link, peer: String, node: NodeName? = nil, id: RequestID, trace: TraceID) {
        self.link = link
        self.peer = peer
        self.node = node
        self.id = id
        self.trace = trace
    }

    /// Throws `denied`, naming both, unless the sender may speak as `claimed`: a request that names its host has to come
    /// under that host's key bag, or under one that names none.
    package func verify(isFrom claimed: NodeName) throws(Failure) {
        guard let node, node != claimed else { return }
        throw Failure(
            .denied,
            "a request in the name of host \(claimed) came with the key bag of host \(node): "
                + "give each host its own bag (ffsctl node add), or correct node.name there")
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
        _ request: Document, link: Link, peer: String, node: NodeName? = nil,
        report: @Sendable (Failure, RequestContext) -> Void
    ) async -> Document {
        let context = RequestContext(
            link: link, peer: peer, node: node, id: request.id, trace: request.trace ?? TraceID.random())
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
        } catch is CancellationError {
            return request.reply(Failure(.draining, "nobody waits for this answer any more; ask again"))
        } catch {
            let failure = Failure(
                .internal, "the daemon met an unexpected error; its log has it under trace \(context.trace)",
                cause: "\(error)")
            report(failure, context)
            return request.reply(failure)
        }
    }
}
