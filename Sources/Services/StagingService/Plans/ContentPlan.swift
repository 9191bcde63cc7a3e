import FFSModel
import Repository
import Requests
import StoredFormats
import Synchronization
import SystemSupport

/// One product version, ready to be linked any number of times: the manifest flattened into C strings, folders in
/// parent-first order, files grouped by folder, and for each object the replica in use and its links.
///
/// Immutable but for the counters, which are atomic; shared by all building threads.
final class ContentPlan: Sendable {
    struct Folder: Sendable {
        /// Offset of the C string, relative to the product's folder; the top is empty.
        let path: Int
        /// Its files in `files`.
        let files: Range<Int>
    }

    /// Eight bytes, as there may be millions.
    struct File: Sendable {
        /// Offset of the file name's C string.
        let name: UInt32
        /// Number of its object; -1 for an empty file, which is created.
        let object: Int32
    }

    let item: Item
    /// SHA-256 of the manifest: the content.
    let manifest: ContentDigest
    let fileCount: Int
    /// Bytes of all files.
    let bytes: Int
    /// The index entry: while its inode is the one in the index, the plan is current.
    let entry: FileStatus
    /// Keeps that inode from being reused.
    private let opened: Descriptor
    let folders: [Folder]
    let files: [File]
    let objects: ObjectSlots
    /// C strings of `folders` and `files`.
    let strings: CStringArena
    /// Number in `objects` of this version's own SHA256SUMS, used when an account holds nothing else.
    let sums: Int
    /// What replies list.
    let listing: [StagedFile]

    /// - Throws: `corrupt` when the manifest is damaged or an object is missing or of the wrong size.
    init(
        item: Item, opened: consuming Descriptor, manifest: Manifest, digest: ContentDigest,
        sumsDigest: ContentDigest, repository: Repository
    ) throws(Failure) {
        self.item = item
        self.manifest = digest
        fileCount = manifest.rows.count
        bytes = manifest.totalSize
        do { entry = try opened.status() } catch { throw error.failure("cannot look at the manifest") }
        self.opened = opened
        var layout = PlanLayout(manifest: manifest)
        sums = layout.object(sumsDigest, size: 0)
        folders = layout.folders
        files = layout.files
        strings = CStringArena(layout.strings)
        objects = try ObjectSlots(layout.digests, sizes: layout.sizes, of: item, in: repository)
        listing = Self.listing(
            of: manifest.rows.indices.lazy.prefix(StagedAccount.listedFiles).map(manifest.file), in: item.folder)
    }

    /// The first files relative to the account's root, as many as fit a reply: a document may have 1 MiB.
    static func listing(of files: some Sequence<Manifest.File>, in folder: String) -> [StagedFile] {
        var listed: [StagedFile] = []
        var room = 700_000
        for file in files {
            // `&quot;` and `&#x10FFFF;` are the longest stand-ins for one byte of plain and of other text.
            let specials = file.path.bytes.count { !$0.isASCIILetterOrDigit && !"-._/ ".utf8.contains($0) }
            room -= 200 + folder.utf8.count + file.path.bytes.count + 9 * specials
            guard room > 0, let path = try? RelativePath(bytes: Array("\(folder)/".utf8) + file.path.bytes) else {
                break
            }
            listed.append(StagedFile(path: path, size: file.size, digest: file.digest))
        }
        return listed
    }
}

/// C strings in one block, at fixed addresses for as long as this lives.
final class CStringArena: @unchecked Sendable {
    // Sendable: the bytes are written once, in init, before anyone else can see them, and only read after.
    private let bytes: UnsafeMutablePointer<CChar>

    init(_ content: [UInt8]) {
        bytes = .allocate(capacity: max(content.count, 1))
        for (index, byte) in content.enumerated() { (bytes + index).initialize(to: CChar(bitPattern: byte)) }
    }

    deinit { bytes.deallocate() }

    /// Valid as long as the arena is referenced.
    subscript(offset: Int) -> UnsafePointer<CChar> { UnsafePointer(bytes + offset) }
}

/// Turns the manifest's sorted rows into folders and files.
private struct PlanLayout {
    private(set) var folders: [ContentPlan.Folder] = []
    private(set) var files: [ContentPlan.File] = []
    private(set) var strings: [UInt8] = []
    private(set) var digests: [ContentDigest] = []
    private(set) var sizes: [Int] = []
    private var objectNumbers: [ContentDigest: Int] = [:]

    init(manifest: Manifest) {
        let slash = UInt8(ascii: "/")
        var numbers: [ArraySlice<UInt8>: Int] = [[]: 0]
        var paths: [ArraySlice<UInt8>] = [[]]
        var members: [[Int]] = [[]]
        var last = (path: ArraySlice<UInt8>(), number: 0)
        for (row, entry) in manifest.rows.enumerated() {
            let path = manifest.path(of: entry)
            let folder = path.lastIndex(of: slash).map { path[..<$0] } ?? []
            if !folder.elementsEqual(last.path) {
                // Parents get their numbers first, so that mkdir(2) in order of number always finds them.
                for end in folder.indices where folder[end] == slash {
                    _ = Self.number(folder[..<end], &numbers, &paths, &members)
                }
                last = (folder, Self.number(folder, &numbers, &paths, &members))
            }
            members[last.number].append(row)
        }
        objectNumbers.reserveCapacity(manifest.rows.count)
        files.reserveCapacity(manifest.rows.count)
        strings.reserveCapacity(manifest.pathBytes.count)
        for (number, path) in paths.enumerated() {
            let start = files.count
            for row in members[number] { append(manifest.rows[row], manifest) }
            folders.append(ContentPlan.Folder(path: string(path), files: start..<files.count))
        }
    }

    private static func number(
        _ folder: ArraySlice<UInt8>, _ numbers: inout [ArraySlice<UInt8>: Int], _ paths: inout [ArraySlice<UInt8>],
        _ members: inout [[Int]]
    ) -> Int {
        if let known = numbers[folder] { return known }
        numbers[folder] = paths.count
        paths.append(folder)
        members.append([])
        return paths.count - 1
    }

    private mutating func string(_ bytes: ArraySlice<UInt8>) -> Int {
        let offset = strings.count
        strings.append(contentsOf: bytes)
        strings.append(0)
        return offset
    }

    private mutating func append(_ row: Manifest.Row, _ manifest: Manifest) {
        let path = manifest.path(of: row)
        let name = path.lastIndex(of: UInt8(ascii: "/")).map { path[($0 + 1)...] } ?? path
        let number = row.size == 0 ? -1 : object(row.digest, size: row.size)
        // A manifest of 512 MiB cannot hold more of either.
        files.append(ContentPlan.File(name: UInt32(string(name)), object: Int32(number)))
    }

    /// The number of an object, which several files may share. Size 0: not known.
    mutating func object(_ digest: ContentDigest, size: Int) -> Int {
        if let known = objectNumbers[digest] { return known }
        objectNumbers[digest] = digests.count
        digests.append(digest)
        sizes.append(size)
        return digests.count - 1
    }
}
