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
///
/// Reading them again never drops a connection, and a fault in a file leaves the bags as they were.
package final class KeyBagStore: Sendable {
    package let link: Link
    /// Reads the files anew; nil for bags that were handed over.
    private let read: (@Sendable () throws(Failure) -> KeyRing)?
    private let ring: Mutex<KeyRing>

    /// Throws `configuration`, naming the file and the remedy, unless the current bag can be used.
    package init(directory: String, link: Link, allowTestKeys: Bool, logger: Logger) throws(Failure) {
        self.link = link
        read = { () throws(Failure) in try Self.load(directory, link, allowTestKeys, logger) }
        ring = Mutex(try Self.load(directory, link, allowTestKeys, logger))
    }

    /// The bag that another process has read and handed over: for one that must not open the files itself.
    package init(link: Link, current: KeyBag) {
        self.link = link
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

    private static func load(
        _ directory: String, _ link: Link, _ allowTestKeys: Bool, _ logger: Logger
    ) throws(Failure) -> KeyRing {
        let files = KeyBagDirectory(path: directory, link: link)
        guard let current = try files.bag(.current) else {
            throw Failure(
                .configuration,
                "there is no key bag \(directory)/\(link.rawValue); make one with \"ffsctl keys generate \(link.rawValue)\", "
                    + "or copy the one of the host at the link's other end")
        }
        let next = try files.bag(.next)
        let previous: (bag: KeyBag, until: Timestamp)? = try files.bag(.previous).map { bag throws(Failure) in
            (bag, try files.previousDeadline())
        }
        for bag in [current, next, previous?.bag].compactMap(\.self) {
            try admit(bag, link, allowTestKeys, directory, logger)
        }
        logger.info(
            "key bags read",
            metadata: [
                "link": "\(link.rawValue)", "current": "\(current.id)", "next": "\(next.map { "\($0.id)" } ?? "-")",
                "previous": "\(previous.map { "\($0.bag.id) until \($0.until)" } ?? "-")",
            ])
        return KeyRing(current: current, previous: previous, next: next)
    }

    private static func admit(
        _ bag: KeyBag, _ link: Link, _ allowTestKeys: Bool, _ directory: String, _ logger: Logger
    ) throws(Failure) {
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
