import ArgumentParser
import ChangeFeed
import Clients
import FFSModel
import Requests

/// `ffsctl changes`: the change feed, by which hosts hear what has changed in the master database.
struct ChangesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "changes", abstract: "Watch how hosts follow the master database's changes.",
        subcommands: [Status.self])

    struct Status: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show for each host the last change it has applied, how many it lacks, and its lease.")

        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let status = try await session.auth.send(FeedStatus())
            let hosts = status.hosts.map { host -> [Value] in
                [
                    .name(host.node), .number(host.number), .number(host.lag), .seconds(host.lease),
                    .seconds(host.silent),
                ]
            }
            let columns = ["node", "number", "lag", "lease", "silent"]
            guard session.output.json else {
                session.output.note("The newest change has the number \(status.head.number).")
                return session.output.table(
                    columns, hosts, empty: "No host has asked for changes since ffsauthd started.")
            }
            session.output.record([
                .init("head", .number(status.head.number)), .init("kept", .number(status.rows)),
                .init("hosts", .list(hosts.map { .record(zip(columns, $0).map { Value.Field($0, $1) }) })),
            ])
        }
    }
}
