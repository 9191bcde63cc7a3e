import ArgumentParser
import Clients
import FFSModel
import Repository
import Requests
import StoredFormats
import SystemSupport

/// `ffsctl repository`: what this storage host holds. Works on the files; no daemon needs to run.
struct RepositoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repository",
        abstract: "List, verify and withdraw what this storage host holds.",
        subcommands: [List.self, Show.self, Verify.self, Withdraw.self])

    struct List: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "List the versions in the repository.")
        private static let piece = 500
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let repository = try session.repository()
            var writer = TableWriter(["product", "version", "size", "files", "published"], session.output)
            // Names alone are held; what stands in the manifests goes out in pieces.
            let items = try repository.versions()
            for start in stride(from: 0, to: items.count, by: Self.piece) {
                writer.add(
                    try items[start..<min(start + Self.piece, items.count)].map { item in
                        let summary = try repository.summary(of: item)
                        return [
                            .name(item.product), .name(item.version), .bytes(summary.bytes), .number(summary.files),
                            .moment(summary.published),
                        ]
                    })
            }
            writer.finish(empty: "The repository is empty; `ffsctl product publish` fills it.")
        }
    }

    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the files of a version with their digests.",
            discussion: "With --json paths that are not UTF-8 have U+FFFD in the place of bytes that are not.")
        @Argument(help: "The product's name.", transform: parsedName) var product: ProductName
        @Argument(help: "The version.", transform: parsedName) var version: VersionName
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let manifest = try session.repository().manifest(of: Item(product: product, version: version))
            session.output.table(
                ["digest", "size", "executable", "path"],
                manifest.rows.map { row in
                    [
                        .name(row.digest), .bytes(row.size), .flag(row.isExecutable),
                        .text(String(decoding: manifest.path(of: row), as: UTF8.self)),
                    ]
                })
        }
    }

    struct Withdraw: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a version out of the repository: it cannot be staged from this host any more.",
            discussion: """
                ffsauthd stops to offer it first, unless --here-only says that other storage hosts hold it. \
                Accounts already made keep their files.
                """)
        @Argument(help: "The product's name.", transform: parsedName) var product: ProductName
        @Argument(help: "The version.", transform: parsedName) var version: VersionName
        @Flag(help: "Leave ffsauthd alone: other storage hosts hold the version.") var hereOnly = false
        @Flag(help: "Do not ask.") var yes = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let item = Item(product: product, version: version)
            let repository = try session.repository()
            // Unknown versions are told from the rest before anything is asked.
            let bytes = try repository.summary(of: item).bytes
            try session.confirm("Withdraw \(product) \(version), \(humanBytes(bytes))?", yes: yes)
            if !hereOnly { try await stopOffering(item, session) }
            try repository.withdraw(item)
            session.output.done(
                "Withdrew \(product) \(version) from the repository.",
                [.init("product", .name(product)), .init("version", .name(version))])
        }

        private func stopOffering(_ item: Item, _ session: Session) async throws(Failure) {
            do {
                _ = try await session.auth.send(ContentWithdraw(product: item.product, version: item.version))
            } catch {
                // ffsauthd never knew it: published with --no-register.
                if error.code == .notFound { return }
                throw Failure(
                    error.code,
                    "\(error.text); nothing was withdrawn (--here-only withdraws from this host's repository alone)",
                    cause: error.cause)
            }
        }
    }
}
