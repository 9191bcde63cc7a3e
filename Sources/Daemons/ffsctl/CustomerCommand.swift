import ArgumentParser
import Clients
import FFSModel
import Requests

/// `ffsctl customer`: who may sign in.
struct CustomerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "customer",
        abstract: "Add, show and change customers.",
        subcommands: [
            Add.self, List.self, Show.self, Set.self, Disable.self, Enable.self, Password.self, Delete.self,
        ])

    struct Add: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a customer. The password is asked for on the terminal, read, or made.")

        @Argument(help: "The name to sign in with.", transform: parsedName) var customer: CustomerName
        @Option(help: ArgumentHelp("How to greet them.", valueName: "text")) var displayName: String?
        @Option(
            help: ArgumentHelp("When they end: a day, a moment, 90d, or never.", valueName: "when"),
            transform: When.init(parsing:))
        var expires: When = .never
        @OptionGroup var password: PasswordOptions
        @Flag(help: "Set no password: nobody can sign in until there is one.") var noPassword = false
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if noPassword && (password.generate || password.passwordStdin) {
                throw ValidationError("--no-password excludes the other ways to set one")
            }
        }

        func run(_ session: Session) async throws {
            let secret = noPassword ? nil : try password.read(for: customer)
            let record = try await session.auth.send(
                CustomerCreate(
                    customer: customer, displayName: displayName, expires: expires.timestamp,
                    password: secret?.password))
            session.report("Added customer \(customer).", record, password: secret?.shown)
        }
    }

    struct List: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "List all customers in order of name.")

        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try await session.print(
                CustomerList(limit: 500), CustomerRecord.columns,
                empty: "No customers yet; `ffsctl customer add` makes one.", values: { $0.values })
        }
    }

    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a customer with their entitlements and latest orders.")

        @Argument(help: "The customer's name.", transform: parsedName) var customer: CustomerName
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            guard let record = try await session.auth.rows(of: CustomerList(customer: customer)).first else {
                throw Failure(.internal, "ffsauthd answered without the customer asked for")
            }
            let fields = record.fields
            var writer = RecordWriter(names: fields.map(\.name) + ["entitlements", "orders"], session.output)
            for field in fields { writer.add(field) }
            writer.beginList("entitlements")
            try await session.auth.pages(of: EntitlementList(customer: customer, limit: 500)) { rows in
                writer.add(rows.map { $0.summary(json: global.json) })
                return true
            }
            let orders = try await session.auth.rows(of: OrderList(customer: customer, limit: 10), limit: 10)
            writer.beginList("orders")
            writer.add(orders.map { $0.summary(json: global.json) })
            writer.finish()
        }
    }

    struct Set: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "Change a customer's display name or end.")

        @Argument(help: "The customer's name.", transform: parsedName) var customer: CustomerName
        @Option(help: ArgumentHelp("How to greet them.", valueName: "text")) var displayName: String?
        @Option(
            help: ArgumentHelp("When they end: a day, a moment, 90d, or never.", valueName: "when"),
            transform: When.init(parsing:))
        var expires: When?
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            guard displayName != nil || expires != nil else {
                throw ValidationError("say what to change: --display-name or --expires")
            }
        }

        func run(_ session: Session) async throws {
            let record = try await session.auth.send(
                CustomerUpdate(
                    customer: customer, displayName: displayName, expires: expires.map { Deadline($0.timestamp) }))
            session.report("Changed customer \(customer).", record)
        }
    }

    struct Disable: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop a customer from signing in and ordering, from now on.",
            discussion: "Accounts already made go on until they end; `ffsctl account revoke` ends one.")

        @Argument(help: "The customer's name.", transform: parsedName) var customer: CustomerName
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let record = try await session.auth.send(CustomerUpdate(customer: customer, status: .disabled))
            session.report("Customer \(customer) can no longer sign in or order.", record)
        }
    }

    struct Enable: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "Let a disabled customer sign in again.")

        @Argument(help: "The customer's name.", transform: parsedName) var customer: CustomerName
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let record = try await session.auth.send(CustomerUpdate(customer: customer, status: .active))
            session.report("Customer \(customer) can sign in again.", record)
        }
    }

    struct Password: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set a customer's password, and end their lock-outs.")

        @Argument(help: "The customer's name.", transform: parsedName) var customer: CustomerName
        @OptionGroup var password: PasswordOptions
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let secret = try password.read(for: customer)
            let record = try await session.auth.send(CustomerUpdate(customer: customer, password: secret.password))
            session.report("Set the password of customer \(customer).", record, password: secret.shown)
        }
    }

    struct Delete: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a customer and their entitlements. Orders stay as history.")

        @Argument(help: "The customer's name.", transform: parsedName) var customer: CustomerName
        @Flag(help: "Do not ask.") var yes = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try session.confirm("Delete customer \(customer) and their entitlements?", yes: yes)
            _ = try await session.auth.send(CustomerDelete(customer: customer))
            session.output.done("Deleted customer \(customer).", [.init("customer", .name(customer))])
        }
    }
}

extension Session {
    /// What was done to a customer; a password that was made here is shown once.
    fileprivate func report(_ sentence: String, _ record: CustomerRecord, password: String? = nil) {
        var fields = record.fields
        var sentence = sentence
        if let password {
            fields.append(.init("password", .text(password)))
            sentence += " Password: \(password)"
        }
        output.done(sentence, fields)
    }
}

extension CustomerRecord {
    static let columns = ["customer", "name", "status", "expires", "created", "password-set"]

    var values: [Value] {
        [
            .name(customer), .text(displayName), .text(status.rawValue), Value(expires) { .moment($0) },
            .moment(created), Value(passwordSet) { .moment($0) },
        ]
    }

    var fields: [Value.Field] { zip(Self.columns, values).map { Value.Field($0, $1) } }
}
