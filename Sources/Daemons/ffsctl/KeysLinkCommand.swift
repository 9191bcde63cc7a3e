import ArgumentParser
import Commlink
import CommlinkTransport
import ConfigurationSchema
import DaemonKit
import FFSModel
import Requests
import SystemSupport

extension KeysCommand {
    /// `ffsctl keys link`: the first half of joining two hosts.
    struct LinkHosts: OperatorCommand {
        static let configuration = CommandConfiguration(
            commandName: "link",
            abstract: "Make a link's key bag, put it into force here, and write the copy for the other host.",
            discussion: """
                The daemons here are reloaded. Carry the file to the other host and run ffsctl keys accept there. A link \
                that is in use already changes its bag without a failed transaction: the fresh one is accepted here \
                from now on, and offered once the other host has it.
                """)
        @Argument(help: "The link, such as web-internal.") var link: KeyedLink
        @ArgumentParser.Option(
            help: ArgumentHelp("Write the copy to this new file (mode 0600).", valueName: "file"))
        var output: String
        @Flag(help: "The other host does not have the present bag: offer the fresh one at once.") var now = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let bag = try freshBag(link, count: KeyBag.defaultCount)
            try KeyBagDirectory.export(bag, to: output)
            let isFirst = try session.putIntoForce(bag, link)
            if !isFirst, now {
                try session.keyBags(link).activate(previousUntil: SystemClock.now() + KeysCommand.grace)
            }
            try await session.reload(after: [link], try chosen([]))
            let rest = isFirst || now ? "" : ", then here: ffsctl keys activate \(link.rawValue) && ffsctl reload"
            session.output.done(
                "Key bag \(bag.id) is \(isFirst || now ? "current" : "accepted") here for \(link.rawValue). "
                    + "Carry \(output) to the host at the other end (scp -p) and run there: ffsctl keys accept \(output)\(rest). "
                    + "Then remove the file on both hosts: whoever reads it can speak as either.",
                fields(of: bag) + [
                    .init("role", .text(isFirst || now ? "current" : "next")), .init("file", .text(output)),
                ])
        }
    }

    /// `ffsctl keys accept`: the other half.
    struct Accept: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take the key bags that `ffsctl node add` or `keys link` wrote and put them into force here.",
            discussion: """
                The daemons here are reloaded. A bag that was in force stays accepted for a day. A bag of this host \
                (node.name) is what it offers; one of another host is what that host is known by here.
                """)
        @Argument(help: "The key bag file.", completion: .file()) var file: String
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let bags = try KeyBagDirectory.bags(inFile: file)
            let links = try bags.map { bag in try session.place(of: bag, file) }
            for (bag, link) in zip(bags, links) { try session.accept(bag, link) }
            try await session.reload(after: links, try chosen([]))
            session.report(bags, links, file)
        }
    }

    /// `ffsctl keys forget`: ends a host's links at this end.
    struct Forget: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove every key bag of another host here: its links to this host end at once.")
        @Argument(help: "The host's name in FFS.", transform: parsedName) var node: NodeName
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let removed = try await session.forget(node, try chosen([]))
            guard !removed.isEmpty else {
                throw Failure(.notFound, "host \(node) has no key bag of its own here; ffsctl keys show lists all")
            }
            session.output.done(
                "Host \(node) can no longer use \(removed.joined(separator: ", ")) here.",
                [.init("node", .name(node)), .init("links", .list(removed.map { .text($0) }))])
        }
    }

    /// Seconds for which the bag before is still accepted.
    static var grace: Int64 { 86_400 }
}

extension Session {
    /// Current if it is the link's first bag here (true), else accepted from now on.
    func putIntoForce(_ bag: KeyBag, _ link: KeyedLink) throws -> Bool {
        let files = keyBags(link)
        let isFirst = try files.bag(.current) == nil
        try files.install(bag, as: isFirst ? .current : .next)
        return isFirst
    }

    /// Which of this host's links a bag belongs to: its own are plainly the link's, another host's are kept under its name.
    fileprivate func place(of bag: KeyBag, _ file: String) throws(Failure) -> KeyedLink {
        guard let link = Link(rawValue: bag.link), link.hasKeyBag, !bag.id.isTest else {
            throw Failure(
                .configuration, "\(file) has a key bag of \(bag.link), which belongs to no link of real hosts")
        }
        return KeyedLink(link, node: bag.node == configuration.localNode ? nil : bag.node)
    }

    fileprivate func report(_ bags: [KeyBag], _ links: [KeyedLink], _ file: String) {
        let names = links.map(\.rawValue).joined(separator: ", ")
        let sentence =
            bags.count == 1 ? "Key bag \(bags[0].id) is current here" : "\(bags.count) key bags are current here"
        output.done(
            "\(sentence) for \(names). Remove \(file) here and where it came from; ffsctl check shows whether the other "
                + "end answers.",
            bags.count == 1 ? fields(of: bags[0]) : [.init("bags", .list(bags.map { .record(fields(of: $0)) }))])
        let local = configuration.localNode
        guard let owner = bags.first?.node, owner != local else { return }
        output.note("They are the keys of host \(owner), which this one, \(local), knows it by now.")
    }

    fileprivate func accept(_ bag: KeyBag, _ link: KeyedLink) throws {
        let files = keyBags(link)
        guard let current = try files.bag(.current) else { return try files.install(bag, as: .current) }
        // Repeated: the daemons may not have heard of it yet.
        guard current.id != bag.id else { return }
        if try files.bag(.next)?.id != bag.id { try files.install(bag, as: .next) }
        try files.activate(previousUntil: SystemClock.now() + KeysCommand.grace)
    }

    /// Removes a host's bags; returns the links that it had.
    func forget(_ node: NodeName, _ here: [DaemonName]) async throws -> [String] {
        let links = try KeyedLink.allCases.map { KeyedLink($0.link, node: node) }.filter { link in
            try keyBags(link).removeAll()
        }
        try await reload(after: links, here)
        return links.map(\.rawValue)
    }

    /// Reloads those of this host's daemons that hold the links' bags; those that are down read them when they start.
    func reload(after links: [KeyedLink], _ here: [DaemonName]) async throws {
        var holders = Set(links.compactMap(\.link.ends).flatMap { [$0.owner, $0.other] })
        if links.contains(where: { $0.link == .storageWeb }) { holders.insert(.ffspiped) }
        for (daemon, outcome) in try await reload(here.filter(holders.contains)) {
            switch outcome {
            case .reloaded: output.note("Reloaded \(daemon.rawValue).")
            case .down: break
            case .refused(let why): output.note("\(daemon.rawValue) goes on with its old keys: \(why.text)")
            }
        }
    }
}

extension Link {
    /// The daemons that hold its key bag: on the hosts that have bags of their own (``NodeRecord/Role/links``), and on
    /// the hosts that know those by them. nil for a local socket.
    var ends: (owner: DaemonName, other: DaemonName)? {
        switch self {
        case .webInternal: (.ffswebd, .ffsauthd)
        case .webStorage: (.ffsstaged, .ffswebd)
        case .storageWeb: (.ffsftpd, .ffswebd)
        case .webPipe: (.ffswebd, .ffspiped)
        case .signIn, .pipe, .control: nil
        }
    }
}

extension NodeRecord.Role {
    /// The links for which a host of this role has key bags of its own.
    var links: [Link] {
        switch self {
        case .web: [.webInternal, .webPipe]
        case .storage: [.webStorage, .storageWeb]
        case .internal: []
        }
    }
}
