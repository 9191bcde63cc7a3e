import ArgumentParser
import Clients
import FFSModel
import Requests

/// `ffsctl entitlement`: who may have what.
struct EntitlementCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "entitlement",
        abstract: "Grant, list and revoke customers' entitlements.",
        subcommands: [Grant.self, List.self, Revoke.self])

    struct Grant: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a customer have a product: one version, or all and those to come.")

        @Argument(help: "The customer's name.", transform: parsedName) var customer: CustomerName
        @Argument(help: "The product's name.", transform: parsedName) var product: ProductName
        @Argument(help: "Exactly this version; all without.", transform: parsedName) var version: VersionName?
        @Option(
            help: ArgumentHelp("When it begins: a day, a moment, or 90d; now without.", valueName: "when"),
            transform: When.init(parsing:))
        var from: When?
        @Option(
            help: ArgumentHelp("When it ends: a day, a moment, 90d, or never.", valueName: "when"),
            transform: When.init(parsing:))
        var until: When = .never
        @Option(
            help: ArgumentHelp(
                "What running downloads may do when an account ends: finish, cut, or grace:<seconds>.",
                valueName: "policy"),
            transform: parsedPolicy)
        var policy: ExpiryPolicy = .finish
        @Option(help: ArgumentHelp("How many orders may be made; any number without.", valueName: "n"))
        var orderLimit: Int?
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if from == .never { throw ValidationError("--from takes a time; to grant nothing, grant nothing") }
            if let orderLimit, !(1...1_000_000).contains(orderLimit) {
                throw ValidationError("--order-limit is from 1 to 1000000")
            }
        }

        func run(_ session: Session) async throws {
            let record = try await session.auth.send(
                EntitlementGrant(
                    customer: customer, product: product, version: version, from: from?.timestamp,
                    until: until.timestamp, policy: policy, orderLimit: orderLimit))
            let what = version.map { "\(product) \($0)" } ?? "all versions of \(product)"
            session.output.done("Granted \(what) to \(customer): entitlement \(record.id).", record.fields)
        }
    }

    struct List: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the entitlements that stand, of one customer or of all.")

        @Argument(help: "The customer's name; all customers without.", transform: parsedName)
        var customer: CustomerName?
        @Option(help: ArgumentHelp("To this product alone.", valueName: "product"), transform: parsedName)
        var product: ProductName?
        @Flag(help: "Those that have ended or were revoked, too.") var all = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try await session.print(
                EntitlementList(customer: customer, product: product, all: all, limit: 500), EntitlementRecord.columns,
                empty: "No entitlements; `ffsctl entitlement grant` makes one.", values: { $0.values })
        }
    }

    struct Revoke: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take an entitlement back, by number, or by customer and product (and version).",
            discussion: """
                Without a version, those for all versions are meant. Accounts already made go on until they end; \
                `ffsctl account revoke` ends one.
                """)

        @Argument(help: "A number, or a customer, a product and perhaps a version.") var what: [String]
        @OptionGroup var global: GlobalOptions

        func validate() throws { _ = try target() }

        func run(_ session: Session) async throws {
            let reply = try await session.auth.send(EntitlementRevoke(try target()))
            let numbers = reply.revoked.map(String.init).joined(separator: ", ")
            session.output.done(
                reply.revoked.isEmpty ? "Nothing to do: already revoked." : "Revoked entitlement \(numbers).",
                [.init("revoked", .list(reply.revoked.map { .number($0) }))])
        }

        private func target() throws -> EntitlementRevoke.Target {
            switch what.count {
            case 1:
                guard let id = Int(what[0]), id > 0 else {
                    throw ValidationError("'\(what[0])' is no entitlement's number; name a customer and a product")
                }
                return .id(id)
            case 2, 3:
                let version: VersionName? = what.count == 3 ? try parsedName(what[2]) : nil
                return .grant(try parsedName(what[0]), try parsedName(what[1]), version)
            default: throw ValidationError("name a number, or a customer, a product and perhaps a version")
            }
        }
    }
}

extension EntitlementRecord {
    static let columns = [
        "number", "customer", "product", "version", "from", "until", "policy", "orders", "order-limit", "revoked",
    ]

    var values: [Value] {
        [
            .number(id), .name(customer), .name(product), Value(version) { .name($0) }, .moment(from),
            Value(until) { .moment($0) }, .name(policy), .number(orders), Value(orderLimit) { .number($0) },
            Value(revoked) { .moment($0) },
        ]
    }

    var fields: [Value.Field] { zip(Self.columns, values).map { Value.Field($0, $1) } }

    /// One line for people, a record in JSON.
    func summary(json: Bool) -> Value {
        guard !json else { return .record(fields) }
        let end = until.map { "until \($0)" } ?? "for ever"
        let count = orderLimit.map { ", \(orders) of \($0) orders" } ?? ""
        return .text("\(id)  \(product) \(version?.text ?? "(all versions)") \(end), \(policy)\(count)")
    }
}
