import ArgumentParser
import Commlink
import CommlinkTransport
import ConfigurationSchema
import FFSModel
import Requests
import SystemSupport

/// `ffsctl keys`: the key bags on this host (ffs-keybag(5)). Works on the files alone; daemons read them at SIGHUP.
struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Make, show and rotate the key bags of the commlink.",
        discussion: """
            A new host gets its keys by ffsctl node add. To join two hosts by hand: ffsctl keys link on one, carry \
            the file, ffsctl keys accept on the other.

            To rotate without a failed transaction: stage the same bag on every host of the link and reload the \
            daemons, activate it on every host and reload, retire the previous one once its time is over. \
            See ffs-keybag(5).
            """,
        subcommands: [
            LinkHosts.self, Accept.self, Generate.self, Show.self, Stage.self, Activate.self, Retire.self, Forget.self,
        ])

    struct Generate: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a fresh key bag: the first one of a link, or a file to copy to other hosts.")
        @Argument(help: "The link, such as web-internal, or one host's part of it, such as web-internal@web-1.")
        var link: KeyedLink
        @ArgumentParser.Option(help: ArgumentHelp("Number of keys: odd, at least 31.", valueName: "n"))
        var keys = KeyBag.defaultCount
        @ArgumentParser.Option(
            help: ArgumentHelp("Write the bag to this new file (mode 0600), not to the key bag directory."))
        var output: String?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let bag = try freshBag(link, count: keys)
            if let output {
                try KeyBagDirectory.export(bag, to: output)
                return session.output.done(
                    "Wrote key bag \(bag.id) for \(link.rawValue) to \(output). Stage it on every host of the link.",
                    fields(of: bag))
            }
            try session.keyBags(link).install(bag, as: .current)
            session.output.done(
                "Key bag \(bag.id) is current for \(link.rawValue). Copy it to the host at the link's other end.",
                fields(of: bag))
        }
    }

    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the key bags on this host. Two hosts of a link must show the same fingerprint.")
        @Argument(help: "One link; all without.") var link: KeyedLink?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            var rows: [[Value]] = []
            for link in try link.map({ [$0] }) ?? session.keyedLinks() {
                let files = session.keyBags(link)
                for slot in KeyBagDirectory.Slot.allCases {
                    guard let bag = try files.bag(slot) else { continue }
                    rows.append([
                        .text(link.rawValue), .text(slot.rawValue), .name(bag.id), .moment(bag.created),
                        .number(bag.count), .text(bag.fingerprint),
                        slot == .previous ? .moment(try files.previousDeadline()) : .none,
                    ])
                }
            }
            session.output.table(
                ["link", "role", "id", "created", "keys", "fingerprint", "until"], rows,
                empty: "No key bags in \(session.configuration[Options.Keys.directory]).")
        }
    }

    struct Stage: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key bag the next one: accepted from now on, not yet offered.")
        @Argument(help: "The link, such as web-internal, or one host's part of it, such as web-internal@web-1.")
        var link: KeyedLink
        @Argument(help: "A key bag file; without one, a fresh bag is made (when both ends are this host).")
        var file: String?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let files = session.keyBags(link)
            let bag = try file.map { file in try files.bag(inFile: file) } ?? freshBag(link, count: KeyBag.defaultCount)
            if let current = try files.bag(.current), current.id == bag.id {
                throw Failure(.exists, "key bag \(bag.id) is current for \(link.rawValue) already")
            }
            try files.install(bag, as: .next)
            session.output.done(
                "Key bag \(bag.id) is staged for \(link.rawValue). Once it is on every host of the link, reload the daemons (ffsctl reload).",
                fields(of: bag))
        }
    }

    struct Activate: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the next key bag current; the current one becomes the previous one.")
        @Argument(help: "The link, such as web-internal, or one host's part of it, such as web-internal@web-1.")
        var link: KeyedLink
        @ArgumentParser.Option(
            help: ArgumentHelp("Seconds for which the previous bag is still accepted.", valueName: "seconds"))
        var grace = 86_400
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            guard (60...2_592_000).contains(grace) else {
                throw ValidationError("--grace must be from 60 to 2592000 seconds (30 days), not \(grace).")
            }
        }

        func run(_ session: Session) async throws {
            let files = session.keyBags(link)
            let deadline = SystemClock.now() + Int64(grace)
            try files.activate(previousUntil: deadline)
            guard let bag = try files.bag(.current) else { return }
            session.output.done(
                "Key bag \(bag.id) is current for \(link.rawValue); the one before is accepted until \(deadline). "
                    + "Reload the daemons (ffsctl reload).",
                fields(of: bag) + [.init("previous-until", .moment(deadline))])
        }
    }

    struct Retire: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove the previous key bag: connections that still use it end.")
        @Argument(help: "The link, such as web-internal, or one host's part of it, such as web-internal@web-1.")
        var link: KeyedLink
        @Flag(help: "Remove the next bag, that is, take back a stage.") var next = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let slot = next ? KeyBagDirectory.Slot.next : .previous
            try session.keyBags(link).retire(slot)
            session.output.done(
                "The \(slot.rawValue) key bag of \(link.rawValue) is removed. Reload the daemons (ffsctl reload).",
                [.init("link", .text(link.rawValue)), .init("removed", .text(slot.rawValue))])
        }
    }
}

/// A link that has key bags, every one but the local sockets, or the part of it that is one host's: `web-internal`,
/// `web-internal@web-1`.
struct KeyedLink: ExpressibleByArgument, CaseIterable {
    let link: Link
    let node: NodeName?
    var rawValue: String { link.rawValue + (node.map { "@\($0)" } ?? "") }

    init(_ link: Link, node: NodeName? = nil) {
        self.link = link
        self.node = node
    }

    static var allCases: [KeyedLink] { Link.allCases.filter(\.hasKeyBag).map { KeyedLink($0) } }
    static var allValueStrings: [String] { allCases.map(\.rawValue) }

    init?(argument: String) {
        let parts = argument.utf8.split(separator: UInt8(ascii: "@"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let link = Link(rawValue: String(parts[0]) ?? ""), link.hasKeyBag else { return nil }
        guard parts.count == 2 else {
            self.init(link)
            return
        }
        guard let node = try? NodeName(bytes: Array(parts[1])) else { return nil }
        self.init(link, node: node)
    }
}

extension Session {
    func keyBags(_ link: KeyedLink) -> KeyBagDirectory {
        KeyBagDirectory(path: configuration[Options.Keys.directory], link: link.link, node: link.node)
    }

    /// The links that have bags here, those of single hosts behind the common ones.
    func keyedLinks() throws -> [KeyedLink] {
        try KeyedLink.allCases.flatMap { link in
            [link] + (try keyBags(link).nodes().map { KeyedLink(link.link, node: $0) })
        }
    }
}

func freshBag(_ link: KeyedLink, count: Int) throws(Failure) -> KeyBag {
    var random = SystemRandomNumberGenerator()
    do {
        return try KeyBag.generate(
            link: link.link.rawValue, node: link.node, count: count, created: SystemClock.now(), random: &random)
    } catch { throw Failure(.badRequest, "cannot make that key bag: \(error.reason)") }
}

/// What may be shown of a bag: no key.
func fields(of bag: KeyBag) -> [Value.Field] {
    (bag.node.map { [.init("node", .name($0))] } ?? []) + [
        .init("link", .text(bag.link)), .init("id", .name(bag.id)), .init("created", .moment(bag.created)),
        .init("keys", .number(bag.count)), .init("fingerprint", .text(bag.fingerprint)),
    ]
}
