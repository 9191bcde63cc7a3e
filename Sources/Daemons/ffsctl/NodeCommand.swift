import ArgumentParser
import Clients
import FFSModel
import Requests

/// `ffsctl node`: the installation's hosts.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Add and list the hosts of the installation.",
        subcommands: [Add.self, List.self])

    struct Add: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a host known, or change the role and address of one that is.")

        @Argument(help: "The host's name in FFS.", transform: parsedName) var node: NodeName
        @Argument(help: "What it runs: storage, web or internal.") var role: Role
        @Argument(help: "A host name or an IP address.") var address: String
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let record = try await session.auth.send(NodeRegister(node: node, role: role.role, address: address))
            session.output.done("Node \(node) is known.", zip(NodeRecord.columns, record.values).map { .init($0, $1) })
        }
    }

    struct List: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "List the hosts in order of name.")

        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try await session.print(
                NodeList(limit: 500), NodeRecord.columns, empty: "No nodes yet; `ffsctl node add` makes one known.",
                values: { $0.values })
        }
    }

    enum Role: String, CaseIterable, ExpressibleByArgument {
        case storage, web, `internal`

        var role: NodeRecord.Role {
            switch self {
            case .storage: .storage
            case .web: .web
            case .internal: .internal
            }
        }
    }
}

extension NodeRecord {
    static let columns = ["node", "role", "address", "registered"]

    var values: [Value] { [.name(node), .text(role.rawValue), .text(address), .moment(registered)] }
}
