import ArgumentParser
import Commlink
import CommlinkTransport
import ConfigurationSchema
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
            let files = session.keyBags(link)
            let bag = try freshBag(link, count: KeyBag.defaultCount)
            let isFirst = try files.bag(.current) == nil
            try KeyBagDirectory.export(bag, to: output)
            if isFirst {
                try files.install(bag, as: .current)
            } else {
                try files.install(bag, as: .next)
                if now { try files.activate(previousUntil: SystemClock.now() + KeysCommand.grace) }
            }
            try await session.reload(after: link, try chosen([]))
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
            abstract: "Take the key bag that `ffsctl keys link` wrote on the other host and put it into force here.",
            discussion: "The daemons here are reloaded. A bag that was in force stays accepted for a day.")
        @Argument(help: "The key bag file.", completion: .file()) var file: String
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let (link, bag) = try read(session)
            let files = session.keyBags(link)
            let current = try files.bag(.current)
            if current?.id == bag.id {
                // Repeated: the daemons may not have heard of it yet.
            } else if current == nil {
                try files.install(bag, as: .current)
            } else {
                if try files.bag(.next)?.id != bag.id { try files.install(bag, as: .next) }
                try files.activate(previousUntil: SystemClock.now() + KeysCommand.grace)
            }
            try await session.reload(after: link, try chosen([]))
            session.output.done(
                "Key bag \(bag.id) is current here for \(link.rawValue). Remove \(file) here and where it came from; "
                    + "ffsctl check shows whether the other end answers.",
                fields(of: bag))
        }

        /// The bag and the link that it names.
        private func read(_ session: Session) throws -> (KeyedLink, KeyBag) {
            var refusal: (any Error)?
            for link in KeyedLink.allCases {
                do {
                    let bag = try session.keyBags(link).bag(inFile: file)
                    if bag.link == link.rawValue { return (link, bag) }
                } catch { refusal = refusal ?? error }
            }
            throw refusal ?? Failure(.configuration, "\(file) is a bag for tests, which belongs to no link")
        }
    }

    /// Seconds for which the bag before is still accepted.
    fileprivate static var grace: Int64 { 86_400 }
}

extension Session {
    /// Reloads those of this host's daemons that hold the link's bag; those that are down read it when they start.
    fileprivate func reload(after link: KeyedLink, _ here: [DaemonName]) async throws {
        let holders: [DaemonName] =
            switch link.link {
            case .webInternal: [.ffsauthd, .ffswebd]
            case .webStorage: [.ffsstaged, .ffswebd]
            case .storageWeb: [.ffsftpd, .ffswebd]
            case .signIn, .pipe, .control: []
            }
        for (daemon, outcome) in try await reload(here.filter(holders.contains)) {
            switch outcome {
            case .reloaded: output.note("Reloaded \(daemon.rawValue).")
            case .down: break
            case .refused(let why): output.note("\(daemon.rawValue) goes on with its old keys: \(why.text)")
            }
        }
    }
}
