package import Commlink
package import FFSModel
package import Logging
package import Requests
import Synchronization
import SystemSupport

/// The key bags of one link, as the files in the key bag directory give them (ffs-keybag(5)):
///
///     <link>                 current: offered by clients, accepted by servers
///     <link>.previous        accepted until the time in <link>.previous-until
///     <link>.next            accepted, not yet offered
///     <link>@<node> …        the same of one host at the link's other end
///
/// Reading them again never drops a connection, and a fault in a file leaves the bags as they were.
package final class KeyBagStore: Sendable {
    package let link: Link
    /// This host, as far as that is known.
    private let local: NodeName?
    /// Reads the files anew; nil for bags that were handed over.
    private let read: (@Sendable () throws(Failure) -> KeyRing)?
    private let ring: Mutex<KeyRing>

    /// Throws `configuration`, naming the file and the remedy, unless there are bags and all can be used.
    ///
    /// - Parameters:
    ///   - local: this host's name. A bag that is another host's is not offered in its place.
    ///   - peer: the host that is asked, where more than one has its own bag here.
    ///   - mayBeEmpty: for a server, which without bags serves nobody until there are.
    package init(
        directory: String, link: Link, local: NodeName? = nil, peer: NodeName? = nil, mayBeEmpty: Bool = false,
        allowTestKeys: Bool, logger: Logger
    ) throws(Failure) {
        self.link = link
        self.local = local
        let files = KeyBagFiles(
            directory: directory, link: link, local: local, peer: peer, mayBeEmpty: mayBeEmpty,
            allowTestKeys: allowTestKeys, logger: logger)
        read = { () throws(Failure) in try files.load() }
        ring = Mutex(try files.load())
    }

    /// The bag that another process has read and handed over: for one that must not open the files itself.
    package init(link: Link, current: KeyBag) {
        self.link = link
        local = nil
        read = nil
        ring = Mutex(KeyRing(current: current))
    }

    /// Another bag was handed over.
    package func replace(current: KeyBag) { ring.withLock { $0 = KeyRing(current: current) } }

    /// Reads the files again (SIGHUP). When it throws, the bags in memory stay in force.
    package func reload() throws(Failure) {
        guard let fresh = try read?() else { return }
        ring.withLock { $0 = fresh }
    }

    /// The bags in force.
    package var bags: KeyRing { ring.withLock { $0 } }

    /// What a client offers; throws `configuration` where it is not clear which host's it would be.
    package func offered() throws(Failure) -> KeyBag {
        if let bag = bags.current { return bag }
        throw Failure(
            .configuration,
            "several hosts have a key bag of their own for the link \(link.rawValue), and none is for all of them: "
                + "say in staging.node which of them is asked")
    }

    /// Who speaks with a bag of `node`: nil for this host's own, which the link's other end has, too.
    func sender(_ node: NodeName?) -> NodeName? { node == local ? nil : node }
}

/// Reads one link's bags from the key bag directory.
private struct KeyBagFiles: Sendable {
    let directory: String
    let link: Link
    let local: NodeName?
    let peer: NodeName?
    let mayBeEmpty: Bool
    let allowTestKeys: Bool
    let logger: Logger

    func load() throws(Failure) -> KeyRing {
        let common = KeyBagDirectory(path: directory, link: link)
        let own = try ring(common)
        if let own { try verifyOwner(own) }
        var rings: [NodeName: KeyRing] = [:]
        for node in try common.nodes() {
            guard let ring = try ring(KeyBagDirectory(path: directory, link: link, node: node)) else { continue }
            rings[node] = ring
        }
        try verifyDistinct(own, rings)
        if let peer, let ring = rings[peer] { return ring.accepting(rings.values + [own].compactMap(\.self)) }
        if let own { return own.accepting(rings.values) }
        guard let only = rings.first?.value else {
            if mayBeEmpty { return KeyRing(current: nil) }
            throw Failure(
                .configuration,
                "there is no key bag \(directory)/\(link.rawValue); bring the host's keys (ffsctl node add), or make "
                    + "one where both ends are this host (ffsctl keys generate \(link.rawValue))")
        }
        return (rings.count == 1 ? only : KeyRing(current: nil)).accepting(rings.values)
    }

    /// nil where there is no current bag.
    private func ring(_ files: KeyBagDirectory) throws(Failure) -> KeyRing? {
        guard let current = try files.bag(.current) else { return nil }
        let next = try files.bag(.next)
        let previous: (bag: KeyBag, until: Timestamp)? = try files.bag(.previous).map { bag throws(Failure) in
            (bag, try files.previousDeadline())
        }
        for bag in [current, next, previous?.bag].compactMap(\.self) { try admit(bag) }
        logger.info(
            "key bags read",
            metadata: [
                "link": "\(files.name)", "current": "\(current.id)", "next": "\(next.map { "\($0.id)" } ?? "-")",
                "previous": "\(previous.map { "\($0.bag.id) until \($0.until)" } ?? "-")",
            ])
        return KeyRing(current: current, previous: previous, next: next)
    }

    private func verifyOwner(_ ring: KeyRing) throws(Failure) {
        for bag in [ring.current, ring.next, ring.previous?.bag].compactMap(\.self) {
            guard let owner = bag.node, let local, owner != local else { continue }
            throw Failure(
                .configuration,
                "key bag \(bag.id) in \(directory)/\(link.rawValue) is host \(owner)'s, and this host is \(local): give "
                    + "it its own (ffsctl node add), or correct node.name")
        }
    }

    /// Two hosts with one bag could not be told apart.
    private func verifyDistinct(_ own: KeyRing?, _ rings: [NodeName: KeyRing]) throws(Failure) {
        var owners: [BagID: String] = [:]
        let all = rings.map { ("\(link.rawValue)@\($0)", $1) } + (own.map { [(link.rawValue, $0)] } ?? [])
        for (name, ring) in all.sorted(by: { $0.0 < $1.0 }) {
            let ids = Set([ring.current, ring.next, ring.previous?.bag].compactMap { $0?.id })
            for id in ids {
                guard let other = owners.updateValue(name, forKey: id) else { continue }
                throw Failure(
                    .configuration,
                    "key bag \(id) in \(directory) is both \(other)'s and \(name)'s: remove the one that it does not belong to"
                )
            }
        }
    }

    private func admit(_ bag: KeyBag) throws(Failure) {
        guard !bag.id.isTest || allowTestKeys else {
            throw Failure(
                .configuration,
                "key bag \(bag.id) of link \(link.rawValue) in \(directory) is a test bag, whose keys are published; make a "
                    + "real one with \"ffsctl keys generate \(link.rawValue)\" (--allow-test-keys accepts it, for tests alone)"
            )
        }
        if !bag.withKeyMaterial(SecretMemory.protect) {
            logger.warning(
                "cannot lock the key bag in memory; raise the memory lock limit (LimitMEMLOCK=, ulimit -l)",
                metadata: ["bag": "\(bag.id)"])
        }
    }
}
