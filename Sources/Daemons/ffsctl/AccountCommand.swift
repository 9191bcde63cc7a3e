import ArgumentParser
import FFSModel
import Requests
import Clients

extension Session {
    /// ffsstaged on this machine.
    var staging: StagingClient { StagingClient(daemon(.ffsstaged)) }
}

/// `ffsctl account`: what ffsstaged has built for customers on this storage host.
struct AccountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account",
        abstract: "Make, show, extend and revoke customers' accounts on this storage host.",
        subcommands: [Create.self, List.self, Show.self, Extend.self, Revoke.self])

    struct Create: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Build an account, past the web front and its entitlements, and print its password, this once.",
            discussion: "For tests and for customers who ordered another way. The order database learns nothing of it.")

        @Argument(help: "The customer's name.", transform: parsedName) var customer: CustomerName
        @Argument(
            help: ArgumentHelp("What the account holds.", valueName: "product@version"), transform: parsedItem)
        var items: [Item]
        @Option(
            name: .customLong("for"),
            help: ArgumentHelp("How long it lives: 90d, 12h, 30m, 45s.", valueName: "time"),
            transform: parsedLifetime)
        var lifetime = 86_400
        @Option(
            help: ArgumentHelp("What its end does to running downloads: finish, grace:600, cut.", valueName: "policy"),
            transform: parsedPolicy)
        var policy = ExpiryPolicy.finish
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let request = StageCreate(customer: customer, items: items, lifetime: lifetime, policy: policy)
            let account = try await session.staging.create(request, id: .random())
            session.output.record(account.fields)
        }
    }

    struct List: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "List accounts, the newest first.")

        @Argument(help: "The customer's name; all customers without.", transform: parsedName)
        var customer: CustomerName?
        @Option(help: ArgumentHelp("At most so many; 0 for all.", valueName: "n")) var limit = 50
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if limit < 0 { throw ValidationError("--limit is a number from 0") }
        }

        func run(_ session: Session) async throws {
            let wanted = limit == 0 ? Int.max : limit
            var writer = TableWriter(["account", "customer", "items", "created", "expires"], session.output)
            var last: StageList.Place?
            var count = 0
            var hasMore = true
            while hasMore, count < wanted {
                let page = try await session.staging.list(
                    customer: customer, after: last, limit: min(500, wanted - count))
                writer.add(page.rows.map(Self.values))
                count += page.rows.count
                last = page.rows.last.map { StageList.Place($0) }
                hasMore = page.more && last != nil
            }
            writer.finish(empty: customer.map { "No accounts of \($0)." } ?? "No accounts.")
            if hasMore { session.output.note("There are more; say --limit 0 for all.") }
        }

        private static func values(_ row: StageList.Row) -> [Value] {
            [
                .name(row.account), .name(row.customer),
                .list(row.items.map { .text("\($0.product) \($0.version)") }), .moment(row.created),
                .moment(row.expires),
            ]
        }
    }

    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "Show an account.")

        @Argument(help: "The account's name, which is its login.", transform: parsedName) var account: AccountID
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.output.record(try await session.staging.status(account).fields)
        }
    }

    struct Extend: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "Move an account's end to a time from now.")

        @Argument(help: "The account's name, which is its login.", transform: parsedName) var account: AccountID
        @Option(
            name: .customLong("for"),
            help: ArgumentHelp("How long it lives from now: 90d, 12h, 30m, 45s.", valueName: "time"),
            transform: parsedLifetime)
        var lifetime: Int
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.staging.extend(account, lifetime: lifetime)
            session.output.done(
                "Account \(account) now lives until \(reply.expires).",
                [.init("account", .name(account)), .init("expires", .moment(reply.expires))])
        }
    }

    struct Revoke: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "End an account now: no login from this moment on.",
            discussion: "Running downloads end as the account's policy says, or as --policy does.")

        @Argument(help: "The account's name, which is its login.", transform: parsedName) var account: AccountID
        @Option(
            help: ArgumentHelp("Instead of the account's own: finish, grace:600, cut.", valueName: "policy"),
            transform: parsedPolicy)
        var policy: ExpiryPolicy?
        @Flag(help: "Do not ask.") var yes = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try session.confirm("End account \(account) now?", yes: yes)
            try await session.staging.revoke(account, policy: policy)
            session.output.done("Revoked account \(account).", [.init("account", .name(account))])
        }
    }
}

extension StagedAccount {
    fileprivate var fields: [Value.Field] {
        var fields: [Value.Field] = [.init("account", .name(account))]
        if let password { fields.append(.init("password", .text(password))) }
        fields += [
            .init("customer", .name(customer)),
            .init("items", .list(items.map { .text("\($0.product) \($0.version)") })),
            .init("created", .moment(created)), .init("expires", .moment(expires)), .init("policy", .name(policy)),
            .init("files", .number(fileCount)), .init("size", .bytes(bytes)),
        ]
        if order > 0 { fields.append(.init("order", .number(order))) }
        return fields
    }
}

/// `product@version`; neither name can hold an @.
func parsedItem(_ text: String) throws -> Item {
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw ValidationError("\(text) is not product@version, such as tools@1.0") }
    do {
        return Item(product: try ProductName(String(parts[0])), version: try VersionName(String(parts[1])))
    } catch { throw ValidationError("\(error)") }
}

/// `90d`, `12h`, `30m`, `45s`: seconds.
func parsedLifetime(_ text: String) throws -> Int {
    let units: [Character: Int] = ["d": 86_400, "h": 3_600, "m": 60, "s": 1]
    guard let unit = units[text.last ?? " "], let count = Int(text.dropLast()), (1...31_536_000).contains(count),
        count * unit <= 31_536_000
    else { throw ValidationError("a time is a number with d, h, m or s (90d, 12h, 30m, 45s), a year at most") }
    return count * unit
}
