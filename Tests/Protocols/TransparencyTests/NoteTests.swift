import FFSModel
import Testing
import Transparency

@Suite struct NoteTests {
    private let log: NoteSigner
    private let witness: NoteSigner

    init() throws {
        log = try NoteSigner(name: "ffs.test/log", kind: .note, seed: [UInt8](0..<32))
        witness = try NoteSigner(name: "storage-1", kind: .cosignature, seed: [UInt8](32..<64))
    }

    private func signed(_ checkpoint: Checkpoint, by signer: NoteSigner? = nil) throws -> SignedNote {
        SignedNote(text: checkpoint.text, signatures: [try (signer ?? log).sign(checkpoint.text)])
    }

    private static let one = Checkpoint(origin: "ffs.test/log", size: 1, root: TreeHashing.leaf([]))

    /// Made with another implementation of Ed25519 (Python's cryptography).
    @Test func goldenBytes() throws {
        var note = try signed(Self.one)
        note.signatures.append(try witness.sign(note.text, at: 1_795_564_800))
        #expect(log.key.description == "ffs.test/log+c4f7f059+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4")
        let golden = """
            ffs.test/log
            1
            bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=

            — ffs.test/log xPfwWZ3f52gZHiYlBtravQPxi9EeEUjjJfJp7cwpIUpmms73v+uax4VIwBI7smpxTQeKo3vKixF2DQ7qC2DE/U8NQwg=
            — storage-1 tzqaGQAAAABrBiUAe7mzJ7jEmddSKd1osw96YPFJcnhpsVwXSGkm50qyUKr00cV5WmwLCg8F5baLl6+/ayVA4f3CQNCVc/5JQLrICQ==

            """
        #expect(String(decoding: note.bytes, as: UTF8.self) == golden)
        #expect(try SignedNote(bytes: note.bytes) == note)
        #expect(log.key.hasSigned(note) && witness.key.time(in: note) == 1_795_564_800)
        #expect(try NoteKey(log.key.description) == log.key && NoteKey(witness.key.description) == witness.key)
    }

    @Test func whatIsNoNoteIsRefused() throws {
        let note = try signed(Self.one).bytes
        for length in 0..<note.count {
            #expect(throws: (any Error).self) { try SignedNote(bytes: Array(note.prefix(length))) }
        }
        for text in ["", "\n", "a\n\n", "a\n\nb\n", "a\n\n— x\n", "a\n\n— x AA==\n", "a\n\n— x+y AAAAAAA=\n"] {
            #expect(throws: TransparencyError.note) { try SignedNote(bytes: Array(text.utf8)) }
        }
        #expect(throws: TransparencyError.note) { try SignedNote(bytes: note + [0xFF, 0x0A]) }
        #expect(throws: TransparencyError.key) { try NoteKey("a+00000000+" + log.key.description.suffix(44)) }
        for text in ["o\n1\nAA==\n", "o\n01\n", "o\n1\n", "", "o p\n1\n" + "A" + "\n"] {
            #expect(throws: TransparencyError.checkpoint) { try Checkpoint(text: Array(text.utf8)) }
        }
    }

    @Test func aSignatureIsItsKeysAlone() throws {
        let note = try signed(Self.one)
        let other = try NoteSigner(name: "ffs.test/log", kind: .note, seed: [UInt8](1..<33))
        #expect(!other.key.hasSigned(note))
        // Another key's signature under this key's name and id.
        var forged = note
        let stolen = try other.sign(note.text)
        forged.signatures = [.init(name: log.key.name, keyID: log.key.id, bytes: stolen.bytes)]
        #expect(!log.key.hasSigned(forged))
        // A cosignature's time is part of what was signed.
        var early = SignedNote(text: note.text, signatures: [try witness.sign(note.text, at: 9)])
        #expect(witness.key.hasSigned(early))
        early.signatures[0] = .init(
            name: "storage-1", keyID: witness.key.id,
            bytes: [0, 0, 0, 0, 0, 0, 0, 8] + early.signatures[0].bytes.dropFirst(8))
        #expect(!witness.key.hasSigned(early))
    }

    /// A host that has seen one story accepts no other.
    @Test func aWitnessFollowsOneStory() throws {
        var tiles: [TilePlace: [TreeHash]] = [:]
        var appender = TileAppender(size: 0) { _ in [] }
        for number in UInt8(0)..<9 { appender.append(TreeHashing.leaf([number])) }
        for tile in appender.takeChanged() { tiles[tile.place] = tile.hashes }
        let reader = TreeReader { [tiles] in tiles[$0] ?? [] }
        func head(_ size: UInt64) throws -> Checkpoint {
            Checkpoint(origin: "ffs.test/log", size: size, root: try reader.root(size: size))
        }
        var host = Witness()
        #expect(try host.accept(try signed(head(5)), key: log.key, proof: []) == .begins)
        #expect(
            try host.accept(try signed(head(9)), key: log.key, proof: try reader.consistency(from: 5, to: 9))
                == .follows)
        let before = host
        let other = try NoteSigner(name: "ffs.test/log", kind: .note, seed: [UInt8](1..<33))
        #expect(throws: Witness.Refusal.forged) {
            try host.accept(try signed(head(9), by: other), key: log.key, proof: [])
        }
        #expect(throws: Witness.Refusal.older) { try host.accept(try signed(head(8)), key: log.key, proof: []) }
        let rewritten = Checkpoint(origin: "ffs.test/log", size: 9, root: TreeHashing.hash([1]))
        #expect(throws: Witness.Refusal.rewritten) { try host.accept(try signed(rewritten), key: log.key, proof: []) }
        let longer = Checkpoint(origin: "ffs.test/log", size: 10, root: TreeHashing.hash([1]))
        #expect(throws: Witness.Refusal.rewritten) {
            try host.accept(try signed(longer), key: log.key, proof: try reader.consistency(from: 5, to: 9))
        }
        #expect(host == before)
    }

    @Test func aProofStandsByItself() throws {
        let commitments = (UInt8(0)..<5).map {
            TreeHashing.commitment(salt: [UInt8](repeating: $0, count: 32), record: [$0])
        }
        var tiles: [TilePlace: [TreeHash]] = [:]
        var appender = TileAppender(size: 0) { _ in [] }
        for commitment in commitments { appender.append(TreeHashing.leaf(commitment)) }
        for tile in appender.takeChanged() { tiles[tile.place] = tile.hashes }
        let reader = TreeReader { [tiles] in tiles[$0] ?? [] }
        let head = Checkpoint(origin: "ffs.test/log", size: 5, root: appender.root)
        let proof = LogProof(index: 3, path: try reader.inclusion(of: 3, size: 5), checkpoint: try signed(head))
        let read = try LogProof(bytes: proof.bytes)
        #expect(read == proof)
        #expect(try read.verified(commitments[3], key: log.key) == head)
        #expect(throws: TransparencyError.proof) { try read.verified(commitments[2], key: log.key) }
        let other = try NoteSigner(name: "ffs.test/log", kind: .note, seed: [UInt8](1..<33))
        #expect(throws: TransparencyError.signature) { try read.verified(commitments[3], key: other.key) }
        for length in 0..<proof.bytes.count {
            #expect(throws: (any Error).self) { try LogProof(bytes: Array(proof.bytes.prefix(length))) }
        }
    }
}
