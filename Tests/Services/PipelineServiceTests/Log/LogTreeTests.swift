import Events
import FFSModel
import Pipeline
import TestSupport
import Testing
import Transparency

@testable import PipelineService

/// Checkpoints, witnesses, receipts; a log that was restored, rewritten, cut.
@Suite struct LogTreeTests {
    private static func fill(_ harness: LogHarness, _ host: inout TestProducer, _ count: Int) async throws {
        _ = try await harness.log.ingest(host.batch((0..<count).map { download(order: UInt64($0) + host.mark.offset) }))
    }

    private static func cosigner(_ name: String, _ first: UInt8) throws -> NoteSigner {
        try NoteSigner(name: name, kind: .cosignature, seed: [UInt8](first..<first + 32))
    }

    /// A host's turn: sees the newest checkpoint, checks it, and cosigns it.
    private static func visit(_ log: LogDatabase, _ signer: NoteSigner, _ memory: inout Witness, _ key: NoteKey)
        async throws
    {
        let host = try NodeName(signer.key.name)
        let answer = try await log.witness(signer.key, of: host, seen: nil, cosignature: nil)
        let note = SignedNote(text: answer.checkpoint.note.text, signatures: [answer.checkpoint.note.signatures[0]])
        let (old, new) = (memory.seen?.size ?? 0, answer.checkpoint.checkpoint.size)
        let proof = try await log.store.read { db in
            try TreeReader { try db.tile($0) }.consistency(from: old, to: new)
        }
        _ = try memory.accept(note, key: key, proof: memory.seen == nil ? [] : proof)
        _ = try await log.witness(
            signer.key, of: host, seen: note, cosignature: try signer.sign(note.text, at: 1_795_564_800))
    }

    private static func key(_ harness: LogHarness) async throws -> NoteKey {
        try harness.log.key.signer(origin: try await harness.head().origin).key
    }

    @Test func checkpointsAreSignedOnceForASize() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        try await Self.fill(harness, &host, 300)
        let first = try await harness.log.checkpoint()
        #expect(first.checkpoint.size == 301)
        #expect(try await Self.key(harness).hasSigned(first.note))
        #expect(try await harness.log.checkpoint() == first)
        // The root is that of the rows, not of whatever stands in the tiles.
        let leaves = try await harness.leaves()
        var tree = TileAppender(size: 0) { _ in [] }
        for leaf in leaves { tree.append(TreeHashing.leaf(leaf.commitment)) }
        #expect(tree.root == first.checkpoint.root)
        try await Self.fill(harness, &host, 1)
        let second = try await harness.log.checkpoint()
        let answer = try await harness.log.witness(
            try Self.cosigner("storage-1", 0).key, of: "storage-1", seen: first.note, cosignature: nil)
        #expect(answer.checkpoint == second)
        var memory = Witness()
        #expect(try memory.accept(first.note, key: try await Self.key(harness), proof: []) == .begins)
        #expect(try memory.accept(second.note, key: try await Self.key(harness), proof: answer.proof) == .follows)
    }

    /// Somebody exchanges hashes: no other root is ever signed for the size.
    @Test func noSizeGetsASecondRoot() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        try await Self.fill(harness, &host, 3)
        let first = try await harness.log.checkpoint()
        try await harness.log.store.write { db in
            try db.put(TilePlace(level: 0, number: 0), [TreeHash](repeating: first.checkpoint.root, count: 4))
        }
        await #expect(throws: Failure.self) { try await harness.log.checkpoint() }
        // Nor once the rows that say so are gone: the file beside the database knows.
        try await harness.sql("DELETE FROM checkpoints")
        await #expect(throws: Failure.self) { try await harness.log.checkpoint() }
    }

    @Test func aRestoredLogIsANewOne() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        try await Self.fill(harness, &host, 3)
        _ = try await harness.log.checkpoint()
        let old = try await harness.head()
        try await harness.reopen { try harness.copy("own/log.sqlite", to: "backup") }
        try await Self.fill(harness, &host, 2)
        let signed = try await harness.log.checkpoint().checkpoint
        try await harness.reopen { try harness.copy("backup", to: "own/log.sqlite") }
        let new = try await harness.head()
        #expect(new.origin != old.origin && new.size == old.size + 1)
        let leaf = try #require(try await harness.leaves { $0.type = "log.origin" }.last)
        let event = try LogRecord(bytes: leaf.body?.record ?? []).event
        #expect(event.digest(.digest) == signed.root && event.integer(.count) == signed.size)
        #expect(event.text(.reason)?.contains(old.origin) == true)
        #expect(harness.lines.text.contains("the log was restored"))
        #expect(try await harness.log.checkpoint().checkpoint.origin == new.origin)
    }

    /// A machine's snapshot takes the file beside the database back as well; the hosts remember.
    @Test func aHostKnowsThatTheLogWasRestored() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        try await Self.fill(harness, &host, 3)
        _ = try await harness.log.checkpoint()
        let names = ["own/log.sqlite", "own/log.signed"]
        try await harness.reopen { for name in names { try harness.copy(name, to: name + ".old") } }
        try await Self.fill(harness, &host, 2)
        let seen = try await harness.log.checkpoint()
        try await harness.reopen { for name in names { try harness.copy(name + ".old", to: name) } }
        #expect(try await harness.head().origin == seen.checkpoint.origin)
        let answer = try await harness.log.witness(
            try Self.cosigner("storage-1", 0).key, of: "storage-1", seen: seen.note, cosignature: nil)
        #expect(answer.checkpoint.checkpoint.origin != seen.checkpoint.origin)
        #expect(harness.lines.text.contains("storage-1 has seen a log that is not this one"))
    }

    @Test func receiptsSayWhoHasCosigned() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        try await Self.fill(harness, &host, 5)
        _ = try await harness.log.checkpoint()
        let key = try await Self.key(harness)
        let signers = try [("storage-1", 0), ("storage-2", 40), ("web-1", 80)].map {
            try Self.cosigner($0.0, UInt8($0.1))
        }
        var memories = [Witness(), Witness(), Witness()]
        for place in 0..<3 {
            _ = try await harness.log.witness(
                signers[place].key, of: try NodeName(signers[place].key.name), seen: nil, cosignature: nil)
        }
        try await Self.visit(harness.log, signers[0], &memories[0], key)
        var query = LogQuery()
        query.customer = Array("acme".utf8)
        #expect(try await harness.log.receipts(query).allSatisfy { $0.cosigned == ["storage-1"] && $0.witnesses == 3 })
        try await Self.visit(harness.log, signers[1], &memories[1], key)
        // What comes later does not take the receipts of what came before back to an uncosigned checkpoint.
        try await Self.fill(harness, &host, 1)
        let receipts = try await harness.log.receipts(query)
        #expect(receipts.count == 6)
        for receipt in receipts.prefix(5) {
            #expect(receipt.cosigned == ["storage-1", "storage-2"])
            #expect(try receipt.proof.verified(receipt.leaf.commitment, key: key).size == 6)
            #expect(signers.prefix(2).allSatisfy { $0.key.hasSigned(receipt.proof.checkpoint) })
        }
        #expect(receipts[5].cosigned.isEmpty)
        #expect(try receipts[5].proof.verified(receipts[5].leaf.commitment, key: key).size == 7)
    }

    @Test func hostsCosignUnderTheirOwnNameAndKey() async throws {
        let harness = try await LogHarness()
        let signer = try Self.cosigner("storage-1", 0)
        let seen = try await harness.log.checkpoint().note
        _ = try await harness.log.witness(signer.key, of: "storage-1", seen: nil, cosignature: nil)
        func refusal(
            _ key: NoteKey, _ host: NodeName, _ seen: SignedNote? = nil, _ line: SignedNote.Signature? = nil
        ) async throws -> FailureCode {
            do {
                _ = try await harness.log.witness(key, of: host, seen: seen, cosignature: line)
                return .internal
            } catch { return error.code }
        }
        #expect(try await refusal(signer.key, "storage-2") == .denied)
        #expect(try await refusal(try Self.cosigner("storage-1", 9).key, "storage-1") == .denied)
        let other = try Self.cosigner("storage-1", 9).sign(seen.text, at: 4)
        #expect(try await refusal(signer.key, "storage-1", seen, other) == .badRequest)
        // A checkpoint that this log's key has not signed.
        var forged = seen
        forged.signatures[0] = .init(
            name: forged.signatures[0].name, keyID: forged.signatures[0].keyID, bytes: [UInt8](repeating: 1, count: 64))
        #expect(try await refusal(signer.key, "storage-1", forged) == .corrupt)
        #expect(harness.lines.text.contains("forged checkpoint"))
        #expect(try await harness.log.newest().witnesses.isEmpty)
    }

    @Test func retentionCutsBodiesAndTheTreeStaysWhole() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        try await Self.fill(harness, &host, 4)
        _ = try await harness.log.ingest(host.batch([download("zeta")]))
        let before = try await harness.log.checkpoint().checkpoint
        #expect(try await harness.log.erase(customer: "zeta", by: "uid 0") == 1)
        #expect(try await harness.leaves { $0.customer = Array("zeta".utf8) }.isEmpty)
        #expect(try await harness.log.retain(before: Timestamp(seconds: 1_795_564_800), by: "uid 0") == 4)
        let leaves = try await harness.leaves()
        let cut = leaves.filter { $0.columns.type == "download.completed" }
        #expect(cut.count == 5 && cut.allSatisfy { $0.body == nil && $0.person == nil && $0.flaw == nil })
        var tree = TileAppender(size: 0) { _ in [] }
        for leaf in leaves.prefix(Int(before.size)) { tree.append(TreeHashing.leaf(leaf.commitment)) }
        #expect(tree.root == before.root)
        let said = leaves.filter { $0.columns.type == "log.retained" }
        #expect(said.count == 2 && said.allSatisfy { $0.body != nil })
        // Nothing is left to cut, and nothing is said of it.
        #expect(try await harness.log.retain(before: Timestamp(seconds: 1_795_564_800), by: "uid 0") == 0)
        #expect(try await harness.leaves().count == leaves.count)
    }
}
