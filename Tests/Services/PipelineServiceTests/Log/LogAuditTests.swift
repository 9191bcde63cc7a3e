import Clients
import Events
import FFSModel
import Foundation
import GRDB
import Pipeline
import Requests
import TestSupport
import Testing
import Tobj
import Transparency

@testable import PipelineService

/// `ffsctl log verify`, and a verifier of another hand (Tests/Services/PipelineServiceTests/verify.py), over logs that somebody
/// has changed: both name what was done.
@Suite struct LogAuditTests {
    /// A log with a checkpoint at each of two sizes, both cosigned by two of three hosts, and entries behind the second.
    private struct Case {
        let harness: LogHarness
        let keys: [NoteKey]
        let seen: SignedNote

        init() async throws {
            harness = try await LogHarness()
            var host = TestProducer()
            let signers = try ["storage-1", "storage-2", "web-1"].enumerated().map {
                try NoteSigner(
                    name: $0.element, kind: .cosignature, seed: [UInt8](repeating: UInt8($0.offset + 1), count: 32))
            }
            for signer in signers {
                _ = try await harness.log.witness(
                    signer.key, of: try NodeName(signer.key.name), seen: nil, cosignature: nil)
            }
            var last: SignedNote?
            for round in UInt64(0)..<2 {
                _ = try await harness.log.ingest(
                    host.batch((0..<20).map { download("customer-\($0 % 3)", order: 100 * round + $0) }))
                let note = try await harness.log.checkpoint().note
                for signer in signers.prefix(2) {
                    _ = try await harness.log.witness(
                        signer.key, of: try NodeName(signer.key.name), seen: note,
                        cosignature: try signer.sign(note.text, at: 1_795_564_800))
                }
                last = try await harness.log.newest().note
            }
            _ = try await harness.log.ingest(host.batch([download(order: 999)]))
            seen = try #require(last)
            keys = [try await harness.log.publicKey()] + signers.map(\.key)
        }

        /// What the audit finds, through the requests that ffsctl sends.
        func audit(seen: [SignedNote] = []) async throws -> LogAudit {
            var table = RequestTable(daemon: "ffspiped", version: "0", clock: { Timestamp(seconds: 0) })
            harness.log.add(to: &table) { Fees(service: 0, content: 0) }
            let client = LogClient(Transport(table: table))
            let status = try await client.send(LogStatus())
            let notes = try await client.send(LogCheckpoints(limit: 500)).rows.map(\.note)
            var export = LogExport.line(status)
            var audit = LogAudit(
                key: keys[0], witnesses: keys.filter { $0.kind == .cosignature }, checkpoints: notes + seen)
            var query = LogList()
            query.limit = 7
            try await client.pages(of: query) { rows in
                for row in rows {
                    audit.take(row.leaf)
                    export += LogExport.line(row.leaf)
                }
                return true
            }
            audit.finish(head: status.size)
            for note in notes { export += LogExport.line(note) }
            try await verify(export, seen, audit)
            return audit
        }

        /// The verifier of the other hand finds the same, word for word.
        private func verify(_ export: [UInt8], _ seen: [SignedNote], _ audit: LogAudit) async throws {
            let folder = try TemporaryDirectory("verify")
            try Files.write(keys.map(\.description).joined(separator: "\n"), to: folder("keys"))
            var words = ["python3", "\(Project.root)/Tests/Services/PipelineServiceTests/verify.py", folder("keys")]
            for (place, note) in seen.enumerated() {
                try Files.write(note.bytes, to: folder("note-\(place)"))
                words.append(folder("note-\(place)"))
            }
            let result = try await command(words, input: String(decoding: export, as: UTF8.self)).succeeded()
            let own = audit.findings.map { ($0.leaf.map { "entry \($0): " } ?? "") + $0.text }
            let said = result.output.split(separator: "\n").map(String.init)
            #expect(said.dropLast().sorted() == own.sorted())
            #expect(said.last == "covered \(audit.covered) of \(audit.size)")
        }

        /// Signs the tree anew, as somebody who has the log's key can.
        func resign() async throws {
            let all = all
            try await harness.log.store.write { db in
                let leaves = try db.leaves(all)
                var tree = TileAppender(size: 0) { _ in [] }
                for leaf in leaves { tree.append(TreeHashing.leaf(leaf.commitment)) }
                for tile in tree.takeChanged() { try db.put(tile.place, tile.hashes) }
            }
            try await harness.sql("DELETE FROM checkpoints; DELETE FROM cosignatures")
            try await harness.reopen {
                try FileManager.default.removeItem(atPath: harness.directory("own/log.signed"))
            }
            _ = try await harness.log.checkpoint()
        }

        private var all: LogQuery {
            var query = LogQuery()
            query.limit = 1_000
            return query
        }
    }

    private struct Transport: RequestTransport {
        let table: RequestTable

        func exchange(_ request: Document) async throws(Failure) -> Document {
            let received = try Document(bytes: request.serialized())
            let reply = await table.answer(received, link: .control, peer: "uid 0") { _, _ in }
            return try Document(bytes: reply.serialized())
        }
    }

    @Test func anHonestLogIsWhole() async throws {
        let test = try await Case()
        let audit = try await test.audit(seen: [test.seen])
        #expect(audit.findings.isEmpty)
        #expect(audit.size == 42 && audit.covered == 41 && audit.signed == 41 && audit.cut == 0)
        _ = try await test.harness.log.erase(customer: "customer-1", by: "uid 0")
        let cut = try await test.audit(seen: [test.seen])
        #expect(cut.findings.isEmpty && cut.cut == 14 && cut.covered == 41)
    }

    @Test(arguments: [
        ("product = 'other'", "the columns differ from the record"),
        ("customer = 9", "the columns differ from the record"), ("beyond = 7", "the columns differ from the record"),
        ("time = time + 1", "the columns differ from the record"), ("number = 1", "the columns differ from the record"),
        ("record = x'00'", "salt and record do not give the commitment"),
        ("salt = zeroblob(32)", "salt and record do not give the commitment"),
    ]) func aChangedRowIsNamed(change: String, finding: String) async throws {
        let test = try await Case()
        try await test.harness.sql("UPDATE events SET \(change) WHERE leaf = 5")
        let audit = try await test.audit()
        #expect(audit.findings.map(\.text) == [finding] && audit.findings[0].leaf == 5)
    }

    @Test func anExchangedPersonIsNamed() async throws {
        let test = try await Case()
        try await test.harness.sql(
            "UPDATE persons SET part = (SELECT part FROM persons WHERE leaf = 7) WHERE leaf = 5")
        #expect(try await test.audit().findings.map(\.text) == ["who it names is not who it named"])
    }

    /// Record, columns and commitment fit each other again: the root does not.
    @Test func aRewrittenEntryDiffersFromTheRoots() async throws {
        let test = try await Case()
        try await Self.forge(5, in: test.harness)
        let audit = try await test.audit()
        #expect(audit.findings.map(\.text).allSatisfy { $0.contains("the log was rewritten before it") })
        #expect(audit.findings.count == 2 && audit.covered == 0)
    }

    /// Who has the log's key signs what was rewritten; the cosignatures are missing, and what a host has kept tells.
    @Test func aResignedLogLacksCosignatures() async throws {
        let test = try await Case()
        try await Self.forge(5, in: test.harness)
        try await test.resign()
        let audit = try await test.audit()
        #expect(audit.findings.isEmpty && audit.covered == 0 && audit.signed > 0)
        let told = try await test.audit(seen: [test.seen])
        #expect(
            told.findings.map(\.text) == [
                "the checkpoint of 41 entries has another root than the entries: the log was rewritten before it"
            ])
    }

    @Test func aCutEndIsNamed() async throws {
        let test = try await Case()
        try await test.harness.sql("DELETE FROM events WHERE leaf >= 30; UPDATE head SET size = 30")
        let audit = try await test.audit()
        #expect(
            audit.findings.map(\.text) == [
                "the checkpoint of 41 entries is of more than there are: the end was cut off"
            ])
        #expect(audit.covered == 21)
    }

    @Test func aMissingEntryIsNamed() async throws {
        let test = try await Case()
        try await test.harness.sql("DELETE FROM events WHERE leaf = 5")
        #expect(try await test.audit().findings.first?.text == "some are missing before it")
    }

    /// Behind the last cosigned checkpoint nothing proves that an entry was there, and the audit says where that begins.
    @Test func theTailIsNotCovered() async throws {
        let test = try await Case()
        try await Self.forge(41, in: test.harness)
        let audit = try await test.audit(seen: [test.seen])
        #expect(audit.findings.isEmpty && audit.covered == 41 && audit.size == 42)
    }

    @Test func forgedCheckpointsAreNamed() async throws {
        let test = try await Case()
        let other = try NoteSigner(
            name: test.keys[0].name, kind: .note, seed: [UInt8](repeating: 9, count: 32))
        let text = Checkpoint(origin: other.key.name, size: 5, root: TreeHashing.empty).text
        let forged = SignedNote(text: text, signatures: [try other.sign(text)])
        #expect(
            try await test.audit(seen: [forged]).findings.map(\.text)
                == ["the checkpoint of 5 entries is forged: the log's key has not signed it"])
        // A cosignature that its host has not made.
        try await test.harness.sql(
            "UPDATE cosignatures SET line = (SELECT line FROM cosignatures WHERE witness = 'storage-1' AND size = 21) WHERE size = 41 AND witness = 'storage-1'"
        )
        let audit = try await test.audit()
        #expect(
            audit.findings.map(\.text) == ["the checkpoint of 41 entries has a cosignature that is not storage-1's"])
        #expect(audit.covered == 21)
    }

    /// Replaces an entry by another that is flawless in itself.
    private static func forge(_ leaf: Int, in harness: LogHarness) async throws {
        try await harness.log.store.write { db in
            var query = LogQuery()
            (query.after, query.limit) = (UInt64(leaf) - 1, 1)
            let old = try #require(try db.leaves(query).first)
            let record = try LogRecord(bytes: old.body?.record ?? [])
            var event = record.event
            event.set(.product, "forged")
            let new = LogRecord(
                node: record.node, incarnation: record.incarnation, segment: record.segment, offset: record.offset,
                arrived: record.arrived, customer: record.customer, personalDigest: record.personalDigest, event: event)
            let body = LogLeaf.Body(salt: [UInt8](repeating: 3, count: 32), record: new.bytes)
            let commitment = TreeHashing.commitment(salt: body.salt, record: body.record)
            try #require(db as? SQLiteLog).execute(
                "UPDATE events SET product = 'forged', salt = ?, record = ?, commitment = ? WHERE leaf = ?",
                [Data(body.salt), Data(body.record), Data(commitment.bytes), leaf])
        }
    }
}
