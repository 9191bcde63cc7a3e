package import FFSModel
package import Requests
import Transparency

/// What ffspiped(8) tells of the log and the ledgers, as calls.
package struct LogClient: Sendable {
    private let transport: any RequestTransport

    package init(_ transport: any RequestTransport) { self.transport = transport }

    package func send<Message: RequestMessage>(
        _ message: Message, id: RequestID = .random(), trace: TraceID? = nil
    ) async throws(Failure) -> Message.Reply {
        try await transport.send(message, id: id, trace: trace)
    }

    /// Calls `body` with every page of a list in turn; it returns whether to go on.
    package func pages<Request: PagedRequest>(
        of request: Request, _ body: ([Request.Row]) throws -> Bool
    ) async throws {
        var request = request
        while true {
            let page = try await send(request)
            guard try body(page.rows), page.more, let last = page.rows.last else { return }
            request = request.following(last)
        }
    }

    /// A customer's receipts, newest first, for the customer's own page.
    package func receipts(
        of customer: CustomerName, after: UInt64? = nil, limit: Int = 100, trace: TraceID? = nil
    ) async throws(Failure) -> Page<ReceiptRow> {
        try await send(LogReceipts(customer: customer, after: after, limit: limit), trace: trace)
    }
}

extension LogList: PagedRequest {
    package func following(_ row: LogRow) -> Self {
        var next = self
        next.after = row.leaf.leaf
        return next
    }
}

extension LogReceipts: PagedRequest {
    package func following(_ row: ReceiptRow) -> Self {
        Self(customer: customer, event: event, after: row.row.leaf.leaf, limit: limit)
    }
}

extension LedgerList: PagedRequest {
    package func following(_ row: ChargeRow) -> Self {
        Self(ledger: ledger, product: product, order: order, after: row.id, limit: limit)
    }
}
