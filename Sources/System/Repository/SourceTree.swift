package import FFSModel
import SystemSupport

/// A file or folder that an operator wants to publish: looked through before a byte is copied, so that all that
/// is wrong with it is said at once.
package struct SourceTree: Sendable {
    struct SourceFile: Sendable {
        /// Path in the product.
        let path: RelativePath
        let status: FileStatus
    }

    struct SourceFolder: Sendable {
        /// Empty for the top.
        let path: [UInt8]
        let status: FileStatus
    }

    /// As the operator wrote it.
    package let path: String
    /// The folder, or the one that holds the single file.
    let top: Repository.OpenDirectory
    let files: [SourceFile]
    let folders: [SourceFolder]
    package var fileCount: Int { files.count }
    /// Bytes of all files.
    package let size: Int
    /// Files that have several names in the source, and how many.
    let names: [FileNumber: Int]
    /// Files that only their owner or group may read, and one of them: once published, every customer entitled to it, and
    /// every user of this host, may.
    package let privateFiles: (count: Int, example: String)?

    /// What makes two names one file.
    struct FileNumber: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64

        init(_ status: FileStatus) { (device, inode) = (status.device, status.inode) }
    }

    /// Looks at every file below `path`.
    ///
    /// - Throws: `badRequest` naming up to ten files that cannot be published and why: symbolic links, devices,
    ///   FIFOs, sockets, set-user-id and set-group-id files, names that break the rules of ``RelativePath``.
    package init(path: String) throws(Failure) {
        var scan = SourceScan(source: path)
        let bytes = Array(path.utf8)
        let trimmed = Array(bytes.prefix(1 + (bytes.lastIndex { $0 != UInt8(ascii: "/") } ?? 0)))
        guard let cPath = CPath(bytes: trimmed), !bytes.isEmpty else {
            throw Failure(.badRequest, "the path of the source is empty or holds a NUL byte")
        }
        do { top = try Self.open(trimmed, cPath, &scan) } catch { throw Self.unreadable(bytes, error) }
        try scan.throwProblems()
        self.path = path
        files = scan.files
        folders = scan.folders
        size = scan.size
        var names: [FileNumber: Int] = [:]
        for file in scan.files where file.status.links > 1 { names[FileNumber(file.status), default: 0] += 1 }
        self.names = names
        let closed = scan.files.filter { $0.status.permissions & 0o004 == 0 }
        privateFiles = closed.first.map { (closed.count, printable($0.path.bytes)) }
    }

    /// The source's folders, and every folder above its top up to `/`.
    func foldersAbove() throws(SystemError) -> [FileStatus] {
        var all = folders.map(\.status)
        var current = try top.descriptor.open(".", [.pathOnly, .directory])
        while true {
            let status = try current.status()
            all.append(status)
            let parent = try current.open("..", [.pathOnly, .directory])
            if try parent.status().isSameFile(as: status) { return all }
            current = parent
        }
    }

    /// What to say when the source, or a folder in it, cannot be looked at.
    private static func unreadable(_ path: [UInt8], _ error: SystemError) -> Failure {
        let code: FailureCode =
            switch error.errno {
            case .nameTooLong, .notDirectory, .symbolicLink: .badRequest
            default: error.code
            }
        let shown = shortened(path)
        // What failed may lie below the source.
        let inner = error.path.map { shortened(Array($0.utf8)) }.flatMap { $0 == shown || $0 == "." ? nil : " (\($0))" }
        let remedy = error.remedy.map { "; \($0)" } ?? ""
        return Failure(code, "cannot read the source \(shown)\(inner ?? ""): \(error.errno)\(remedy)")
    }

    /// A path for a message: the operator knows the start of one that is far too long.
    static func shortened(_ path: [UInt8]) -> String {
        path.count <= 300 ? printable(path) : printable(path.prefix(100)) + "..."
    }

    /// Opens the folder that holds what will be published, and looks through it.
    private static func open(
        _ bytes: [UInt8], _ path: CPath, _ scan: inout SourceScan
    ) throws(SystemError) -> Repository.OpenDirectory {
        let status = try Descriptor.open(path, [.pathOnly, .noFollow]).status()
        switch status.kind {
        case .directory:
            let top = try Descriptor.open(path, [.read, .directory])
            try scan.walk(top)
            return Repository.OpenDirectory(top)
        case .file:
            let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
            let parent = slash.map { $0 == 0 ? bytes[...0] : bytes[..<$0] }
            scan.look(at: slash.map { Array(bytes[($0 + 1)...]) } ?? bytes, status)
            let folder = try Descriptor.open(parent.flatMap { CPath(bytes: $0) } ?? ".", [.read, .directory])
            try scan.refuseKernelFiles(in: folder, bytes, device: status.device)
            return Repository.OpenDirectory(folder)
        default:
            scan.refuse(bytes, status.kind == .symbolicLink ? "a symbolic link; name its target" : status.kind.noun)
            return Repository.OpenDirectory(try Descriptor.open(".", [.pathOnly, .directory]))
        }
    }

    /// Throws when a folder gained or lost entries since it was looked at.
    func checkFoldersUnchanged() throws(Failure) {
        for folder in folders {
            let now: FileStatus?
            do throws(SystemError) {
                let path = CPath(bytes: folder.path.isEmpty ? [UInt8(ascii: ".")] : folder.path) ?? "."
                now = try top.descriptor.open(path, [.pathOnly, .directory], rules: [.beneath, .noSymbolicLinks])
                    .status()
            } catch { now = nil }
            guard let now, now.isSameFile(as: folder.status), now.modified == folder.status.modified else {
                throw Self.changed("folder", folder.path.isEmpty ? path : printable(folder.path))
            }
        }
    }

    static func changed(_ noun: String, _ path: String) -> Failure {
        Failure(
            .badRequest,
            "the \(noun) \(path) changed while it was published; nothing was published: let it come to rest and repeat")
    }
}

/// The walk of a source tree.
private struct SourceScan {
    let source: String
    var files: [SourceTree.SourceFile] = []
    var folders: [SourceTree.SourceFolder] = []
    var size = 0
    private var problems: [String] = []
    private var problemCount = 0
    private let mayReadAll = SystemUser.isRoot
    /// The file systems met so far, with their name where they are the kernel's own.
    private var devices: [UInt64: String?] = [:]

    init(source: String) { self.source = source }

    mutating func refuse(_ path: some Sequence<UInt8>, _ reason: String) {
        problemCount += 1
        if problems.count < 10 { problems.append("\(SourceTree.shortened(Array(path))) is \(reason)") }
    }

    func throwProblems() throws(Failure) {
        guard problemCount == 0 else {
            let more = problemCount > problems.count ? "; and \(problemCount - problems.count) more" : ""
            throw Failure(
                .badRequest,
                "\(printable(source.utf8)) cannot be published: \(problems.joined(separator: "; "))\(more)")
        }
        guard !files.isEmpty else { throw Failure(.badRequest, "\(source) cannot be published: it holds no files") }
    }

    /// Breadth first; each folder is opened by its path below the top, with no symbolic link on the way.
    mutating func walk(_ top: borrowing Descriptor) throws(SystemError) {
        var queue: [[UInt8]] = [[]]
        var next = 0
        while next < queue.count {
            let path = queue[next]
            queue[next] = []
            next += 1
            guard path.count < 4096 else {
                refuse(path, "deeper than 4,095 bytes of path")
                continue
            }
            let place = CPath(bytes: path.isEmpty ? [UInt8(ascii: ".")] : path) ?? "."
            let folder = try top.open(place, [.read, .directory], rules: [.beneath, .noSymbolicLinks])
            let own = try folder.status()
            folders.append(SourceTree.SourceFolder(path: path, status: own))
            guard try !refuseKernelFiles(in: folder, path, device: own.device) else { continue }
            for entry in try folder.entries() {
                let child = path.isEmpty ? entry.name.bytes : path + [UInt8(ascii: "/")] + entry.name.bytes
                let status = try folder.status(of: entry.name)
                switch status.kind {
                case .directory: queue.append(child)
                // For others than root a question each is cheap beside a late surprise.
                case .file where !mayReadAll && !folder.canRead(entry.name):
                    refuse(child, "unreadable for this user")
                default: look(at: child, status)
                }
            }
        }
    }

    /// Whether a folder lies on a file system of the kernel's own, whose files are not what they seem: empty until they
    /// are read, and other each time.
    @discardableResult
    mutating func refuseKernelFiles(
        in folder: borrowing Descriptor, _ path: [UInt8], device: UInt64
    ) throws(SystemError) -> Bool {
        if let known = devices[device] {
            if let known { refuse(path, "on the kernel's own file system \(known)") }
            return known != nil
        }
        let kind = try folder.space().kernelName
        devices[device] = .some(kind)
        if let kind { refuse(path, "on the kernel's own file system \(kind)") }
        return kind != nil
    }

    mutating func look(at path: [UInt8], _ status: FileStatus) {
        guard status.kind == .file else { return refuse(path, status.kind.noun) }
        guard status.permissions & 0o6000 == 0 else {
            return refuse(path, "set-user-id or set-group-id (chmod ug-s removes that)")
        }
        do {
            files.append(SourceTree.SourceFile(path: try RelativePath(bytes: path), status: status))
            size += status.size
        } catch { refuse(path, "badly named (\(error))") }
    }
}
