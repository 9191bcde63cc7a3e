import ArgumentParser
import Clients
import Commlink
import CommlinkTransport
import ConfigurationSchema
import DaemonKit
import FFSModel
import Requests

/// `ffsctl node`: the installation's hosts.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Add, list and show the hosts of the installation, with their keys.",
        subcommands: [Add.self, List.self, Show.self])

    struct Add: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a host known and make its keys, or change what is known of it.",
            discussion: """
                Run it on the internal host. The host's key bags, one for each of its links and no other host's, go into \
                one file. Carry it where the command says and run ffsctl keys accept there. A host that has keys already gets \
                fresh ones without a failed transaction; --no-keys leaves them as they are.
                """)

        @Argument(help: "The host's name in FFS (node.name there).", transform: parsedName) var node: NodeName
        @ArgumentParser.Option(help: "What it runs: storage, web or internal.") var role: Role
        @ArgumentParser.Option(
            help: ArgumentHelp("Where it is reached: a host name or an IP address.", valueName: "host"))
        var address: String
        @ArgumentParser.Option(
            help: ArgumentHelp("Write its keys to this new file (mode 0600); NODE.keys without.", valueName: "file"))
        var output: String?
        @Flag(help: "Make no keys.") var noKeys = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let record = try await session.auth.send(NodeRegister(node: node, role: role.role, address: address))
            let known = zip(NodeRecord.columns, record.values).map { Value.Field($0, $1) }
            let isLocal = node == session.configuration.localNode
            guard !noKeys, !isLocal, !record.role.links.isEmpty else {
                return session.output.done("Node \(node) is known.", known)
            }
            let file = output ?? "\(node).keys"
            try await session.makeKeys(for: record, file, here: try chosen([]))
            let places = try await session.carry(record)
            session.output.done(
                "Node \(node) is known. Carry \(file) to \(places.joined(separator: " and to ")) (scp -p) and run there: "
                    + "ffsctl keys accept \(file). Then remove it everywhere: whoever reads it can speak as \(node).",
                known + [.init("file", .text(file)), .init("carry-to", .list(places.map { .text($0) }))])
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

    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a host, and which key bags of its own it has on this one.")

        @Argument(help: "The host's name in FFS.", transform: parsedName) var node: NodeName
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            guard let record = try await session.node(node) else {
                throw Failure(.notFound, "there is no node \(node); `ffsctl node list` shows all")
            }
            let bags = try KeyedLink.allCases.compactMap { link in
                try session.keyBags(KeyedLink(link.link, node: node)).bag(.current)
            }
            session.output.record(
                zip(NodeRecord.columns, record.values).map { Value.Field($0, $1) } + [
                    .init(
                        "bags", .list(bags.map { global.json ? .record(fields(of: $0)) : .text("\($0.link) \($0.id)") })
                    )
                ])
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

extension Session {
    /// What is known of a host; nil when it is not.
    fileprivate func node(_ name: NodeName) async throws -> NodeRecord? {
        try await auth.rows(of: NodeList(limit: 500)).first { $0.node == name }
    }

    /// Makes a bag for each of the host's links, puts those that end here into force, and writes all to `file`.
    fileprivate func makeKeys(for node: NodeRecord, _ file: String, here: [DaemonName]) async throws {
        let links = node.role.links.map { KeyedLink($0, node: node.node) }
        let bags = try links.map { try freshBag($0, count: KeyBag.defaultCount) }
        try KeyBagDirectory.export(bags, to: file)
        var ending: [KeyedLink] = []
        for (link, bag) in zip(links, bags) where link.link.ends.map({ here.contains($0.other) }) ?? false {
            _ = try putIntoForce(bag, link)
            ending.append(link)
        }
        try await reload(after: ending, here)
        let keys = configuration[Options.Pipeline.keys]
        guard here.contains(.ffsauthd),
            try PipelineCommand.Key.make(
                node.node, directory: keys, group: configuration[Options.Pipeline.user])
        else { return }
        output.note(
            "Its events need its pipeline key there, too: carry \(keys)/\(node.node) to the same place on it, for root and "
                + "the group of \(configuration[Options.Pipeline.user]) alone (mode 0640).")
    }

    /// The hosts that need a host's keys: itself, and those at its links' other ends.
    fileprivate func carry(_ node: NodeRecord) async throws -> [String] {
        guard node.role == .storage else { return [node.node.text] }
        let web = try await auth.rows(of: NodeList(limit: 500)).filter { $0.role == .web }.map(\.node.text)
        return [node.node.text] + (web.isEmpty ? ["the web host"] : web)
    }
}

extension NodeRecord {
    static let columns = ["node", "role", "address", "registered"]

    var values: [Value] { [.name(node), .text(role.rawValue), .text(address), .moment(registered)] }
}
