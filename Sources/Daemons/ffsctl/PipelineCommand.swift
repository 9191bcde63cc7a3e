import ArgumentParser
import ConfigurationSchema
import DaemonKit
import FFSModel
import Pipeline
import Requests
import SystemSupport

/// `ffsctl pipeline`: events on their way into the log.
struct PipelineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pipeline", abstract: "Show events on their way into the log, and what could not enter it.",
        subcommands: [Status.self, Key.self, Dead.self])

    struct Status: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show how far each journal of this host is in the log.")
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let status = try await session.daemon(.ffspiped).send(PipeStatus())
            session.output.table(
                ["journal", "segments", "pending", "damaged", "acknowledged", "state"],
                status.streams.map { stream in
                    [
                        .text(stream.stream), .number(stream.segments), .number(stream.pending),
                        .number(stream.damaged), .text(stream.acknowledged.map { "\($0)" } ?? "-"),
                        .text(stream.failure ?? "ok"),
                    ]
                }, empty: "No journals.")
        }
    }

    struct Key: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the pipeline key of a node, unless there is one.")
        @Argument(help: "The node; this host without.", transform: parsedName) var node: NodeName?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let node = node ?? session.configuration.localNode
            let path = session.configuration[Options.Pipeline.keys] + "/\(node)"
            let isNew = try Self.make(
                node, directory: session.configuration[Options.Pipeline.keys],
                group: session.configuration[Options.Pipeline.user])
            session.output.done(
                isNew
                    ? "Made \(path). The same file belongs on host \(node) and on the internal host."
                    : "\(path) is there.",
                [
                    .init("node", .text(node.text)), .init("path", .text(path)),
                    .init("new", .text(isNew ? "yes" : "no")),
                ])
        }

        /// Whether it was made. Its owner is who runs this, its group `pipeline.user`'s.
        static func make(_ node: NodeName, directory: String, group: String) throws -> Bool {
            do throws(SystemError) {
                let folder = try Descriptor.open(CPath(directory), [.read, .directory])
                guard try folder.statusIfPresent(of: CPath(node.text)) == nil else { return false }
                let draft = CPath(".\(node).\(ID128.random())")
                try folder.writeFile(draft, PipelineKey.file(randomBytes(32)), permissions: 0o600, durable: true)
                let file = try folder.open(draft, [.read])
                if SystemUser.isRoot, let user = try SystemUser(named: group) {
                    try file.setOwner(user: 0, group: user.group)
                    try file.setPermissions(0o640)
                }
                try folder.rename(draft, to: folder, CPath(node.text), ifExists: .refuse)
                try folder.sync()
                return true
            } catch {
                throw error.failure("cannot make the pipeline key of \(node) in \(directory)", .configuration)
            }
        }
    }

    /// What could not become an entry of the log.
    struct Dead: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Events that could not become entries of the log.",
            subcommands: [List.self, Show.self, Retry.self, Drop.self])

        struct List: OperatorCommand {
            static let configuration = CommandConfiguration(abstract: "List dead letters.")
            @OptionGroup var global: GlobalOptions

            func run(_ session: Session) async throws {
                var rows: [DeadLetterRow] = []
                var more = true
                while more {
                    let page = try await session.daemon(.ffspiped).send(
                        DeadLetterList(after: rows.last?.id ?? 0, limit: PageBudget.limits.upperBound))
                    rows += page.rows
                    more = page.more && !page.rows.isEmpty
                }
                session.output.table(
                    ["id", "when", "node", "journal", "bytes", "reason"],
                    rows.map { row in
                        [
                            .number(row.id), .text("\(row.at)"), .text(row.node.text), .text(row.stream),
                            .number(row.record.count), .text(row.reason),
                        ]
                    }, empty: "No dead letters.")
            }
        }

        struct Show: OperatorCommand {
            static let configuration = CommandConfiguration(abstract: "Show one dead letter whole.")
            @Argument(help: "Its number.") var id: Int
            @OptionGroup var global: GlobalOptions

            func run(_ session: Session) async throws {
                let page = try await session.daemon(.ffspiped).send(DeadLetterList(after: id - 1, limit: 1))
                guard let row = page.rows.first, row.id == id else {
                    throw Failure(.notFound, "there is no dead letter \(id); ffsctl pipeline dead list shows them")
                }
                session.output.record([
                    .init("id", .number(row.id)), .init("node", .text(row.node.text)),
                    .init("journal", .text(row.stream)), .init("segment", .text("\(row.segment)")),
                    .init("place", .number(row.offset)), .init("when", .text("\(row.at)")),
                    .init("reason", .text(row.reason)), .init("record", .text(Hex.string(row.record))),
                ])
            }
        }

        struct Retry: OperatorCommand {
            static let configuration = CommandConfiguration(
                abstract: "Try again to make an entry of a dead letter, as after an update.")
            @Argument(help: "Its number.") var id: Int
            @OptionGroup var global: GlobalOptions

            func run(_ session: Session) async throws {
                _ = try await session.daemon(.ffspiped).send(DeadLetterRetry(id: id))
                session.output.done("Dead letter \(id) is in the log.", [.init("id", .number(id))])
            }
        }

        struct Drop: OperatorCommand {
            static let configuration = CommandConfiguration(abstract: "Forget a dead letter.")
            @Argument(help: "Its number.") var id: Int
            @OptionGroup var global: GlobalOptions

            func run(_ session: Session) async throws {
                _ = try await session.daemon(.ffspiped).send(DeadLetterDrop(id: id))
                session.output.done("Dead letter \(id) is forgotten.", [.init("id", .number(id))])
            }
        }
    }
}
