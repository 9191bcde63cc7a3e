import FFSModel
import Testing

@testable import CommlinkTransport

@Suite("the memory of replies")
struct ReplyMemoryTests {
    private func key(_ id: UInt64, _ node: NodeName? = nil) -> ReplyMemory.Key {
        ReplyMemory.Key(node: node, id: RequestID(high: 0, low: id))
    }

    private func admit(
        _ memory: ReplyMemory, _ id: UInt64, of node: NodeName? = nil, at now: Int64 = 0, fingerprint: Int = 1
    ) -> String {
        switch memory.admit(
            key(id, node), fingerprint: fingerprint, now: now, waiter: { _ in })
        {
        case .first: "first"
        case .repeated(let reply): String(decoding: reply, as: UTF8.self)
        case .joined: "joined"
        case .conflict: "conflict"
        }
    }

    private func finish(_ memory: ReplyMemory, _ id: UInt64, _ reply: String, keep: Bool = true, at now: Int64 = 0) {
        memory.finish(key(id), reply: Array(reply.utf8), keep: keep, now: now)
    }

    @Test("first, joined, repeated, conflict")
    func admissions() {
        let memory = ReplyMemory(capacity: 10, byteCapacity: 1_000)
        #expect(admit(memory, 1) == "first")
        #expect(admit(memory, 1) == "joined")
        #expect(admit(memory, 1, fingerprint: 2) == "conflict")
        finish(memory, 1, "a")
        #expect(admit(memory, 1) == "a")
        #expect(admit(memory, 1, fingerprint: 2) == "conflict")
        #expect(admit(memory, 2) == "first")
        finish(memory, 2, "busy", keep: false)
        #expect(admit(memory, 2) == "first")
    }

    @Test("an id is its sender's: two hosts that choose the same one ask for two things")
    func nodes() throws {
        let memory = ReplyMemory(capacity: 10, byteCapacity: 1_000)
        let nodes = [nil, try NodeName("storage-1"), try NodeName("storage-2")]
        for node in nodes { #expect(admit(memory, 1, of: node) == "first") }
        finish(memory, 1, "a")
        #expect(admit(memory, 1) == "a")
        for node in nodes.dropFirst() { #expect(admit(memory, 1, of: node) == "joined") }
    }

    @Test("a day, no longer")
    func time() {
        let memory = ReplyMemory(capacity: 10, byteCapacity: 1_000)
        #expect(admit(memory, 1, at: 100) == "first")
        finish(memory, 1, "a", at: 100)
        #expect(admit(memory, 1, at: 100 + 86_399) == "a")
        #expect(admit(memory, 1, at: 100 + 86_400) == "first")
    }

    @Test("the oldest go first when there are too many, or too many bytes")
    func bounds() {
        let memory = ReplyMemory(capacity: 3, byteCapacity: 10)
        for id in 1...4 as ClosedRange<UInt64> {
            #expect(admit(memory, id) == "first")
            finish(memory, id, "r\(id)")
        }
        #expect(admit(memory, 4) == "r4")
        #expect(admit(memory, 2) == "r2")
        #expect(admit(memory, 1) == "first")
        finish(memory, 1, "12345678")
        #expect(admit(memory, 4) == "r4")
        #expect(admit(memory, 2) == "first")
    }

    /// One more costs the same, whether a hundred are remembered or a hundred times as many.
    @Test("replies cost their number, not its square")
    func many() {
        func time(remembering count: UInt64) -> Duration {
            let memory = ReplyMemory(capacity: Int(count), byteCapacity: 1 << 20)
            func put(_ ids: Range<UInt64>) {
                for id in ids {
                    _ = admit(memory, id)
                    finish(memory, id, "x")
                }
            }
            put(0..<count)
            let start = ContinuousClock.now
            put(count..<count + 2_000)
            let time = ContinuousClock.now - start
            #expect(admit(memory, count + 1_999) == "x")
            return time
        }
        let few = (0..<3).map { _ in time(remembering: 100) }.min() ?? .zero
        let many = (0..<3).map { _ in time(remembering: 50_000) }.min() ?? .zero
        #expect(many < few * 10, "\(many) for what costs \(few) among few")
    }
}
