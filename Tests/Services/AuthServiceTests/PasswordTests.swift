import FFSModel
import Requests
import Synchronization
import SystemSupport
import TestSupport
import Testing
import Tobj

@testable import AuthService

@Suite struct PasswordTests {
    private let source = SourceKey("192.0.2.1")

    @Test func hashesAreYescryptAndSalted() async throws {
        let hasher = try PasswordHasher(cost: 1, threads: 1, queue: 8)
        let first = try await hasher.hash(.correct)
        let second = try await hasher.hash(.correct)
        #expect(first.text.hasPrefix("$y$"))
        #expect(first != second)
        #expect(try await hasher.check(.correct, against: first, source: source).matches)
        #expect(try await !hasher.check(.wrong, against: first, source: source).matches)
        #expect("\(first)" == "(password hash)")
    }

    /// Hashing leaves no copy of a password in memory, whether it matches or not.
    @Test func hashingLeavesNoCopyBehind() throws {
        let password = randomBytes(96).map { 0x61 + $0 % 26 }
        let before = try MemoryCopies.count(of: password)
        var context = CryptContext()
        let setting = try #require(CryptContext.setting(cost: 1))
        let made = context.hash(password, setting: setting)
        let matches = context.matches(password, try #require(made))
        #expect(matches)
        #expect(try MemoryCopies.count(of: password) == before)
    }

    /// A hash that another implementation made: `openssl passwd -6 -salt saltstring 'Hello world!'`.
    @Test func knowsHashesOfOthersAndRenewsThem() async throws {
        let sha512 = PasswordHash(
            text: "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        )
        let hasher = try PasswordHasher(cost: 1, threads: 1, queue: 8)
        let verdict = try await hasher.check(Array("Hello world!".utf8), against: sha512, source: source)
        #expect(verdict.matches)
        let renewed = try #require(verdict.renewed)
        #expect(renewed.text.hasPrefix("$y$"))
        #expect(try await hasher.check(Array("Hello world!".utf8), against: renewed, source: source).renewed == nil)
        #expect(try await hasher.check(.wrong, against: sha512, source: source).renewed == nil)
    }

    @Test func anotherCostRenews() async throws {
        let hasher = try PasswordHasher(cost: 1, threads: 1, queue: 8)
        let cheap = try await hasher.hash(.correct)
        try hasher.setCost(2)
        let renewed = try #require(try await hasher.check(.correct, against: cheap, source: source).renewed)
        #expect(renewed.parameters != cheap.parameters)
        #expect(try await hasher.check(.correct, against: renewed, source: source).renewed == nil)
    }

    /// crypt(3) stops reading at a NUL and at 512 bytes: neither may make two passwords one.
    @Test func whatCryptWouldCutShortNeverMatches() async throws {
        let hasher = try PasswordHasher(cost: 1, threads: 1, queue: 8)
        let hash = try await hasher.hash(.correct)
        #expect(try await !hasher.check(.correct + [0], against: hash, source: source).matches)
        #expect(try await !hasher.check(.correct + [0] + .wrong, against: hash, source: source).matches)
        let longest = [UInt8](repeating: 0x61, count: Fields.passwordBytes)
        let long = try await hasher.hash(longest)
        #expect(try await hasher.check(longest, against: long, source: source).matches)
        #expect(try await !hasher.check(longest + [0x61], against: long, source: source).matches)
        #expect(try await !hasher.check(longest.dropLast(), against: long, source: source).matches)
    }

    @Test func nonsenseInTheDatabaseMatchesNothing() async throws {
        let hasher = try PasswordHasher(cost: 1, threads: 1, queue: 8)
        for text in ["$", "$y$", "$y$j9T$", "*0", "x", "$y$zzzz$" + String(repeating: "é", count: 40)] {
            #expect(try await !hasher.check(.correct, against: PasswordHash(text: text), source: source).matches)
        }
    }

    @Test func refusesACostThatLibcryptDoes() throws {
        #expect(throws: Failure.self) { try PasswordHasher(cost: 12, threads: 1, queue: 8) }
    }

    @Test func comparesAllBytes() {
        let a = Array("abcdef".utf8)
        #expect(constantTimeEqual(a, a))
        for index in a.indices {
            var b = a
            b[index] ^= 1
            #expect(!constantTimeEqual(a, b))
        }
        #expect(!constantTimeEqual(a, Array(a.dropLast())))
        #expect(constantTimeEqual([], []))
    }

    @Test func aFloodIsToldBusyAndOperatorsAreNot() async throws {
        let hasher = try PasswordHasher(cost: 5, threads: 1, queue: 16)
        let hash = try await hasher.hash(.correct)
        let results = await withTaskGroup(of: Result<Bool, Failure>.self) { group in
            for number in 0..<200 {
                group.addTask {
                    do throws(Failure) {
                        let source = SourceKey("192.0.2.\(number)")
                        return .success(try await hasher.check(.correct, against: hash, source: source).matches)
                    } catch { return .failure(error) }
                }
            }
            group.addTask {
                do throws(Failure) {
                    _ = try await hasher.hash(.correct)
                    return .success(true)
                } catch { return .failure(error) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let busy = results.filter { if case .failure(let failure) = $0 { failure.code == .busy } else { false } }
        let served = results.filter { if case .success(true) = $0 { true } else { false } }
        #expect(busy.count + served.count == 201)
        #expect(served.count >= 17)
        #expect(busy.count >= 100)
        for case .failure(let failure) in busy { #expect((failure.retryAfter ?? 0) >= 1) }
    }

    /// What the watchdog asks: a queue that is full and moves is well, threads that hang are not.
    @Test func hangingThreadsAreNotProven() async throws {
        let hasher = try PasswordHasher(cost: 1, threads: 1, queue: 4)
        await hasher.prove()
        let gate = Monitor(0)
        let work: HashThreads.Work = { _ in
            gate.wait { turns -> Void? in
                guard turns > 0 else { return nil }
                turns -= 1
                return ()
            }
        }
        for number in 0..<3 {
            try hasher.threads.submit(.source(SourceKey("192.0.2.\(number)")), work: work, refuse: { _ in })
        }
        // The thread has taken the first.
        while hasher.depth > 2 { try await Task.sleep(for: .milliseconds(1)) }
        let isProven = Mutex(false)
        let proof = Task {
            await hasher.prove()
            isProven.withLock { $0 = true }
        }
        try await Task.sleep(for: .milliseconds(1_500))
        let early = isProven.withLock { $0 }
        #expect(!early)
        // One job is over and the next one taken, while others wait.
        gate.withLock(wake: .all) { $0 = 1 }
        await proof.value
        gate.withLock(wake: .all) { $0 = 10 }
    }

    /// One source may fill half of the queue; the rest is for others.
    @Test func oneSourceLeavesRoomForOthers() async throws {
        let threads = HashThreads(threads: 1, limits: HashQueueLimits(depth: 8))
        let ran = Atomic(0)
        func submit(_ source: String) throws(Failure) {
            try threads.submit(
                .source(SourceKey(source)), work: { _ in ran.wrappingAdd(1, ordering: .relaxed) }, refuse: { _ in })
        }
        for _ in 0..<4 { try submit("198.51.100.9") }
        #expect(throws: Failure.self) { try submit("198.51.100.9") }
        for other in 0..<4 { try submit("192.0.2.\(other)") }
        #expect(throws: Failure.self) { try submit("192.0.2.5") }
        try threads.start()
        while ran.load(ordering: .relaxed) < 8 { try await Task.sleep(for: .milliseconds(1)) }
        // Room again, for the greedy source too.
        try submit("198.51.100.9")
        while ran.load(ordering: .relaxed) < 9 { try await Task.sleep(for: .milliseconds(1)) }
        threads.stop()
    }

    /// Strangers fill their lane; operators go first, and known customers take turns with them.
    @Test func lanesTakeTurns() async throws {
        let threads = HashThreads(threads: 1, limits: HashQueueLimits(depth: 8))
        let order = Mutex<[String]>([])
        func submit(_ lane: HashThreads.Lane, _ name: String) throws(Failure) {
            try threads.submit(lane, work: { _ in order.withLock { $0.append(name) } }, refuse: { _ in })
        }
        for number in 0..<8 { try submit(.source(SourceKey("192.0.2.\(number)")), "s\(number)") }
        #expect(throws: Failure.self) { try submit(.source(SourceKey("192.0.2.9")), "s") }
        for number in 0..<2 { try submit(.known(SourceKey("192.0.2.9")), "k\(number)") }
        try submit(.operators, "o")
        try threads.start()
        while order.withLock({ $0.count }) < 11 { try await Task.sleep(for: .milliseconds(1)) }
        threads.stop()
        #expect(order.withLock { $0 } == ["o", "s0", "k0", "s1", "k1", "s2", "s3", "s4", "s5", "s6", "s7"])
    }

    /// Twenty sources that fill the queue keep one that comes after them waiting for one round, not for all they sent.
    @Test func sourcesTakeTurns() async throws {
        let threads = HashThreads(threads: 1, limits: HashQueueLimits(depth: 200))
        let order = Mutex<[String]>([])
        func submit(_ source: String) throws(Failure) {
            try threads.submit(
                .source(SourceKey(source)), work: { _ in order.withLock { $0.append(source) } }, refuse: { _ in })
        }
        for _ in 0..<5 { for number in 0..<20 { try submit("198.51.100.\(number)") } }
        try submit("192.0.2.1")
        try threads.start()
        while order.withLock({ $0.count }) < 101 { try await Task.sleep(for: .milliseconds(1)) }
        threads.stop()
        #expect(order.withLock { $0.firstIndex(of: "192.0.2.1") } == 20)
    }

    @Test func stoppingRefusesWhatWaits() async throws {
        let hasher = try PasswordHasher(cost: 5, threads: 1, queue: 64)
        let hash = try await hasher.hash(.correct)
        let codes = await withTaskGroup(of: FailureCode?.self) { group in
            for _ in 0..<30 {
                group.addTask { [source] in
                    do throws(Failure) {
                        _ = try await hasher.check(.correct, against: hash, source: source)
                        return nil
                    } catch { return error.code }
                }
            }
            group.addTask {
                while hasher.depth < 20 { await Task.yield() }
                hasher.stop()
                return nil
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.contains(.draining))
        #expect(codes.allSatisfy { $0 == nil || $0 == .draining })
        let late = try await failure { try await hasher.hash(.correct) }
        #expect(late.code == .draining)
    }
}
