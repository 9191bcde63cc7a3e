import FFSModel
package import StoredFormats
import SystemSupport

/// A folder as its account's index has it, read piece by piece. One thread at a time.
package struct IndexedFolder {
    private let file: OpenFile
    /// Where what was not yet read is.
    private var rest: Range<Int>

    private static let piece = 65_536

    /// nil when the index has no such folder, or is damaged.
    init?(_ path: [UInt8], in file: OpenFile) {
        self.file = file
        guard let head = Self.read(file, 0..<TreeIndex.headSize),
            let count = try? TreeIndex.folders(head: head)
        else {
            return nil
        }
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            guard let record = Self.read(file, TreeIndex.record(middle)),
                let folder = try? TreeIndex.folder(record: record, size: Int(file.size)),
                let found = folder.path.isEmpty ? [UInt8]() : Self.read(file, folder.path)
            else { return nil }
            if found == path {
                rest = folder.block
                return
            }
            if found.lexicographicallyPrecedes(path) { low = middle + 1 } else { high = middle }
        }
        return nil
    }

    /// Calls `body` for the next some hundred entries; false once there are no more. Throws when the index is damaged.
    package mutating func next(_ body: (TreeIndex.Listed) -> Void) throws(TreeIndex.Damaged) -> Bool {
        guard !rest.isEmpty else { return false }
        guard let bytes = Self.read(file, rest.prefix(Self.piece)) else { throw TreeIndex.Damaged() }
        let used = try bytes.withUnsafeBufferPointer { bytes throws(TreeIndex.Damaged) in
            try TreeIndex.forEach(in: bytes, body)
        }
        guard used > 0 else { throw TreeIndex.Damaged() }
        rest = rest.lowerBound + used..<rest.upperBound
        return true
    }

    private static func read(_ file: OpenFile, _ range: Range<Int>) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: range.count)
        let got = bytes.withUnsafeMutableBytes {
            try? file.descriptor.read(into: $0, at: range.lowerBound)
        }
        return got == range.count ? bytes : nil
    }
}
