import ArgumentParser
import Clients
import FFSModel
import Requests
import SystemSupport
import Transparency

/// `ffsctl log`: what happened, and the proof that it is still what was recorded.
struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Read, search, export, prove and verify the log.",
        subcommands: [
            Tail.self, Search.self, Export.self, Status.self, LogProveCommand.self, LogVerifyCommand.self, Erase.self,
            Retain.self,
        ])

    struct Tail: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "Print the newest entries, oldest first.")

        @Option(name: .customShort("n"), help: ArgumentHelp("How many.", valueName: "n")) var count = 20
        @Flag(name: .shortAndLong, help: "Go on printing entries as they come; not with --json.") var follow = false
        @OptionGroup var filter: LogFilter
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            guard PageBudget.limits.contains(count) else { throw ValidationError("-n is a number from 1 to 500") }
            if follow && global.json { throw ValidationError("--follow and --json exclude each other") }
        }

        func run(_ session: Session) async throws {
            var query = filter.query
            (query.newest, query.limit) = (true, count)
            let rows = try await session.log.send(query).rows.reversed().map { $0 }
            var writer = TableWriter(LogRow.columns, session.output)
            writer.add(rows.map(\.values))
            guard follow else { return writer.finish(empty: "The log has no such entries.") }
            // The first page may be empty: then from where the log ends.
            let size = try await session.log.send(LogStatus()).size
            query.after = rows.last?.leaf.leaf ?? max(1, size) - 1
            (query.newest, query.limit) = (false, PageBudget.limits.upperBound)
            while true {
                let page = try await session.log.send(query)
                writer.add(page.rows.map(\.values))
                query.after = page.rows.last?.leaf.leaf ?? query.after
                if !page.more { try await Task.sleep(for: .seconds(1)) }
            }
        }
    }

    struct Search: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "List entries, oldest first.")

        @OptionGroup var filter: LogFilter
        @Option(help: ArgumentHelp("At most so many; 0 for all.", valueName: "n")) var limit = 100
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if limit < 0 { throw ValidationError("--limit is a number from 0") }
        }

        func run(_ session: Session) async throws {
            var query = filter.query
            var rest = limit == 0 ? Int.max : limit
            query.limit = min(rest, PageBudget.limits.upperBound)
            var writer = TableWriter(LogRow.columns, session.output)
            try await session.log.pages(of: query) { rows in
                writer.add(rows.prefix(rest).map(\.values))
                rest -= min(rest, rows.count)
                return rest > 0
            }
            writer.finish(empty: "The log has no such entries.")
        }
    }

    struct Export: OperatorCommand {
        enum Format: String, CaseIterable, ExpressibleByArgument { case json, csv }

        static let configuration = CommandConfiguration(
            abstract: "Print entries for other programs.",
            discussion: """
                json: a JSON value a line: the log with its keys, each entry with all that is kept of it, each checkpoint. \
                Without options that choose entries, that is all a verifier needs. csv: RFC 4180, the columns alone.
                """)

        @Option(help: ArgumentHelp("json or csv.", valueName: "format")) var format = Format.json
        @OptionGroup var filter: LogFilter
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            var query = filter.query
            query.limit = PageBudget.limits.upperBound
            let status = try await session.log.send(LogStatus())
            switch format {
            case .json: session.output.raw(String(decoding: LogExport.line(status), as: UTF8.self))
            case .csv: session.output.raw(csvLine(LogExport.columns))
            }
            try await session.log.pages(of: query) { rows in
                for row in rows {
                    switch format {
                    case .json: session.output.raw(String(decoding: LogExport.line(row.leaf), as: UTF8.self))
                    case .csv: session.output.raw(csvLine(LogExport.cells(row.leaf).map(\.csv)))
                    }
                }
                return true
            }
            guard format == .json else { return }
            for note in try await session.log.checkpoints() {
                session.output.raw(String(decoding: LogExport.line(note), as: UTF8.self))
            }
        }
    }

    struct Status: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "Show the log's name, size, key and witnesses.")

        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let status = try await session.log.send(LogStatus())
            guard case .record(let fields) = status.value else { return }
            session.output.record(fields)
        }
    }

    struct Erase: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Erase a customer's records, addresses and name; the log stays verifiable.")

        @Argument(help: "The customer's name.", transform: parsedName) var customer: CustomerName
        @Flag(help: "Do not ask.") var yes = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try session.confirm("Erase all that the log records of \(customer)?", yes: yes)
            let count = try await session.log.send(LogCut(customer: customer)).count
            session.output.done("\(counted(count, "record")) erased.", [.init("records", .number(count))])
        }
    }

    struct Retain: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Drop records and names of entries that are older than a day.")

        @Argument(help: "The day or moment: 2027-01-31.") var before: String
        @Flag(help: "Do not ask.") var yes = false
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if Timestamp(before) == nil { throw ValidationError("a day is 2027-01-31, a moment 2027-01-31T12:00:00Z") }
        }

        func run(_ session: Session) async throws {
            guard let before = Timestamp(before) else { return }
            try session.confirm("Drop all records before \(before)?", yes: yes)
            let count = try await session.log.send(LogCut(before: before)).count
            session.output.done("\(counted(count, "record")) dropped.", [.init("records", .number(count))])
        }
    }
}

/// Which entries.
struct LogFilter: ParsableArguments {
    @Option(help: "Of this customer.", transform: parsedName) var customer: CustomerName?
    @Option(help: "Sold by this retailer.") var retailer: String?
    @Option(help: "Of this product.", transform: parsedName) var product: ProductName?
    @Option(help: "Of this version.", transform: parsedName) var release: VersionName?
    @Option(help: "Of the content with this manifest's SHA-256.", transform: parsedDigest) var content: ContentDigest?
    @Option(help: "From this host.", transform: parsedName) var host: NodeName?
    @Option(help: "Of the action with this trace id.", transform: parsedID) var trace: TraceID?
    @Option(help: "Of this order.") var order: UInt64?
    @Option(help: "Of this type, such as download.completed.") var type: String?
    @Option(help: "Of this time and later: 2027-01-31, 2027-01-31T12:00:00Z.", transform: parsedMoment)
    var since: Timestamp?
    @Option(help: "Of before this time.", transform: parsedMoment) var until: Timestamp?

    var query: LogList {
        var query = LogList()
        query.customer = customer
        query.retailer = retailer
        query.product = product
        query.version = release
        query.content = content
        query.host = host
        query.trace = trace
        query.order = order
        query.kind = type
        query.since = since
        query.until = until
        return query
    }
}

func parsedDigest(_ text: String) throws -> ContentDigest {
    guard let digest = ContentDigest(text) else { throw ValidationError("a digest is 64 hexadecimal digits") }
    return digest
}

func parsedID(_ text: String) throws -> ID128 {
    guard let id = ID128(text) else { throw ValidationError("an id is 32 hexadecimal digits") }
    return id
}

func parsedMoment(_ text: String) throws -> Timestamp {
    guard let moment = Timestamp(text) else {
        throw ValidationError("a time is a day (2027-01-31) or a moment in UTC (2027-01-31T12:00:00Z)")
    }
    return moment
}
