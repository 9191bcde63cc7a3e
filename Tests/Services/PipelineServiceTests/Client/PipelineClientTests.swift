import Compression
import Events
import FFSModel
import Journal
import Logging
import Pipeline
import Requests
import Synchronization
import SystemSupport
import TestSupport
import Testing
import Transparency

@testable import PipelineService

/// Journals, client and object together, on a real log.
@Suite struct PipelineClientTests {
    private let harness: LogHarness
    private let node = NodeName(validated: "storage-1")

    init() async throws {
        harness = try await LogHarness()
        try Files.makeDirectory(harness.directory("journal"))
        try Files.makeDirectory(harness.directory("pipe"))
        try Files.makeDirectory(harness.directory("keys"))
        for (name, byte) in [("storage-1", UInt8(1)), ("storage-2", 2)] {
            try Files.write(
                PipelineKey.file([UInt8](repeating: byte, count: 32)), to: harness.directory("keys/\(name)"))
        }
    }

    private var object: PipelineObject {
        PipelineObject(database: harness.log, keys: PipelineKeys(directory: harness.directory("keys")))
    }

    private func client(_ target: any PushTarget, node: String = "storage-1", keep: Int = 0) throws -> PipelineClient {
        try PipelineClient(
            node: NodeName(node), journals: harness.directory("journal"), directory: harness.directory("pipe"),
            keys: PipelineKeys(directory: harness.directory("keys")), target: target, keep: keep,
            logger: harness.lines.logger)
    }

    private func stream(_ name: String = "ffsstaged") throws -> JournalStream {
        try JournalStream(
            directory: harness.directory("journal"), stream: name,
            settings: JournalSettings(segmentSize: 64 * 1_024, reserve: 64 * 1_024))
    }

    private static func event(_ number: Int) -> Event {
        var event = Event(.contentPublished, time: Int64(number))
        event.set(.product, "p")
        event.set(.version, "\(number)")
        event.set(.content, ContentDigest(words: (0, 0, 0, UInt64(number))))
        return event
    }

    /// Runs the client until `done` or half a minute is over.
    private func run(_ client: PipelineClient, until done: @escaping () async throws -> Bool) async throws {
        let task = Task { await client.run() }
        defer { task.cancel() }
        for _ in 0..<600 {
            if try await done() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("not done in half a minute: \(client.streams)")
    }

    private func versions() async throws -> [String] {
        try await harness.leaves().compactMap { $0.columns.version }
    }

    private func names(_ stream: String) throws -> [Substring] {
        try Files.names(in: harness.directory("journal/\(stream)")).map { $0.split(separator: ".").last ?? "" }.filter {
            $0 != "incarnation"
        }
    }

    /// Each event is one entry, in order for each journal; what is sealed and in the log ends as done, and is removed when it is
    /// older than it must be kept.
    @Test func everyEventOnceInOrder() async throws {
        let stream = try stream()
        let writer = try JournalWriter(segment: stream.create())
        for number in 0..<300 { try writer.append(Self.event(number).record) }
        try stream.seal(try writer.take(next: stream.create()))
        for number in 300..<400 { try writer.append(Self.event(number).record) }
        let other = try JournalWriter(segment: try self.stream("ffswebd").create())
        try other.append(Self.event(9_999).record)
        try await run(try client(object, keep: 3_600)) {
            try await versions().count == 401 && names("ffsstaged").sorted() == ["done", "open"]
        }
        #expect(try await versions().filter { $0 != "9999" } == (0..<400).map { "\($0)" })
        // Another client knows nothing and sends nothing twice.
        for number in 400..<410 { try writer.append(Self.event(number).record) }
        try await run(try client(object)) { try await versions().count == 411 && names("ffsstaged") == ["open"] }
        #expect(try await versions().filter { $0 != "9999" } == (0..<410).map { "\($0)" })
    }

    /// A relay that loses replies, repeats and delays: nothing is lost and nothing comes twice.
    @Test func lostRepliesAndRepeats() async throws {
        struct Lossy: PushTarget {
            let object: PipelineObject
            let count = Monitor(0)
            func push(_ message: PipePush) async throws(Failure) -> PipePush.Reply {
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                if number % 5 == 1 { throw Failure(.unreachable, "lost on the way there") }
                let reply = try await object.push(message)
                if number % 5 == 2 { throw Failure(.unreachable, "lost on the way back") }
                return number % 5 == 3 ? try await object.push(message) : reply
            }
        }
        let stream = try stream()
        let writer = try JournalWriter(segment: stream.create())
        let client = try client(Lossy(object: object))
        let sent = Task {
            for number in 0..<200 {
                try writer.append(Self.event(number).record)
                try await Task.sleep(for: .milliseconds(5))
            }
        }
        try await run(client) { try await versions().count >= 200 }
        try await sent.value
        #expect(try await versions() == (0..<200).map { "\($0)" })
    }

    /// A relay that acknowledges by itself is not believed, and nothing is taken for forwarded.
    @Test func forgedAcknowledgementsAreRefused() async throws {
        struct Hostile: PushTarget {
            func push(_ message: PipePush) async throws(Failure) -> PipePush.Reply {
                PipePush.Reply(offset: 1 << 30, hash: [UInt8](repeating: 0, count: 32), log: "x", mac: message.mac)
            }
        }
        let stream = try stream()
        let writer = try JournalWriter(segment: stream.create())
        try writer.append(Self.event(1).record)
        try stream.seal(try writer.take(next: stream.create()))
        let client = try client(Hostile())
        try await run(client) { client.streams.first?.failure?.contains("does not carry the seal") == true }
        #expect(try names("ffsstaged").sorted() == ["open", "sealed"])
    }

    /// A batch that was changed or made on the way is refused, and so is one in another node's name.
    @Test func forgedBatchesAreRefused() async throws {
        let key = try PipelineKeys(directory: harness.directory("keys")).key(of: node)
        let batch = ProducerBatch(
            node: node, incarnation: .random(), segment: .random(), stream: "ffsstaged", start: .start,
            records: [ProducerBatch.Record(offset: 4_096, bytes: Self.event(1).record)], gaps: [],
            end: 4_096 + UInt64(JournalFrame.length(Self.event(1).record.count)), isSealedEnd: false)
        let nonce = ID128.random()
        let packed = try #require(Self.packed(batch))
        let good = PipePush(node: node, nonce: nonce, batch: packed, mac: key.seal(batch, nonce: nonce))
        let object = object
        await #expect(throws: Failure.self) {
            try await object.push(PipePush(node: "storage-2", nonce: nonce, batch: packed, mac: good.mac))
        }
        await #expect(throws: Failure.self) {
            try await object.push(PipePush(node: node, nonce: .random(), batch: packed, mac: good.mac))
        }
        await #expect(throws: Failure.self) {
            try await object.push(PipePush(node: "storage-3", nonce: nonce, batch: packed, mac: good.mac))
        }
        #expect(try await versions().isEmpty)
        let reply = try await object.push(good)
        #expect(reply.offset == Int(batch.end))
        #expect(try await versions() == ["1"])
        // The same journal folder from another host: it was copied.
        let copy = ProducerBatch(
            node: "storage-2", incarnation: batch.incarnation, segment: .random(), stream: "ffsstaged", start: .start,
            records: batch.records, gaps: [], end: batch.end, isSealedEnd: false)
        let other = try PipelineKeys(directory: harness.directory("keys")).key(of: copy.node)
        do {
            _ = try await object.push(
                PipePush(
                    node: copy.node, nonce: nonce, batch: try #require(Self.packed(copy)),
                    mac: other.seal(copy, nonce: nonce)))
            Issue.record("a copied folder was accepted")
        } catch let failure as Failure {
            #expect(failure.text.contains("storage-1") && failure.text.contains("storage-2"))
        }
    }

    private static func packed(_ batch: ProducerBatch) -> [UInt8]? { ZlibStream.deflate(batch.encoded, level: 1) }

    /// Something unreadable in the middle: named as a gap, the rest goes on, and the segment stays.
    @Test func damageIsNamedAndTheRestGoesOn() async throws {
        let stream = try stream()
        let writer = try JournalWriter(segment: stream.create())
        try writer.append(Self.event(1).record)
        let second = try writer.append(Self.event(2).record)
        try writer.append(Self.event(3).record)
        let old = try writer.take(next: stream.create())
        try stream.seal(old)
        let path = harness.directory("journal/ffsstaged/\(old).sealed")
        var bytes = try Files.bytes(path)
        bytes[Int(second.offset) + 20] ^= 0xFF
        try Files.write(bytes, to: path)
        try await run(try client(object)) {
            try await versions().count == 2 && names("ffsstaged").sorted() == ["gap", "open"]
        }
        #expect(try await versions() == ["1", "3"])
        let gap = try await harness.leaves { $0.type = "journal.gap" }
        #expect(gap.count == 1 && gap.first?.columns.from == second.offset)
    }

    /// A record that is no event is buried; the others go on.
    @Test func poisonIsBuried() async throws {
        let writer = try JournalWriter(segment: try stream().create())
        try writer.append(Self.event(1).record)
        try writer.append([0xFF, 1, 2, 3])
        try writer.append(Self.event(2).record)
        try await run(try client(object)) { try await versions().count == 2 }
        #expect(try await harness.log.deadLetters(after: 0, limit: 10).map(\.bytes) == [[0xFF, 1, 2, 3]])
    }

    /// A log that went back in time has another name, and gets what is kept once more.
    @Test func aRestoredLogIsFilledAgain() async throws {
        let stream = try stream()
        let writer = try JournalWriter(segment: stream.create())
        for number in 0..<10 { try writer.append(Self.event(number).record) }
        try stream.seal(try writer.take(next: stream.create()))
        let log = harness.directory("own/log.sqlite")
        try await harness.log.close()
        let backup = try Files.bytes(log)
        try await harness.reopen()
        try await run(try client(object, keep: 3_600)) {
            try await versions().count == 10 && names("ffsstaged").sorted() == ["done", "open"]
        }
        _ = try await harness.log.checkpoint()
        try await harness.reopen {
            try Files.write(backup, to: log)
            try Files.setMode(0o600, of: log)
            try await command("rm", "-f", log + "-wal", log + "-shm").succeeded()
        }
        #expect(try await versions().isEmpty)
        try writer.append(Self.event(10).record)
        try await run(try client(object, keep: 3_600)) { try await versions().count == 11 }
        #expect(Set(try await versions()) == Set((0...10).map { "\($0)" }))
    }
}
