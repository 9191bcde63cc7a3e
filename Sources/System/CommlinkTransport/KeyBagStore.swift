package import Commlink
package import FFSModel
package import Logging
package import Requests
import Synchronization

/// The key bags of one link, as the files in the key bag directory give them (ffs-keybag(5)):
///
///     <link>                 current: offered by clients, accepted by servers
///     <link>.previous        accepted until the time in <link>.previous-until
///     <link>.next            accepted, not yet offered
///
/// Reading them again never drops a connection, and a fault in a file leaves the bags as they were.
package final class KeyBagStore: Sendable {
    package let directory: String
    package let link: Link
    private let allowTestKeys: Bool
    private let logger: Logger
    private let ring: Mutex<KeyRing>

    /// Throws `configuration`, naming the file and the remedy, unless the current bag can be used.
    package init(directory: String, link: Link, allowTestKeys: Bool, logger: Logger) throws(Failure) {
        self.directory = directory
        self.link = link
        self.allowTestKeys = allowTestKeys
        self.logger = logger
        ring = Mutex(try Self.load(directory, link, allowTestKeys, logger))
    }

    /// Reads the files again (SIGHUP). When it throws, the bags in memory stay in force.
    package func reload() throws(Failure) {
        let fresh = try Self.load(directory, link, allowTestKeys, logger)
        ring.withLock { $0 = fresh }
    }

    /// The bags in force.
    package var bags: KeyRing { ring.withLock { $0 } }

    private static func load(
        _ directory: String, _ link: Link, _ allowTestKeys: Bool, _ logger: Logger
    ) throws(Failure) -> KeyRing {
        let name = link.rawValue
        let read = { (name: String) throws(Failure) in try bag(name, in: directory, link, allowTestKeys, logger) }
        guard let current = try read(name) else {
            throw Failure(
                .configuration,
                "there is no key bag \(directory)/\(name); make one with \"ffsctl keys generate \(name)\", "
                    + "or copy the one of the host at the link's other end")
        }
        let next = try read("\(name).next")
        var previous: (bag: KeyBag, until: Timestamp)?
        if let bag = try read("\(name).previous") {
            previous = (bag, try deadline("\(name).previous-until", in: directory))
        }
        let ring = KeyRing(current: current, previous: previous, next: next)
        logger.info(
            "key bags read",
            metadata: [
                "link": "\(name)", "current": "\(current.id)", "next": "\(next.map { "\($0.id)" } ?? "-")",
                "previous": "\(previous.map { "\($0.bag.id) until \($0.until)" } ?? "-")",
            ])
        return ring
    }

    /// One bag, its keys locked in memory; nil when there is no such file.
    private static func bag(
        _ name: String, in directory: String, _ link: Link, _ allowTestKeys: Bool, _ logger: Logger
    ) throws(Failure) -> KeyBag? {
        guard var bytes = try KeyFiles.read(name, in: directory) else { return nil }
        defer { KeyFiles.wipe(&bytes) }
        let path = "\(directory)/\(name)"
        let bag: KeyBag
        do { bag = try KeyBag.parse(bytes) } catch { throw Failure(.configuration, "\(path): \(error)") }
        // The published test vectors name no real link.
        guard bag.link == link.rawValue || bag.id.isTest else {
            throw Failure(
                .configuration,
                "\(path) is the bag of link \(bag.link), not \(link.rawValue): every link needs its own bag")
        }
        guard !bag.id.isTest || allowTestKeys else {
            throw Failure(
                .configuration,
                "\(path) is a test bag, whose keys are published; generate a real one with "
                    + "\"ffsctl keys generate \(link.rawValue)\" (--allow-test-keys accepts it, for tests alone)")
        }
        if !bag.withKeyMaterial(KeyFiles.protect) {
            logger.warning(
                "cannot lock key bag in memory; raise the memory lock limit (LimitMEMLOCK=, ulimit -l)",
                metadata: ["file": "\(path)"])
        }
        return bag
    }

    /// The file's one line, `2026-11-22T00:00:00Z`.
    private static func deadline(_ name: String, in directory: String) throws(Failure) -> Timestamp {
        guard let bytes = try KeyFiles.read(name, in: directory) else {
            throw Failure(
                .configuration,
                "\(directory)/\(name) is missing, so it is unknown how long the previous bag is accepted; "
                    + "remove both with \"ffsctl keys retire\"")
        }
        guard bytes.last == UInt8(ascii: "\n"),
            let time = Timestamp(String(decoding: bytes.dropLast(), as: UTF8.self))
        else {
            throw Failure(
                .configuration, "\(directory)/\(name) must hold one time such as 2026-11-22T00:00:00Z, and a newline")
        }
        return time
    }
}
