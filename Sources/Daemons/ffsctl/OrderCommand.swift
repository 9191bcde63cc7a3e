import ArgumentParser
import Clients
import FFSModel
import Requests

/// `ffsctl order`: what customers chose.
struct OrderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "order", abstract: "List customers' orders.", subcommands: [List.self])

    struct List: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "List orders, newest first.")

        @Argument(help: "The customer's name; all customers without.", transform: parsedName)
        var customer: CustomerName?
        @Option(help: ArgumentHelp("At most so many; 0 for all.", valueName: "n")) var limit = 50
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if limit < 0 { throw ValidationError("--limit is a number from 0") }
        }

        func run(_ session: Session) async throws {
            let wanted = limit == 0 ? Int.max : limit
            let page = min(wanted, PageBudget.limits.upperBound)
            try await session.print(
                OrderList(customer: customer, limit: page), OrderRecord.columns, limit: wanted,
                empty: customer.map { "No orders of \($0)." } ?? "No orders yet.", values: { $0.values })
        }
    }
}

extension OrderRecord {
    static let columns = ["order", "placed", "customer", "items", "until", "policy", "source", "trace"]

    var values: [Value] {
        [
            .number(order), .moment(placed), .name(customer),
            .list(items.map { .text("\($0.product) \($0.version)") }), Value(until) { .moment($0) }, .name(policy),
            .text(source), .name(trace),
        ]
    }

    /// One line for people, a record in JSON.
    func summary(json: Bool) -> Value {
        guard !json else { return .record(zip(Self.columns, values).map { Value.Field($0, $1) }) }
        return .text("\(order)  \(placed)  " + items.map { "\($0.product) \($0.version)" }.joined(separator: ", "))
    }
}
