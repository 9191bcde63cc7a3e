import FFSModel
import Testing

@testable import AuthService

@Suite struct LockOutTests {
    private let start = ContinuousClock.now
    private let name = try? CustomerName("acme")

    private func limits(capacity: Int = 100) -> LockOut.Limits {
        LockOut.Limits(
            freeAttempts: 3, firstWait: .seconds(5), longestWait: .seconds(60), memory: .seconds(3_600),
            capacity: capacity, concurrent: 4)
    }

    /// One attempt that is admitted and fails.
    private func fail(_ lockOut: inout LockOut, _ pair: LockOut.Pair, at now: ContinuousClock.Instant) {
        #expect(lockOut.admit(pair, now: now) == .admitted)
        lockOut.failed(pair, now: now)
    }

    @Test func waitsDoubleUpToTheLongest() throws {
        var lockOut = LockOut(limits: limits())
        let pair = lockOut.pair(try CustomerName("acme"), SourceKey("192.0.2.1"))
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
            #expect(lockOut.admit(pair, now: now + .seconds(seconds - 2)) != .admitted)
            now += .seconds(seconds)
        }
        #expect(waits == [5, 10, 20, 40, 60, 60])
    }

    @Test func anotherSourceIsNotLocked() throws {
        var lockOut = LockOut(limits: limits())
        let name = try CustomerName("acme")
        let attacker = lockOut.pair(name, SourceKey("198.51.100.9"))
        for _ in 0..<3 { fail(&lockOut, attacker, at: start) }
        #expect(lockOut.admit(attacker, now: start) != .admitted)
        #expect(lockOut.admit(lockOut.pair(name, SourceKey("192.0.2.1")), now: start) == .admitted)
    }

    @Test func successAndForgivenessAndTimeStartAfresh() throws {
        var lockOut = LockOut(limits: limits())
        let name = try CustomerName("acme")
        let pair = lockOut.pair(name, SourceKey("192.0.2.1"))
        fail(&lockOut, pair, at: start)
        fail(&lockOut, pair, at: start)
        #expect(lockOut.admit(pair, now: start) == .admitted)
        lockOut.succeeded(pair, now: start)
        #expect(lockOut.count == 0)

        for _ in 0..<3 { fail(&lockOut, pair, at: start) }
        lockOut.forgive(name)
        #expect(lockOut.admit(pair, now: start) == .admitted)
        lockOut.abandoned(pair)

        for _ in 0..<3 { fail(&lockOut, pair, at: start) }
        let later = start + .seconds(3_601)
        for _ in 0..<2 { fail(&lockOut, pair, at: later) }
        #expect(lockOut.admit(pair, now: later) == .admitted)
    }

    /// Guesses sent all at once are charged before they are answered.
    @Test func attemptsUnderWayAreBounded() throws {
        var lockOut = LockOut(limits: limits())
        let pair = lockOut.pair(try CustomerName("acme"), SourceKey("192.0.2.1"))
        for _ in 0..<4 { #expect(lockOut.admit(pair, now: start) == .admitted) }
        #expect(lockOut.admit(pair, now: start) == .busy)
        for _ in 0..<4 { lockOut.failed(pair, now: start) }
        guard case .locked(let seconds) = lockOut.admit(pair, now: start) else {
            Issue.record("not locked after four failures at once")
            return
        }
        #expect(seconds == 11)
        // When the wait is over, one at a time.
        let later = start + .seconds(11)
        #expect(lockOut.admit(pair, now: later) == .admitted)
        #expect(lockOut.admit(pair, now: later) == .busy)
    }

    @Test func memoryIsBoundedAndKeepsTheLatest() throws {
        var lockOut = LockOut(limits: limits(capacity: 1_000))
        let name = try CustomerName("acme")
        for source in 0..<20_000 {
            let pair = lockOut.pair(name, SourceKey("source-\(source)"))
            for _ in 0..<3 { fail(&lockOut, pair, at: start + .seconds(source)) }
            #expect(lockOut.count <= 1_000)
        }
        let latest = lockOut.pair(name, SourceKey("source-19999"))
        #expect(lockOut.admit(latest, now: start + .seconds(19_999)) != .admitted)
    }

    @Test func whoSignedInIsKnownWithinBounds() throws {
        var lockOut = LockOut(limits: limits(capacity: 100))
        let name = try CustomerName("acme")
        for source in 0..<1_000 {
            let pair = lockOut.pair(name, SourceKey("source-\(source)"))
            #expect(!lockOut.isKnown(pair))
            #expect(lockOut.admit(pair, now: start) == .admitted)
            lockOut.succeeded(pair, now: start + .seconds(source))
            #expect(lockOut.isKnown(pair))
        }
        let known = (0..<1_000).filter { lockOut.isKnown(lockOut.pair(name, SourceKey("source-\($0)"))) }
        #expect(known.count <= 100)
        #expect(known.last == 999)
        #expect(!lockOut.isKnown(lockOut.pair(try CustomerName("other"), SourceKey("source-999"))))
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
