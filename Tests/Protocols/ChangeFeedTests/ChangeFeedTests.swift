import ChangeFeed
import FFSModel
import Testing

@Suite struct ChangeFeedTests {
    private func position(_ number: Int, _ nonce: UInt64 = 7) -> FeedPosition {
        FeedPosition(number: number, nonce: nonce)
    }

    private func row(_ number: Int, _ product: String = "tool", _ version: String = "1") -> FeedRow {
        FeedRow(
            position: position(number), entity: .version, operation: .update,
            keys: [.product: product, .version: version])
    }

    private func item() throws -> Item { Item(product: try ProductName("tool"), version: try VersionName("1")) }

    @Test func positionsAreOneText() {
        let text = "17-00f1e2d3c4b5a697"
        #expect(FeedPosition(text) == position(17, 0x00F1_E2D3_C4B5_A697))
        #expect(FeedPosition(text)?.description == text)
        #expect(FeedPosition.empty.description == "0-0000000000000000")
        for bad in [
            "", "17", "17-", "-1-00f1e2d3c4b5a697", "017-00f1e2d3c4b5a697", "17-00F1E2D3C4B5A697", "17-00f1e2d3c4b5a69",
            "17-00f1e2d3c4b5a697-", "99999999999999999999-00f1e2d3c4b5a697", "9999999999999999999-00f1e2d3c4b5a697",
        ] {
            #expect(FeedPosition(bad) == nil, "\(bad)")
        }
    }

    @Test("unknown, higher, trimmed or of another nonce: reset; else the rows behind it")
    func whereTheFeedIsTakenUp() {
        let head = position(9)
        #expect(FeedStart(from: nil, nonce: nil, head: head) == .reset)
        #expect(FeedStart(from: position(10), nonce: nil, head: head) == .reset)
        #expect(FeedStart(from: position(9, 8), nonce: 7, head: head) == .reset)
        #expect(FeedStart(from: position(5, 8), nonce: 7, head: head) == .reset)
        #expect(FeedStart(from: position(5), nonce: nil, head: head) == .reset)
        #expect(FeedStart(from: .empty, nonce: nil, head: head) == .reset)
        #expect(FeedStart(from: position(5), nonce: 7, head: head) == .rows(after: 5))
        #expect(FeedStart(from: head, nonce: 7, head: head) == .rows(after: 9))
        #expect(FeedStart(from: .empty, nonce: nil, head: .empty) == .rows(after: 0))
    }

    @Test("the row that a live host asks from next stays, and the newest always")
    func trimming() {
        #expect(FeedTrim.floor(acknowledged: [7, 4, 9], head: 9) == 4)
        #expect(FeedTrim.floor(acknowledged: [12], head: 9) == 9)
        #expect(FeedTrim.floor(acknowledged: [], head: 9) == 0)
    }

    @Test("a lease runs from the sending of the question, and only when its answer said at the head")
    func leases() throws {
        var follower = FeedFollower(lease: 30)
        #expect(follower.longestWait == 10)
        let first = follower.question(at: 100)
        #expect(first.after == nil && !follower.holdsLease(at: 100))
        let reset = FeedAnswer(rows: [], position: position(3), isAtHead: true, isReset: true)
        try follower.begin(reset, to: first)
        #expect(follower.isResetting && !follower.holdsLease(at: 104))
        follower.applied(reset, to: first)
        #expect(follower.holdsLease(at: 129) && !follower.holdsLease(at: 130))
        let second = follower.question(at: 110)
        let behind = FeedAnswer(rows: [row(4)], position: position(4), isAtHead: false)
        try follower.begin(behind, to: second)
        follower.applied(behind, to: second)
        #expect(follower.leaseLeft(at: 120) == 10)
        let third = follower.question(at: 125)
        let atHead = FeedAnswer(rows: [], position: position(4), isAtHead: true)
        try follower.begin(atHead, to: third)
        follower.applied(atHead, to: third)
        #expect(follower.leaseLeft(at: 140) == 15)
        // A reset ends it before anything is validated.
        let fourth = follower.question(at: 141)
        let restored = FeedAnswer(rows: [], position: position(2, 1), isAtHead: true, isReset: true)
        try follower.begin(restored, to: fourth)
        #expect(!follower.holdsLease(at: 142))
    }

    @Test("what was read from elsewhere in the feed is asked after until an answer has it, and too much begins anew")
    func seenPositions() throws {
        var follower = FeedFollower(lease: 30)
        func take(_ answer: FeedAnswer) throws {
            let question = follower.question(at: 0)
            try follower.begin(answer, to: question)
            follower.applied(answer, to: question)
        }
        try take(FeedAnswer(rows: [], position: position(3), isAtHead: true, isReset: true))
        follower.filled(from: position(3))
        #expect(follower.question(at: 0).seen == [])
        let early = follower.question(at: 0)
        for fill in [5, 5, 4] { follower.filled(from: position(fill)) }
        #expect(follower.question(at: 0).seen == [position(5), position(4)])
        // An answer to a question without them says nothing of them.
        let answer = FeedAnswer(rows: [row(4)], position: position(4), isAtHead: false)
        try follower.begin(answer, to: early)
        follower.applied(answer, to: early)
        #expect(follower.question(at: 0).seen == [position(5), position(4)])
        try take(FeedAnswer(rows: [], position: position(4), isAtHead: true))
        #expect(follower.question(at: 0).seen == [position(5)])
        for fill in 10..<(10 + FeedFollower.mostSeen) { follower.filled(from: position(fill)) }
        let lost = follower.question(at: 0)
        #expect(lost.after == nil && lost.seen == [])
        try take(FeedAnswer(rows: [], position: position(40), isAtHead: true, isReset: true))
        #expect(follower.question(at: 0) == FeedFollower.Question(after: position(40), seen: [], sent: 0))
    }

    @Test("an answer from elsewhere, or in disorder, is refused")
    func disorder() throws {
        var follower = FeedFollower(lease: 30)
        let first = follower.question(at: 0)
        let reset = FeedAnswer(rows: [], position: position(3), isAtHead: true, isReset: true)
        #expect(throws: FeedFollower.Refusal.disorder) {
            try follower.begin(FeedAnswer(rows: [row(1)], position: position(1), isAtHead: true), to: first)
        }
        try follower.begin(reset, to: first)
        follower.applied(reset, to: first)
        #expect(throws: FeedFollower.Refusal.outdated) { try follower.begin(reset, to: first) }
        let question = follower.question(at: 1)
        for (rows, end) in [
            ([row(3)], position(3)), ([row(5), row(4)], position(5)), ([row(4)], position(3)), ([], position(2)),
            ([], position(3, 1)), ([row(6)], position(5)),
        ] {
            #expect(throws: FeedFollower.Refusal.disorder) {
                try follower.begin(FeedAnswer(rows: rows, position: end, isAtHead: true), to: question)
            }
        }
        // Rows of others are left out.
        try follower.begin(FeedAnswer(rows: [row(7)], position: position(9), isAtHead: true), to: question)
    }

    @Test("a snapshot older than a change that was applied meanwhile fills nothing")
    func staleFills() throws {
        var fills = StaleFills()
        let keys: Set<FeedKey> = [.version(try item())]
        func fill(_ snapshot: Int?, _ meanwhile: (inout StaleFills) -> Void) -> Bool {
            let ticket = fills.begin(keys)
            meanwhile(&fills)
            return fills.finish(ticket, snapshot: snapshot.map { position($0) })
        }
        #expect(fill(0) { _ in })
        #expect(!fill(4) { $0.applied(row(5)) })
        #expect(fill(5) { _ in })
        #expect(fill(5) { $0.applied(row(6, "other")) })
        // What was applied before the question must be in the snapshot, whatever its key.
        #expect(!fill(5) { _ in })
        #expect(!fill(9) { $0.reset(to: position(2)) })
        #expect(!fill(nil) { _ in })
        #expect(fills.count == 0)
    }

    @Test("keys of accounts meet the rows of the feed")
    func keysMeet() throws {
        let acme = try CustomerName("acme")
        let keys = FeedKey.account(of: acme, [try item()])
        func key(_ entity: FeedRow.Entity, _ keys: [FeedRow.Column: String]) -> FeedKey {
            FeedRow(position: position(1), entity: entity, operation: .delete, keys: keys).key
        }
        #expect(keys.contains(row(1).key) && !keys.contains(row(1, "tool", "2").key))
        #expect(keys.contains(key(.customer, [.customer: "acme"])))
        #expect(keys.contains(key(.product, [.product: "tool"])))
        for version in [nil, "1", "2"] {
            #expect(
                keys.contains(
                    key(
                        .entitlement, [.customer: "acme", .product: "tool", .version: version].compactMapValues(\.self))
                ))
        }
        #expect(!keys.contains(key(.entitlement, [.customer: "other", .product: "tool"])))
        #expect(!keys.contains(key(.content, [.manifest: "tool"])))
    }

    @Test("nobody works on a key that another has, and everybody gets a turn")
    func exclusion() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = Generator(state: seed)
        var exclusion = KeyExclusion<Int>()
        var inside: [KeyExclusion<Int>.Ticket: Set<Int>] = [:]
        var waiting: [KeyExclusion<Int>.Ticket: Set<Int>] = [:]
        func check() {
            let held = inside.values.flatMap { $0 }
            #expect(Set(held).count == held.count, "seed \(seed)")
        }
        for _ in 0..<5_000 {
            if Bool.random(using: &random), exclusion.count < 40 {
                let keys = Set(
                    (0..<Int.random(in: 1...4, using: &random)).map { _ in Int.random(in: 0..<12, using: &random) })
                let (ticket, mayBegin) = exclusion.enter(keys)
                if mayBegin { inside[ticket] = keys } else { waiting[ticket] = keys }
            } else if let ticket = (Int.random(in: 0..<8, using: &random) == 0 ? waiting : inside).keys.randomElement(
                using: &random)
            {
                inside[ticket] = nil
                waiting[ticket] = nil
                for next in exclusion.leave(ticket) { inside[next] = waiting.removeValue(forKey: next) }
            }
            check()
        }
        while let ticket = inside.keys.first {
            inside[ticket] = nil
            for next in exclusion.leave(ticket) { inside[next] = waiting.removeValue(forKey: next) }
            check()
        }
        #expect(waiting.isEmpty && exclusion.count == 0, "seed \(seed)")
    }
}

/// Repeatable by its seed (SplitMix64).
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
