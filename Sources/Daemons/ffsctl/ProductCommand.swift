import ArgumentParser
import Clients
import FFSModel
import Requests

/// `ffsctl product`: what there is to have.
struct ProductCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "product",
        abstract: "Publish, show and withdraw products and their versions.",
        subcommands: [Publish.self, Register.self, List.self, Show.self, Set.self, Withdraw.self])

    struct List: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "List products and their versions.")

        @Flag(help: "Withdrawn versions, too.") var all = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try await session.print(
                ProductList(limit: 500), ["product", "version", "title", "size", "files", "released", "status"],
                empty: "No products yet; `ffsctl product publish` makes one."
            ) { row in
                guard all || row.status == .published else { return nil }
                return [
                    .name(row.item.product), .name(row.item.version), .text(row.title), .bytes(row.size),
                    .number(row.files), .moment(row.released), .text(row.status.rawValue),
                ]
            }
        }
    }

    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a product with every version, newest first, and its manifest's digest.")

        @Argument(help: "The product's name.", transform: parsedName) var product: ProductName
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let rows = try await session.auth.rows(of: ProductList(product: product, limit: 500))
                .sorted { ($0.released, $0.item.version) > ($1.released, $1.item.version) }
            session.output.record([
                .init("product", .name(product)), .init("title", Value(rows.first?.title) { .text($0) }),
                .init("summary", Value(rows.first?.summary) { $0.isEmpty && !global.json ? .none : .text($0) }),
                .init("versions", .list(rows.map { $0.summary(json: global.json) })),
            ])
        }
    }

    struct Set: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "Change a product's texts for people.")

        @Argument(help: "The product's name.", transform: parsedName) var product: ProductName
        @Option(help: ArgumentHelp("The title on the web page.", valueName: "text")) var title: String?
        @Option(help: ArgumentHelp("The sentence below it.", valueName: "text")) var summary: String?
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            guard title != nil || summary != nil else {
                throw ValidationError("say what to change: --title or --summary")
            }
        }

        func run(_ session: Session) async throws {
            _ = try await session.auth.send(ProductUpdate(product: product, title: title, summary: summary))
            var fields: [Value.Field] = [.init("product", .name(product))]
            if let title { fields.append(.init("title", .text(title))) }
            if let summary { fields.append(.init("summary", .text(summary))) }
            session.output.done("Changed product \(product).", fields)
        }
    }

    struct Withdraw: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Withdraw a version, or all of a product's: nobody can order it from now on.",
            discussion: """
                Content stays in the repository and accounts already made keep their files. \
                Publishing the same content again brings the version back.
                """)

        @Argument(help: "The product's name.", transform: parsedName) var product: ProductName
        @Argument(help: "The version.", transform: parsedName) var version: VersionName?
        @Flag(help: "Every version of the product.") var allVersions = false
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            guard (version != nil) != allVersions else {
                throw ValidationError("name one version, or say --all-versions")
            }
        }

        func run(_ session: Session) async throws {
            let reply = try await session.auth.send(ContentWithdraw(product: product, version: version))
            let versions = reply.withdrawn.map(\.text)
            session.output.done(
                versions.isEmpty
                    ? "Nothing to do: already withdrawn."
                    : "Withdrew \(product) \(versions.joined(separator: ", ")).",
                [.init("product", .name(product)), .init("withdrawn", .list(versions.map { .text($0) }))])
        }
    }
}

extension ProductRecord {
    /// One line for people, a record in JSON.
    fileprivate func summary(json: Bool) -> Value {
        let fields: [Value.Field] = [
            .init("version", .name(item.version)), .init("released", .moment(released)),
            .init("status", .text(status.rawValue)), .init("size", .bytes(size)), .init("files", .number(files)),
            .init("manifest", .name(manifest)),
        ]
        guard !json else { return .record(fields) }
        return .text(
            "\(item.version)  \(released)  \(status.rawValue)  \(humanBytes(size)) in \(counted(files, "file"))  \(manifest)"
        )
    }
}
