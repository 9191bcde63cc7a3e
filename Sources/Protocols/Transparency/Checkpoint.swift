import FFSModel

/// A C2SP checkpoint: how large a log was, and its root at that size.
package struct Checkpoint: Sendable, Hashable {
    /// The log's name, different for each log that ever was.
    package let origin: String
    package let size: UInt64
    package let root: TreeHash

    package init(origin: String, size: UInt64, root: TreeHash) {
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// Throws `checkpoint` for a text of other lines; lines behind the third are left to those who know them.
    package init(text: [UInt8]) throws(TransparencyError) {
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count >= 4, let origin = String(validating: lines[0], as: UTF8.self), SignedNote.isName(origin),
            let number = String(validating: lines[1], as: UTF8.self), let size = UInt64(number), "\(size)" == number,
            let bytes = Base64.decode(Array(lines[2])), let root = TreeHash(bytes: bytes)
        else { throw .checkpoint }
        self.init(origin: origin, size: size, root: root)
    }

    /// The three lines that are signed.
    package var text: [UInt8] {
        Array("\(origin)\n\(size)\n".utf8) + Base64.encode(root.bytes) + [UInt8(ascii: "\n")]
    }
}

/// What a host remembers of a log so that it will not be told two stories: the last checkpoint it has cosigned.
package struct Witness: Sendable, Hashable {
    package private(set) var seen: Checkpoint?

    package init(seen: Checkpoint? = nil) { self.seen = seen }

    package enum Refusal: Error, Sendable, Hashable {
        /// Not a checkpoint signed by the log's key.
        case forged
        /// The log is smaller than it was: it was restored, or cut.
        case older
        /// The log is not what it was, with more behind it: it was rewritten.
        case rewritten
    }

    package enum Verdict: Sendable, Hashable {
        case follows
        /// A log of another name, of which nothing was known.
        case begins
    }

    /// Takes a checkpoint that `key` has signed and that goes on from the last one seen. What it accepts must be remembered
    /// (``seen``, on disk) before it is cosigned.
    package mutating func accept(
        _ note: SignedNote, key: NoteKey, proof: [TreeHash]
    ) throws(Refusal) -> Verdict {
        guard key.hasSigned(note), let checkpoint = try? Checkpoint(text: note.text), checkpoint.origin == key.name
        else { throw .forged }
        guard let old = seen, old.origin == checkpoint.origin else {
            seen = checkpoint
            return .begins
        }
        guard old.size <= checkpoint.size else { throw .older }
        guard
            Proof.isConsistent(
                old: (old.size, old.root), new: (checkpoint.size, checkpoint.root), path: proof)
        else { throw .rewritten }
        seen = checkpoint
        return .follows
    }
}

/// A C2SP tlog-proof: that an entry is in a log, for whoever has nothing but this text and the keys.
package struct LogProof: Sendable, Hashable {
    package let index: UInt64
    package let path: [TreeHash]
    package let checkpoint: SignedNote

    package init(index: UInt64, path: [TreeHash], checkpoint: SignedNote) {
        self.index = index
        self.path = path
        self.checkpoint = checkpoint
    }

    private static let format = "c2sp.org/tlog-proof@v1"

    package var bytes: [UInt8] {
        var text = Array("\(Self.format)\nindex \(index)\n".utf8)
        for hash in path { text += Base64.encode(hash.bytes) + [UInt8(ascii: "\n")] }
        return text + [UInt8(ascii: "\n")] + checkpoint.bytes
    }

    /// Throws `proof` or `note` for other bytes.
    package init(bytes: [UInt8]) throws(TransparencyError) {
        let end = UInt8(ascii: "\n")
        guard bytes.count <= 2 * SignedNote.longest,
            let gap = bytes.indices.dropLast().first(where: { bytes[$0] == end && bytes[$0 + 1] == end })
        else { throw .proof }
        let lines = bytes[..<gap].split(separator: end, omittingEmptySubsequences: false)
        guard lines.count >= 2, lines[0].elementsEqual(Self.format.utf8), lines[1].starts(with: "index ".utf8),
            let digits = String(validating: lines[1].dropFirst(6), as: UTF8.self), let index = UInt64(digits),
            "\(index)" == digits
        else { throw .proof }
        var path: [TreeHash] = []
        for line in lines.dropFirst(2) {
            guard path.count < 64, let hash = Base64.decode(Array(line)).flatMap({ TreeHash(bytes: $0) }) else {
                throw .proof
            }
            path.append(hash)
        }
        self.init(index: index, path: path, checkpoint: try SignedNote(bytes: Array(bytes[(gap + 2)...])))
    }

    /// The checkpoint, if `key` has signed it and it holds the entry; throws `signature`, `checkpoint` or `proof`.
    package func verified(_ commitment: TreeHash, key: NoteKey) throws(TransparencyError) -> Checkpoint {
        guard key.hasSigned(checkpoint) else { throw .signature }
        let head = try Checkpoint(text: checkpoint.text)
        guard head.origin == key.name else { throw .checkpoint }
        guard
            Proof.includes(
                TreeHashing.leaf(commitment), at: index, size: head.size, root: head.root, path: path)
        else { throw .proof }
        return head
    }
}
