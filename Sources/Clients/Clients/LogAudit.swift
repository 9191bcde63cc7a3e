import FFSModel
package import Transparency

/// Checks a log entry by entry, with nothing but keys and what is kept: records against commitments and columns, commitments
/// against the roots that were signed, signatures and cosignatures against keys.
package struct LogAudit: Sendable {
    /// What is wrong, and where.
    package struct Finding: Sendable, Hashable {
        /// The entry; nil where it is the whole.
        package let leaf: UInt64?
        package let text: String
    }

    /// Findings that are kept; a log that was exchanged has one for each entry.
    package static let most = 100

    private let key: NoteKey
    private let witnesses: [NoteKey]
    /// By size, the largest first.
    private var checkpoints: [SignedNote]
    private var tree = TileAppender(size: 0) { _ in [] }
    package private(set) var findings: [Finding] = []
    /// How many there are, of all kinds.
    package private(set) var findingCount = 0
    /// Entries whose record was cut.
    package private(set) var cut = 0
    /// Entries that a checkpoint of more than half of the witnesses covers; 0 for none. What follows could have been rewritten.
    package private(set) var covered: UInt64 = 0
    /// Entries that a checkpoint of the log alone covers.
    package private(set) var signed: UInt64 = 0

    /// - Parameters:
    ///   - key: the log's, under any of its names.
    ///   - checkpoints: those that the log shows, and those that hosts have kept.
    package init(key: NoteKey, witnesses: [NoteKey], checkpoints: [SignedNote]) {
        self.key = key
        self.witnesses = witnesses
        self.checkpoints = checkpoints.sorted { Self.size($0) > Self.size($1) }
        checkEmpty()
    }

    private static func size(_ note: SignedNote) -> UInt64 { (try? Checkpoint(text: note.text))?.size ?? 0 }

    package var size: UInt64 { tree.size }

    /// The next entry.
    package mutating func take(_ leaf: LogLeaf) {
        if leaf.leaf != tree.size { find(leaf.leaf, "some are missing before it") }
        if let flaw = leaf.flaw { find(leaf.leaf, flaw) }
        if leaf.body == nil { cut += 1 }
        tree.append(TreeHashing.leaf(leaf.commitment))
        while let note = checkpoints.last, Self.size(note) <= tree.size {
            checkpoints.removeLast()
            check(note)
        }
    }

    /// Checkpoints of nothing, and texts that are none.
    private mutating func checkEmpty() {
        while let note = checkpoints.last, Self.size(note) == 0 {
            checkpoints.removeLast()
            check(note)
        }
    }

    /// - Parameter head: how many entries the log says that it has.
    package mutating func finish(head: UInt64) {
        if head != tree.size { find(nil, "the log says that it has \(head) entries, and has \(tree.size)") }
        for note in checkpoints {
            find(nil, "the checkpoint of \(Self.size(note)) entries is of more than there are: the end was cut off")
        }
        checkpoints = []
    }

    private mutating func check(_ note: SignedNote) {
        guard let checkpoint = try? Checkpoint(text: note.text) else { return find(nil, "a checkpoint cannot be read") }
        let what = "the checkpoint of \(checkpoint.size) entries"
        guard let own = try? NoteKey(name: checkpoint.origin, kind: .note, publicKey: key.publicKey),
            own.hasSigned(note)
        else { return find(nil, "\(what) is forged: the log's key has not signed it") }
        guard checkpoint.root == tree.root else {
            return find(nil, "\(what) has another root than the entries: the log was rewritten before it")
        }
        signed = max(signed, checkpoint.size)
        var cosigned = 0
        for witness in witnesses where note.signatures.contains(where: { $0.name == witness.name }) {
            if witness.hasSigned(note) {
                cosigned += 1
            } else {
                find(nil, "\(what) has a cosignature that is not \(witness.name)'s")
            }
        }
        if 2 * cosigned > witnesses.count { covered = max(covered, checkpoint.size) }
    }

    private mutating func find(_ leaf: UInt64?, _ text: String) {
        findingCount += 1
        if findings.count < Self.most { findings.append(Finding(leaf: leaf, text: text)) }
    }
}
