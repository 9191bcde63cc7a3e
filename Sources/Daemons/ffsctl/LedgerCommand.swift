import ArgumentParser
import Clients
import FFSModel
import Requests

/// `ffsctl ledger`: what deliveries cost.
struct LedgerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger", abstract: "Show and reconcile what deliveries cost.",
        subcommands: [Show.self, Reconcile.self])

    enum Ledger: String, CaseIterable, ExpressibleByArgument { case service, content }

    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "List charges: a service fee for each delivery, a content fee for each that was completed.")

        @Argument(help: "service or content; both without.") var ledger: Ledger?
        @Option(help: "Of this product.", transform: parsedName) var product: ProductName?
        @Option(help: "Of this order.") var order: UInt64?
        @Flag(help: "Print sums alone: of services, and of each product's content.") var sums = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let query = LedgerList(
                ledger: ledger?.rawValue, product: product, order: order, limit: PageBudget.limits.upperBound)
            if sums { return try await sum(query, session) }
            var writer = TableWriter(ChargeRow.columns, session.output)
            try await session.log.pages(of: query) { rows in
                writer.add(rows.map(\.values))
                return true
            }
            writer.finish(empty: "No charges.")
        }

        private func sum(_ query: LedgerList, _ session: Session) async throws {
            var sums: [String: (count: Int, amount: Int)] = [:]
            try await session.log.pages(of: query) { rows in
                for row in rows {
                    let account = row.ledger == "service" ? "service" : "content of \(row.product)"
                    sums[account, default: (0, 0)].count += 1
                    sums[account, default: (0, 0)].amount += row.amount
                }
                return true
            }
            session.output.table(
                ["account", "charges", "amount"],
                sums.sorted { $0.key < $1.key }.map {
                    [.text($0.key), .number($0.value.count), .text(hundredths($0.value.amount))]
                }, empty: "No charges.")
        }
    }

    struct Reconcile: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Compare the ledgers with the log's entries and with each other.")

        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            var writer = TableWriter(["order", "product", "version", "finding"], session.output)
            var (count, after) = (0, UInt64(0))
            while true {
                let reply = try await session.log.send(LedgerReconcile(after: after))
                count += reply.findings.count
                writer.add(
                    reply.findings.map {
                        [.number(Int($0.order)), .text($0.product), .text($0.version), .text($0.text)]
                    })
                guard let last = reply.last else { break }
                after = last
            }
            writer.finish(empty: "The ledgers agree with the log and with each other.")
            guard count == 0 else {
                throw Failure(.corrupt, "the ledgers do not agree with the log in \(counted(count, "place"))")
            }
        }
    }
}

/// `20.00`.
func hundredths(_ amount: Int) -> String { "\(amount / 100)." + (amount % 100 < 10 ? "0" : "") + "\(amount % 100)" }

extension ChargeRow {
    static let columns = ["charge", "due", "ledger", "order", "product", "version", "customer", "amount", "entry"]

    var values: [Value] {
        [
            .number(id), .moment(at), .text(ledger), .number(Int(order)), .text(product), .text(version),
            Value(customer) { .text("#\($0)") }, .text(hundredths(amount)), .number(Int(leaf)),
        ]
    }
}
