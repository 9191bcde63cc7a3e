import FFSModel
import Testing

@testable import AuthService

@Suite struct LockOutTests {
    private let start = ContinuousClock.now
    private let name = try? CustomerName("acme")

    private func limits(capacity: Int = 100) -> LockOut.Limits {
        var limits = LockOut.Limits(
            freeAttempts: 3, firstWait: .seconds(5), longestWait: .seconds(60), memory: .seconds(3_600),
            capacity: capacity, concurrent: 4)
        // What spaces attempts has tests of its own.
        limits.ofCustomer.failures = .max
        limits.ofPeer.failures = .max
        return limits
    }

    /// Whoever holds a bag may invent a source for each guess. Then guesses come one a second; nobody is locked out, and
    /// who has signed in from their source before notices nothing.
    @Test func inventedSourcesAreSpaced() throws {
        var lockOut = LockOut(limits: LockOut.Limits())
        let name = try CustomerName("acme")
        let home = lockOut.attempt(name, SourceKey("192.0.2.1"), peer: "198.51.100.1")
        #expect(lockOut.admit(home, now: start) == .admitted(after: .zero))
        lockOut.succeeded(home, now: start)
        func guess(_ number: Int, of name: CustomerName, at now: ContinuousClock.Instant) -> LockOut.Admission {
            let attempt = lockOut.attempt(name, SourceKey("invented \(number)"), peer: "198.51.100.1")
            let admission = lockOut.admit(attempt, now: now)
            if case .admitted = admission { lockOut.failed(attempt, now: now) }
            return admission
        }
        for number in 0..<50 { #expect(guess(number, of: name, at: start) == .admitted(after: .zero)) }
        for second in 0..<6 { #expect(guess(100 + second, of: name, at: start) == .admitted(after: .seconds(second))) }
        #expect(guess(200, of: name, at: start) == .busy)
        #expect(lockOut.admit(home, now: start) == .admitted(after: .zero))
        // A stranger to that source gets a place in the row, another customer and another hour none of it.
        let later = start + .seconds(3)
        #expect(guess(201, of: name, at: later) == .admitted(after: .seconds(3)))
        #expect(guess(202, of: try CustomerName("other"), at: later) == .admitted(after: .zero))
        #expect(guess(203, of: name, at: start + .seconds(7_200)) == .admitted(after: .zero))
        lockOut.forgive(name)
        #expect(guess(204, of: name, at: later) == .admitted(after: .zero))
    }

    @Test func oneLinkPeerIsSpacedWhateverTheCustomer() throws {
        var lockOut = LockOut(limits: LockOut.Limits())
        func guess(_ number: Int, through peer: String) throws -> LockOut.Admission {
            let attempt = lockOut.attempt(try CustomerName("c\(number)"), SourceKey("s\(number)"), peer: peer)
            let admission = lockOut.admit(attempt, now: start)
            if case .admitted = admission { lockOut.failed(attempt, now: start) }
            return admission
        }
        for number in 0..<500 { #expect(try guess(number, through: "a") == .admitted(after: .zero)) }
        #expect(try guess(500, through: "a") == .admitted(after: .zero))
        #expect(try guess(501, through: "a") == .admitted(after: .milliseconds(50)))
        #expect(try guess(502, through: "b") == .admitted(after: .zero))
    }

    /// One attempt that is admitted and fails.
    private func fail(_ lockOut: inout LockOut, _ pair: LockOut.Attempt, at now: ContinuousClock.Instant) {
        #expect(lockOut.admit(pair, now: now) == .admitted(after: .zero))
        lockOut.failed(pair, now: now)
    }

    @Test func waitsDoubleUpToTheLongest() throws {
        var lockOut = LockOut(limits: limits())
        let pair = lockOut.attempt(try CustomerName("acme"), SourceKey("192.0.2.1"))
        var now = start
        fail(&lockOut, pair, at: now)
        fail(&lockOut, pair, at: now)
        var waits: [Int] = []
        for _ in 0..<6 {
            fail(&lockOut, pair, at: now)
            guard case .locked(let seconds) = lockOut.admit(pair, now: now) else {
                Issue.record("not locked")
                return
            }
            waits.append(seconds - 1)
            #expect(lockOut.admit(pair, now: now + .seconds(seconds - 2)) != .admitted(after: .zero))
            now += .seconds(seconds)
        }
        #expect(waits == [5, 10, 20, 40, 60, 60])
    }

    @Test func anotherSourceIsNotLocked() throws {
        var lockOut = LockOut(limits: limits())
        let name = try CustomerName("acme")
        let attacker = lockOut.attempt(name, SourceKey("198.51.100.9"))
        for _ in 0..<3 { fail(&lockOut, attacker, at: start) }
        #expect(lockOut.admit(attacker, now: start) != .admitted(after: .zero))
        #expect(lockOut.admit(lockOut.attempt(name, SourceKey("192.0.2.1")), now: start) == .admitted(after: .zero))
    }

    @Test func successAndForgivenessAndTimeStartAfresh() throws {
        var lockOut = LockOut(limits: limits())
        let name = try CustomerName("acme")
        let pair = lockOut.attempt(name, SourceKey("192.0.2.1"))
        fail(&lockOut, pair, at: start)
        fail(&lockOut, pair, at: start)
        #expect(lockOut.admit(pair, now: start) == .admitted(after: .zero))
        lockOut.succeeded(pair, now: start)
        #expect(lockOut.count == 0)

        for _ in 0..<3 { fail(&lockOut, pair, at: start) }
        lockOut.forgive(name)
        #expect(lockOut.admit(pair, now: start) == .admitted(after: .zero))
        lockOut.abandoned(pair)

        for _ in 0..<3 { fail(&lockOut, pair, at: start) }
        let later = start + .seconds(3_601)
        for _ in 0..<2 { fail(&lockOut, pair, at: later) }
        #expect(lockOut.admit(pair, now: later) == .admitted(after: .zero))
    }

    /// Guesses sent all at once are charged before they are answered.
    @Test func attemptsUnderWayAreBounded() throws {
        var lockOut = LockOut(limits: limits())
        let pair = lockOut.attempt(try CustomerName("acme"), SourceKey("192.0.2.1"))
        for _ in 0..<4 { #expect(lockOut.admit(pair, now: start) == .admitted(after: .zero)) }
        #expect(lockOut.admit(pair, now: start) == .busy)
        for _ in 0..<4 { lockOut.failed(pair, now: start) }
        guard case .locked(let seconds) = lockOut.admit(pair, now: start) else {
            Issue.record("not locked after four failures at once")
            return
        }
        #expect(seconds == 11)
        // When the wait is over, one at a time.
        let later = start + .seconds(11)
        #expect(lockOut.admit(pair, now: later) == .admitted(after: .zero))
        #expect(lockOut.admit(pair, now: later) == .busy)
    }

    @Test func memoryIsBoundedAndKeepsTheLatest() throws {
        var lockOut = LockOut(limits: limits(capacity: 1_000))
        let name = try CustomerName("acme")
        for source in 0..<20_000 {
            let pair = lockOut.attempt(name, SourceKey("source-\(source)"))
            for _ in 0..<3 { fail(&lockOut, pair, at: start + .seconds(source)) }
            #expect(lockOut.count <= 1_000)
        }
        let latest = lockOut.attempt(name, SourceKey("source-19999"))
        #expect(lockOut.admit(latest, now: start + .seconds(19_999)) != .admitted(after: .zero))
    }

    @Test func whoSignedInIsKnownWithinBounds() throws {
        var lockOut = LockOut(limits: limits(capacity: 100))
        let name = try CustomerName("acme")
        for source in 0..<1_000 {
            let pair = lockOut.attempt(name, SourceKey("source-\(source)"))
            #expect(!lockOut.isKnown(pair))
            #expect(lockOut.admit(pair, now: start) == .admitted(after: .zero))
            lockOut.succeeded(pair, now: start + .seconds(source))
            #expect(lockOut.isKnown(pair))
        }
        let known = (0..<1_000).filter { lockOut.isKnown(lockOut.attempt(name, SourceKey("source-\($0)"))) }
        #expect(known.count <= 100)
        #expect(known.last == 999)
        #expect(!lockOut.isKnown(lockOut.attempt(try CustomerName("other"), SourceKey("source-999"))))
    }

    @Test(arguments: [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ("::ffff:192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("fe80::1%eth0", "fe80::2%eth1", true),
        ("-", "-", true),
        ("-", "192.0.2.1", false),
    ])
    func sourcesOfOneNetworkAreOne(a: String, b: String, same: Bool) {
        #expect((SourceKey(a) == SourceKey(b)) == same)
    }
}
