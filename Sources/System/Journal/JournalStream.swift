import Events
package import FFSModel
package import SystemSupport

/// The owner's side of one journal: a folder of segments, `<id>.open` while somebody writes and `<id>.sealed` after.
///
/// A segment that another process left open is sealed before anything else: none is appended to after a restart. The
/// folder's descriptor is opened once, no link is followed, and nothing that is there is ever opened for writing but a
/// file of our own with one name.
package final class JournalStream: Sendable {
    package let stream: String
    /// Random, made with the folder: two hosts with the same one have a copied folder.
    package let incarnation: ID128
    private let folder: Descriptor
    private let settings: JournalSettings
    private let path: String
    /// Left open by an owner before this one, and still written to: its writer outlives it, as ffsftpd's workers do.
    private let foreign = Monitor<[ID128]>([])

    package init(directory: String, stream: String, settings: JournalSettings) throws(Failure) {
        precondition(JournalHeader.isStream(stream), "a stream's name is letters, digits and hyphens")
        self.stream = stream
        self.settings = settings
        path = "\(directory)/\(stream)"
        do throws(SystemError) {
            let parent = try Descriptor.open(CPath(directory), [.read, .directory])
            folder = try Self.folder(CPath(stream), in: parent)
            // Who could be somebody else's folder's owner could exchange what is in it at any moment.
            guard try folder.status().user == SystemUser.effectiveNumber else {
                throw SystemError("openat", .notPermitted, path: path)
            }
            incarnation = try Self.incarnation(in: folder)
            for entry in try folder.entries() where entry.name.bytes.ends(with: ".new") {
                try folder.unlink(entry.name)
            }
        } catch { throw error.failure("cannot keep a journal in \(directory)/\(stream)", .configuration) }
        let left = try segments(".open")
        foreign.withLock { $0 = left }
        try sealForeign()
    }

    /// Seals what an owner before this one left, as soon as its writers are gone, too: a descriptor from ``create(_:)`` holds
    /// a lock wherever it goes.
    package func sealForeign() throws(Failure) {
        for id in foreign.withLock({ $0 }) where try seal(id, unlessWritten: true) {
            foreign.withLock { $0.removeAll { $0 == id } }
        }
    }

    /// Group and the right of the group to delete come from the directory above, whose set-group-ID bit is set.
    private static func folder(_ name: CPath, in parent: borrowing Descriptor) throws(SystemError) -> Descriptor {
        do throws(SystemError) { return try parent.open(name, [.read, .directory, .noFollow]) } catch {
            guard error.errno == .noEntry else { throw error }
        }
        let folder = try parent.ensureDirectory(name, permissions: 0o770)
        try folder.setPermissions(0o2770)
        try parent.sync()
        return folder
    }

    private static func incarnation(in folder: borrowing Descriptor) throws(SystemError) -> ID128 {
        if let bytes = try folder.readFile("incarnation", limit: 64), let id = ID128(hex: bytes.prefix(32)) {
            return id
        }
        let id = ID128.random()
        do throws(SystemError) {
            try folder.writeFile(
                "incarnation", Array("\(id)\n".utf8), permissions: 0o640, durable: true)
            try folder.sync()
        } catch { throw SystemError(error.call, error.errno, path: "incarnation") }
        return id
    }

    /// A new segment for a writer, on disk with its header, its name and room for all it may hold.
    ///
    /// - Parameter first: records that the owner puts in: what a dead writer had under way.
    package func create(_ first: [[UInt8]] = []) throws(Failure) -> Descriptor {
        let id = ID128.random()
        let full = JournalHeader.length + settings.segmentSize + settings.reserve
        let header = JournalHeader(
            segment: id, incarnation: incarnation, salt: .random(in: 0 ... .max),
            made: SystemClock.nanosecondsSince1970(), stream: stream,
            reserve: UInt64(JournalHeader.length + settings.segmentSize), end: UInt64(full))
        var bytes = header.bytes
        for record in first where (1...Event.longest).contains(record.count) {
            let index = bytes.count
            JournalFrame.append(record, salt: header.salt, to: &bytes)
            JournalFrame.place(UInt64(index), in: &bytes, at: index)
        }
        let draft = CPath("\(id).new")
        do throws(SystemError) {
            let file = try folder.open(
                draft, [.readWrite, .append, .create, .exclusive], permissions: 0o640)
            try file.setPermissions(0o640)
            _ = try file.tryLock()
            _ = try file.preallocate(full)
            try file.write(bytes)
            try file.sync()
            try folder.rename(draft, to: folder, CPath("\(id).open"), ifExists: .refuse)
            try folder.sync()
            return file
        } catch {
            do throws(SystemError) { try folder.unlink(draft) } catch { /* The next start removes it. */  }
            throw error.failure("cannot make a new segment in \(path)")
        }
    }

    /// Ends a segment for good, after its writer's acknowledgement or death: cut behind its last record, unless there is
    /// something else behind it, which whoever forwards it will name as a gap.
    package func seal(_ segment: ID128) throws(Failure) { _ = try seal(segment, unlessWritten: false) }

    /// False when somebody writes to it.
    private func seal(_ segment: ID128, unlessWritten: Bool) throws(Failure) -> Bool {
        let name = CPath("\(segment).open")
        do throws(SystemError) {
            let file = try folder.open(name, [.readWrite, .nonBlocking])
            let status = try file.status()
            guard status.kind == .file, status.links == 1, status.user == SystemUser.effectiveNumber else {
                throw SystemError("openat", .notPermitted, path: name.description)
            }
            if unlessWritten, try !file.tryLock() { return false }
            let end = try SegmentReader.end(of: file, size: status.size)
            try file.truncate(to: end ?? status.size)
            try file.sync()
            try folder.rename(
                name, to: folder, CPath("\(segment).\(end == nil ? "damaged" : "sealed")"), ifExists: .refuse)
            try folder.sync()
            return true
        } catch { throw error.failure("cannot seal segment \(segment) of \(path)") }
    }

    /// The segments whose names end in `suffix`.
    private func segments(_ suffix: String) throws(Failure) -> [ID128] {
        do throws(SystemError) {
            return try folder.entries().compactMap { entry in
                guard entry.name.bytes.ends(with: suffix) else { return nil }
                return ID128(hex: entry.name.bytes.dropLast(suffix.utf8.count))
            }
        } catch { throw error.failure("cannot list \(path)") }
    }
}

extension Collection<UInt8> where Self: BidirectionalCollection {
    fileprivate func ends(with text: String) -> Bool { suffix(text.utf8.count).elementsEqual(text.utf8) }
}
