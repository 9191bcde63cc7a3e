package import Commlink
package import FFSModel
package import Requests
import SystemSupport

/// The key bag files of one link (ffs-keybag(5)): what a daemon reads and what ffsctl keys changes.
///
/// Every change is one rename(2) of a complete file, and at every moment there is a current bag, so a daemon may
/// reload at any time.
package struct KeyBagDirectory: Sendable {
    /// The part that a file plays.
    package enum Slot: String, Sendable, CaseIterable {
        /// Offered by clients, accepted by servers.
        case current
        /// Accepted until its deadline.
        case previous
        /// Accepted, not yet offered.
        case next
    }

    package let path: String
    package let link: Link
    /// The host whose own bags these are, at the other end of the link; nil for the link's common ones, and for this
    /// host's own.
    package let node: NodeName?

    /// Each bag has a group of its own, whose members are the users of the daemons at its link's ends on one host.
    private var group: String { "ffs-\(link.rawValue)" }

    /// The largest bag: 65,535 entries.
    private static let sizeLimit = 8 << 20

    package init(path: String, link: Link, node: NodeName? = nil) {
        self.path = path
        self.link = link
        self.node = node
    }

    /// How ffsctl keys calls it: `web-internal`, or `web-internal@web-1`.
    package var name: String { link.rawValue + suffix }

    private var suffix: String { node.map { "@\($0)" } ?? "" }

    package func file(_ slot: Slot) -> String {
        slot == .current ? name : "\(link.rawValue).\(slot.rawValue)\(suffix)"
    }

    private var deadlineFile: String { "\(link.rawValue).previous-until\(suffix)" }

    /// The hosts that have a current bag of their own for this link here, in order of name.
    package func nodes() throws(Failure) -> [NodeName] {
        let folder = try open()
        let entries: [Descriptor.DirectoryEntry]
        do throws(SystemError) { entries = try folder.entries() } catch {
            throw error.failure("cannot list \(path)", .configuration)
        }
        let start = Array("\(link.rawValue)@".utf8)
        return entries.compactMap { entry in
            let name = entry.name.bytes
            return name.starts(with: start) ? try? NodeName(bytes: name.dropFirst(start.count)) : nil
        }.sorted()
    }

    // MARK: Reading

    /// The bag in `slot`, nil when there is no such file. Throws `configuration` with the remedy when the file is not
    /// a bag of this link, or when someone else than root, this user and the file's group could read or replace it.
    package func bag(_ slot: Slot) throws(Failure) -> KeyBag? {
        guard var bytes = try read(file(slot)) else { return nil }
        defer { SecretMemory.wipe(&bytes) }
        return try parse(bytes, "\(path)/\(file(slot))")
    }

    /// A bag that an operator names, for `ffsctl keys stage`.
    package func bag(inFile file: String) throws(Failure) -> KeyBag {
        var found = try Self.carried(file)
        defer { SecretMemory.wipe(&found) }
        return try parse(found, file)
    }

    /// The bags that a file carries to this host, for `ffsctl keys accept`.
    package static func bags(inFile file: String) throws(Failure) -> [KeyBag] {
        var found = try carried(file)
        defer { SecretMemory.wipe(&found) }
        do { return try KeyBag.parseAll(found) } catch { throw Failure(.configuration, "\(file): \(error)") }
    }

    private static func carried(_ file: String) throws(Failure) -> [UInt8] {
        let bytes: [UInt8]?
        do {
            bytes = try Descriptor.open(CPath(file), [.read, .nonBlocking]).readAll(limit: sizeLimit)
        } catch { throw error.failure("cannot read the key bag", .configuration) }
        guard let bytes else { throw Failure(.configuration, "\(file) is too large for a key bag") }
        return bytes
    }

    private func parse(_ bytes: [UInt8], _ name: String) throws(Failure) -> KeyBag {
        let bag: KeyBag
        do { bag = try KeyBag.parse(bytes) } catch { throw Failure(.configuration, "\(name): \(error)") }
        // A test bag names no real link.
        guard bag.link == link.rawValue || bag.id.isTest else {
            throw Failure(
                .configuration,
                "\(name) is the bag of link \(bag.link), not \(link.rawValue): every link has a bag of its own")
        }
        if let node, bag.node != node {
            throw Failure(
                .configuration,
                "\(name) is the bag \(bag.node.map { "of host \($0)" } ?? "that all hosts of the link share"), not host "
                    + "\(node)'s: every host has a bag of its own")
        }
        return bag
    }

    /// Until when the previous bag is accepted.
    package func previousDeadline() throws(Failure) -> Timestamp {
        guard let bytes = try read(deadlineFile) else {
            throw Failure(
                .configuration,
                "\(path)/\(deadlineFile) is missing, so it is unknown how long the previous bag is accepted; remove the "
                    + "bag with \"ffsctl keys retire \(name)\"")
        }
        guard bytes.last == UInt8(ascii: "\n"),
            let time = Timestamp(String(decoding: bytes.dropLast(), as: UTF8.self))
        else {
            throw Failure(
                .configuration, "\(path)/\(deadlineFile) must hold one time such as 2026-11-22T00:00:00Z and a newline")
        }
        return time
    }

    private func open() throws(Failure) -> Descriptor {
        let folder = try openDirectory()
        let status = try self.status(of: folder)
        guard status.user == 0 || status.user == SystemUser.effectiveNumber else {
            throw Failure(
                .configuration,
                "the key bag directory \(path) belongs to user \(status.user), who could replace the keys: chown root \(path)"
            )
        }
        guard status.permissions & 0o022 == 0 else {
            throw Failure(
                .configuration,
                "the key bag directory \(path) has mode \(octal(status.permissions)), so others could replace the keys: "
                    + "chmod 0750 \(path)")
        }
        return folder
    }

    private func openDirectory() throws(Failure) -> Descriptor {
        do { return try Descriptor.open(CPath(path), [.read, .directory]) } catch {
            throw error.failure("cannot open the key bag directory (commlink.keybag-directory)", .configuration)
        }
    }

    private func status(of folder: borrowing Descriptor) throws(Failure) -> FileStatus {
        do { return try folder.status() } catch { throw error.failure("cannot look at \(path)", .configuration) }
    }

    private func read(_ name: String) throws(Failure) -> [UInt8]? {
        let folder = try open()
        let place = "\(path)/\(name)"
        let status: FileStatus
        let bytes: [UInt8]?
        do throws(SystemError) {
            let file = try folder.open(CPath(name), [.read, .nonBlocking])
            status = try file.status()
            bytes = status.kind == .file ? try file.readAll(limit: Self.sizeLimit) : []
        } catch {
            switch error.errno {
            case .noEntry: return nil
            case .symbolicLink:
                throw Failure(.configuration, "\(place) is a symbolic link; put the key file itself there")
            case .accessDenied:
                throw Failure(
                    .configuration,
                    "\(place) may not be read by user \(SystemUser.effectiveNumber); give it to the link's group, which has "
                        + "that user as a member: chown root:\(group) \(place); chmod 0640 \(place)")
            default: throw error.failure("cannot read \(place)", .configuration)
            }
        }
        try check(status, place, everyone: try self.status(of: folder).group)
        guard let bytes else { throw Failure(.configuration, "\(place) is too large for a key file") }
        return bytes
    }

    /// Nobody but root, this user and the link's group may know the keys, and nobody but the first two change them.
    /// `everyone`: the directory's group, which lets the users of all links in.
    private func check(_ status: FileStatus, _ place: String, everyone: UInt32) throws(Failure) {
        guard status.kind == .file else {
            throw Failure(.configuration, "\(place) is not a regular file; put a key file there")
        }
        guard status.user == 0 || status.user == SystemUser.effectiveNumber else {
            throw Failure(
                .configuration,
                "\(place) belongs to user \(status.user), who could change it: chown root:\(group) \(place)")
        }
        guard status.permissions & ~0o640 == 0 else {
            throw Failure(
                .configuration,
                "\(place) has mode \(octal(status.permissions)), so others could read or change it: chmod 0640 \(place) "
                    + "(and generate new keys if they may have)")
        }
        guard status.permissions & 0o040 == 0 || status.group != everyone || isTrusted(group: status.group) else {
            throw Failure(
                .configuration,
                "\(place) may be read by the directory's group \(status.group), the users of every link: "
                    + "chown root:\(group) \(place)")
        }
        guard status.links == 1 else {
            throw Failure(
                .configuration,
                "\(place) has \(status.links) names (hard links), so another path leads to the keys; remove the others")
        }
    }

    /// root's group, the link's, and this process's own.
    private func isTrusted(group number: UInt32) -> Bool {
        number == 0 || number == SystemGroup.effectiveNumber || number == SystemGroup(named: group)?.number
    }

    // MARK: Changing

    /// Puts `bag` into an empty slot; throws `exists` when there is one already.
    package func install(_ bag: KeyBag, as slot: Slot) throws(Failure) {
        guard try self.bag(slot) == nil else {
            throw Failure(
                .exists,
                "there is a \(slot.rawValue) key bag for \(name) already (\(path)/\(file(slot))); "
                    + (slot == .current
                        ? "to replace it without a failed transaction: ffsctl keys stage, then activate, then retire"
                        : "activate it, or drop it with \"ffsctl keys retire --next \(name)\""))
        }
        try write(bag, file(slot))
    }

    /// Makes the next bag current, and the current one, if there is one, previous until `deadline`.
    package func activate(previousUntil deadline: Timestamp) throws(Failure) {
        guard let next = try bag(.next) else {
            throw Failure(
                .notFound,
                "no next key bag is staged for \(name); stage one on every host of the link first: "
                    + "ffsctl keys stage \(name)")
        }
        // On a new host there may be none yet.
        if let current = try bag(.current) {
            // The deadline first: a previous bag without one is refused.
            try write(Array("\(deadline)\n".utf8), deadlineFile)
            try write(current, file(.previous))
        }
        try write(next, file(.current))
        try remove(file(.next))
    }

    /// Removes the previous bag, or the next one; throws `not-found` when there is none.
    package func retire(_ slot: Slot) throws(Failure) {
        precondition(slot != .current, "a link without a current bag serves nobody")
        guard try remove(file(slot)) else {
            throw Failure(.notFound, "there is no \(slot.rawValue) key bag for \(name)")
        }
        if slot == .previous { try remove(deadlineFile) }
    }

    /// Removes every bag of these: whoever speaks with one of them is cut off. False when there was none.
    package func removeAll() throws(Failure) -> Bool {
        var removed = false
        for name in Slot.allCases.map(file) + [deadlineFile] { removed = try remove(name) || removed }
        return removed
    }

    /// Writes `bags` where the operator wants a copy, mode 0600, over nothing.
    package static func export(_ bags: KeyBag..., to file: String) throws(Failure) { try export(bags, to: file) }

    package static func export(_ bags: [KeyBag], to file: String) throws(Failure) {
        var bytes = bags.flatMap { $0.serialized() }
        defer { SecretMemory.wipe(&bytes) }
        do throws(SystemError) {
            let descriptor = try Descriptor.open(
                CPath(file), [.write, .create, .exclusive, .noFollow], permissions: 0o600)
            try descriptor.write(bytes)
            try descriptor.sync()
            try descriptor.close()
        } catch { throw error.failure("cannot write the key bag") }
    }

    private func write(_ bag: KeyBag, _ name: String) throws(Failure) {
        var bytes = bag.serialized()
        defer { SecretMemory.wipe(&bytes) }
        try write(bytes, name)
    }

    /// A new file of mode 0640 in the link's group (root's where there is none), complete and on disk before it takes the
    /// name.
    private func write(_ bytes: [UInt8], _ name: String) throws(Failure) {
        let folder = try open()
        // Not a name that a host's bag could have.
        let fresh = CPath("\(name)~")
        do throws(SystemError) {
            do throws(SystemError) { try folder.unlink(fresh) } catch { if error.errno != .noEntry { throw error } }
            let file = try folder.open(fresh, [.write, .create, .exclusive], permissions: 0o600)
            if SystemUser.isRoot { try file.setOwner(user: 0, group: SystemGroup(named: group)?.number ?? 0) }
            try file.write(bytes)
            try file.setPermissions(0o640)
            try file.sync()
            try file.close()
            try folder.rename(fresh, to: folder, CPath(name), ifExists: .replace)
            try folder.sync()
        } catch { throw error.failure("cannot write \(path)/\(name)") }
    }

    /// False when there was no such file.
    @discardableResult
    private func remove(_ name: String) throws(Failure) -> Bool {
        let folder = try open()
        do throws(SystemError) {
            try folder.unlink(CPath(name))
            try folder.sync()
            return true
        } catch {
            if error.errno == .noEntry { return false }
            throw error.failure("cannot remove \(path)/\(name)")
        }
    }
}

private func octal(_ permissions: UInt32) -> String { "0" + String(permissions, radix: 8) }
