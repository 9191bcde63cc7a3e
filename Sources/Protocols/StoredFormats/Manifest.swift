package import FFSModel

/// The files of one product version. Canonical: equal contents give equal bytes, so a manifest has one digest.
/// Format 1, docs/formats.md:
///
///     ffs-manifest 1 2 812
///     9f86d081…0f00a08 800 - bin/readme.txt
///     60303ae2…1698bc2 12 x bin/run
///
/// The first line holds the format's number, the number of files and the sum of their sizes. Then one line a file:
/// SHA-256, size in bytes, `x` when the source was executable (else `-`), and the escaped path; sorted by the
/// path's bytes. In a path `\` is `\\` and a byte outside printable ASCII is `\xhh`.
///
/// Stored flat, because a manifest may hold a million files: one array of rows and one of path bytes in which
/// each path ends with a NUL, ready for system calls.
package struct Manifest: Sendable, Hashable {
    package struct Row: Sendable, Hashable {
        package let digest: ContentDigest
        package let size: Int
        package let isExecutable: Bool
        /// Where the path starts in ``Manifest/pathBytes``, and its length without the NUL.
        package let pathOffset: Int
        package let pathLength: Int

        package static func == (a: Row, b: Row) -> Bool {
            a.digest == b.digest && a.size == b.size && a.isExecutable == b.isExecutable
                && a.pathOffset == b.pathOffset && a.pathLength == b.pathLength
        }
    }

    /// One file, for those who build a manifest.
    package struct File: Sendable, Hashable {
        package let path: RelativePath
        package let digest: ContentDigest
        package let size: Int
        package let isExecutable: Bool

        package init(path: RelativePath, digest: ContentDigest, size: Int, isExecutable: Bool) {
            self.path = path
            self.digest = digest
            self.size = size
            self.isExecutable = isExecutable
        }
    }

    package private(set) var rows: [Row] = []
    package private(set) var pathBytes: [UInt8] = []
    /// Sum of all sizes.
    package private(set) var totalSize = 0

    /// A manifest of more files than this is refused.
    package static let fileLimit = 10_000_000

    /// Throws when there is no file, when two have one path, or when one file's path is another's folder.
    package init(files: [File]) throws(ManifestError) {
        for file in files.sorted(by: { $0.path < $1.path }) {
            try append(
                path: file.path.bytes[...], digest: file.digest, size: file.size, isExecutable: file.isExecutable,
                line: rows.count + 2)
        }
        try checkWhole()
    }

    package init(bytes: [UInt8]) throws(ManifestError) { self = try Self.parse(bytes) }

    /// For the parser, which appends and then calls ``checkWhole()``.
    init(reserving files: Int, pathBytes count: Int) {
        rows.reserveCapacity(files)
        pathBytes.reserveCapacity(count)
    }

    mutating func append(
        path: ArraySlice<UInt8>, digest: ContentDigest, size: Int, isExecutable: Bool, line: Int
    ) throws(ManifestError) {
        let offset = pathBytes.count
        if let last = rows.last {
            let previous = pathBytes[last.pathOffset..<last.pathOffset + last.pathLength]
            guard previous.lexicographicallyPrecedes(path) else {
                throw ManifestError("paths are not in byte order, or one appears twice", line: line)
            }
        }
        let (sum, overflow) = totalSize.addingReportingOverflow(size)
        guard size >= 0, !overflow else { throw ManifestError("sizes overflow", line: line) }
        totalSize = sum
        pathBytes.append(contentsOf: path)
        pathBytes.append(0)
        rows.append(
            Row(
                digest: digest, size: size, isExecutable: isExecutable, pathOffset: offset, pathLength: path.count))
    }

    /// What can only be seen once all rows are there.
    func checkWhole() throws(ManifestError) {
        guard !rows.isEmpty else { throw ManifestError("there are no files", line: 1) }
        guard rows.count <= Self.fileLimit else { throw ManifestError("there are too many files", line: 1) }
        try checkNoFileIsFolder()
    }

    /// A file `a` and a file `a/b` cannot both be. Byte order puts `a-b` between them, so neighbours do not tell.
    private func checkNoFileIsFolder() throws(ManifestError) {
        var folders: Set<ArraySlice<UInt8>> = []
        var last: ArraySlice<UInt8> = []
        for row in rows {
            let path = pathBytes[row.pathOffset..<row.pathOffset + row.pathLength]
            guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { continue }
            var folder = path[..<slash]
            if folder.elementsEqual(last) { continue }
            last = folder
            while folders.insert(folder).inserted, let up = folder.lastIndex(of: UInt8(ascii: "/")) {
                folder = folder[..<up]
            }
        }
        guard !folders.isEmpty else { return }
        for (index, row) in rows.enumerated() {
            if folders.contains(pathBytes[row.pathOffset..<row.pathOffset + row.pathLength]) {
                throw ManifestError("a file has the name of a folder", line: index + 2)
            }
        }
    }

    /// The path of `row`, without its NUL.
    package func path(of row: Row) -> ArraySlice<UInt8> {
        pathBytes[row.pathOffset..<row.pathOffset + row.pathLength]
    }

    /// The row with its path.
    package func file(at index: Int) -> File {
        let row = rows[index]
        // Every path went through the rules of RelativePath on its way in.
        let path = (try? RelativePath(bytes: path(of: row))) ?? Self.unreachablePath
        return File(path: path, digest: row.digest, size: row.size, isExecutable: row.isExecutable)
    }

    private static var unreachablePath: RelativePath { preconditionFailure("a manifest holds a bad path") }
}

/// Why bytes are not a manifest, or files cannot make one.
package struct ManifestError: Error, Sendable, Hashable, CustomStringConvertible {
    package let reason: String
    /// 1-based line of the manifest.
    package let line: Int

    init(_ reason: String, line: Int) {
        self.reason = reason
        self.line = line
    }

    package var description: String { "manifest line \(line): \(reason)" }
}
