import FFSModel
package import Requests

/// A list request that can name where the next page starts.
package protocol PagedRequest: RequestMessage where Reply == Page<Row> {
    associatedtype Row: PageRow
    /// The same request for the rows that follow `row`.
    func following(_ row: Row) -> Self
}

extension AuthClient {
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

    /// The rows of every page, at most `limit` of them.
    package func rows<Request: PagedRequest>(
        of request: Request, limit: Int = .max
    ) async throws -> [Request.Row] {
        var all: [Request.Row] = []
        try await pages(of: request) { rows in
            all += rows.prefix(limit - all.count)
            return all.count < limit
        }
        return all
    }
}

extension CustomerList: PagedRequest {
    package func following(_ row: CustomerRecord) -> Self {
        Self(customer: customer, after: row.customer, limit: limit)
    }
}

extension ProductList: PagedRequest {
    package func following(_ row: ProductRecord) -> Self { Self(product: product, after: row.item, limit: limit) }
}

extension EntitlementList: PagedRequest {
    package func following(_ row: EntitlementRecord) -> Self {
        Self(customer: customer, product: product, all: all, after: row.id, limit: limit)
    }
}

extension OrderList: PagedRequest {
    package func following(_ row: OrderRecord) -> Self { Self(customer: customer, after: row.order, limit: limit) }
}

extension NodeList: PagedRequest {
    package func following(_ row: NodeRecord) -> Self { Self(after: row.node, limit: limit) }
}
