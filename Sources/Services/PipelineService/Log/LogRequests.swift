import FFSModel
package import Requests
import Transparency

extension LogDatabase {
    /// Serves `log.*` and `ledger.*`.
    ///
    /// - Parameter fees: in force when a question is asked: what came in since is posted first.
    package func add(to table: inout RequestTable, fees: @escaping @Sendable () -> Fees) {
        table.on(LogList.self) { [self] message, _ in
            Page(fitting: try await leaves(LogQuery(message)).map { LogRow($0) }, limit: message.limit)
        }
        table.on(LogStatus.self) { [self] _, _ in
            let status = try await status()
            return LogStatus.Reply(
                origin: status.head.origin, size: status.head.size, key: try await publicKey(),
                checkpoint: status.checkpoint?.note, witnesses: status.witnesses, deadLetters: status.deadLetters)
        }
        table.on(LogReceipts.self) { [self] message, context in
            guard message.customer != nil || context.link == .control else {
                throw Failure(.denied, "receipts are a customer's own; the request must name one")
            }
            var query = LogQuery()
            query.customer = message.customer.map { Array($0.text.utf8) }
            query.event = message.event
            (query.after, query.newestFirst, query.limit) = (message.after, true, message.limit + 1)
            let rows = try await receipts(query).map {
                ReceiptRow(row: LogRow($0.leaf), proof: $0.proof, cosigned: $0.cosigned.count, witnesses: $0.witnesses)
            }
            return Page(fitting: rows, limit: message.limit)
        }
        table.on(LogCheckpoints.self) { [self] message, _ in
            let stored = try await checkpoints(atMost: message.size ?? .max, limit: message.limit + 1)
            return Page(fitting: stored.map { CheckpointRow($0.note) }, limit: message.limit)
        }
        addWitness(to: &table)
        addLedgers(to: &table, fees: fees)
    }

    private func addWitness(to table: inout RequestTable) {
        table.on(LogCut.self) { [self] message, context in
            if let before = message.before {
                return LogCut.Reply(count: try await retain(before: before, by: context.peer))
            }
            guard let customer = message.customer else { throw Failure(.badRequest, "log.cut needs a customer") }
            return LogCut.Reply(count: try await erase(customer: customer, by: context.peer))
        }
        table.on(LogWitness.self) { [self] message, context in
            // Who may speak for which host, the link says.
            let host: NodeName
            do { host = try NodeName(message.key.name) } catch {
                throw Failure(.badRequest, "log.witness: <key> is not under a host's name: \(error)")
            }
            try context.verify(isFrom: host)
            let answer = try await witness(
                message.key, of: host, seen: message.seen, cosignature: message.cosignature)
            return LogWitness.Reply(checkpoint: answer.checkpoint.note, proof: answer.proof)
        }
    }

    private func addLedgers(to table: inout RequestTable, fees: @escaping @Sendable () -> Fees) {
        table.on(LedgerList.self) { [self] message, _ in
            while try await post(fees()) {}
            var query = ChargeQuery()
            query.ledger = message.ledger.flatMap { Charge.Ledger(rawValue: $0) }
            query.product = message.product?.text
            (query.order, query.after, query.limit) = (message.order, message.after ?? 0, message.limit + 1)
            let rows = try await charges(query).map { charge in
                ChargeRow(
                    id: charge.id, ledger: charge.ledger.rawValue, order: charge.delivery.order,
                    product: charge.delivery.product, version: charge.delivery.version, customer: charge.customer,
                    retailer: charge.retailer, amount: charge.amount, leaf: charge.leaf, at: charge.at)
            }
            return Page(fitting: rows, limit: message.limit)
        }
        table.on(LedgerReconcile.self) { [self] message, _ in
            while try await post(fees()) {}
            let (findings, last) = try await reconcile(after: message.after, limit: 200)
            return LedgerReconcile.Reply(
                findings: findings.map {
                    LedgerReconcile.Finding(
                        order: $0.delivery.order, product: $0.delivery.product, version: $0.delivery.version,
                        text: $0.text)
                }, last: last)
        }
    }
}

extension LogQuery {
    init(_ message: LogList) {
        self.init()
        customer = message.customer.map { Array($0.text.utf8) }
        retailer = message.retailer
        product = message.product?.text
        version = message.version?.text
        content = message.content
        host = message.host?.text
        trace = message.trace
        type = message.kind
        order = message.order
        event = message.event
        since = message.since
        until = message.until
        after = message.after
        newestFirst = message.newest
        limit = message.limit + 1
    }
}
