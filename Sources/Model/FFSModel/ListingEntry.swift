/// One name of a directory, with what listings show of it.
package struct ListingEntry: Sendable {
    package enum Kind: Sendable, Hashable {
        case file, directory
        /// `.` and `..` of MLSD.
        case current, parent
    }

    package var name: [UInt8]
    package var kind: Kind
    package var size: UInt64
    package var modified: Timestamp
    /// Permission bits, 0 to 0o777.
    package var mode: UInt16
    package var digest: ContentDigest?

    package init(
        name: [UInt8], kind: Kind, size: UInt64, modified: Timestamp, mode: UInt16, digest: ContentDigest? = nil
    ) {
        self.name = name
        self.kind = kind
        self.size = size
        self.modified = modified
        self.mode = mode
        self.digest = digest
    }

    package var isDirectory: Bool { kind != .file }
}
