import Synchronization
package import SystemSupport

/// One thread's epoll loop: readiness, deadlines in whole seconds, and jobs from other threads.
///
/// Everything but ``mailbox`` belongs to the thread that calls ``run()``. ffsftpd has its own loop, and no SwiftNIO
/// pipeline, because control connections, data connections and their TLS then share one mechanism, a socket can move
/// from one thread to another with a transfer, and a command costs one read and one write (Benchmarks/ftp).
package final class PollLoop {
    /// What a loop calls back; one object for each descriptor. Subclasses are final.
    package class Source {
        fileprivate var slot: Int?
        fileprivate var number: Int32 = -1
        fileprivate var interest: Readiness = []
        /// The second at which ``expired()`` is due; .max for never.
        fileprivate var deadline = Int64.max
        fileprivate var parked = Int64.max

        package init() {}
        /// The descriptor became ready. The object may remove itself, and others.
        package func ready(_ readiness: Readiness) {}
        /// The deadline passed.
        package func expired() {}
        /// The time asked for by ``PollLoop/wake(_:after:)`` has come.
        package func woken() {}
        package var isRegistered: Bool { slot != nil }
    }

    private struct Slot {
        var source: Source?
        var generation: UInt32
    }

    private let poller: Poller
    package let mailbox: Mailbox
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    /// Buckets of one second; an entry is stale when its source is parked at another second.
    private var wheel: [[(token: UInt64, second: Int64)]] = Array(repeating: [], count: PollLoop.wheelSize)
    private static let wheelSize = 128
    private var wheelSecond: Int64
    /// Who is woken when, in nanoseconds; a binary heap, the earliest first.
    private var alarms: [(at: Int64, token: UInt64)] = []
    private var stopped = false
    /// Called when there is nothing more to do at present: the place to write what was gathered meanwhile.
    package var beforeSleep: () -> Void = {}
    /// Called once a second.
    package var everySecond: () -> Void = {}
    /// Nanoseconds of the monotonic clock when this round began.
    package private(set) var now: Int64

    package init() throws(SystemError) {
        poller = try Poller()
        mailbox = try Mailbox()
        now = SystemClock.monotonic()
        wheelSecond = now / 1_000_000_000
        try poller.add(mailbox.wakeUp.number, .input, token: .max)
    }

    /// Seconds on a monotonic clock.
    package var second: Int64 { now / 1_000_000_000 }

    // MARK: Registration

    /// Watches `number` for `source`, which must not be registered yet. With `[]` only deadlines are kept.
    package func add(_ source: Source, _ number: Int32, _ interest: Readiness) throws(SystemError) {
        let slot = place(source)
        source.number = number
        source.interest = interest
        guard !interest.isEmpty else { return }
        do { try poller.add(number, interest, token: token(slot)) } catch {
            vacate(source)
            throw error
        }
    }

    /// Changes what is waited for; nothing happens when it is that already.
    package func watch(_ source: Source, _ interest: Readiness) {
        guard let slot = source.slot, source.interest != interest else { return }
        do {
            if source.interest.isEmpty {
                try poller.add(source.number, interest, token: token(slot))
            } else if interest.isEmpty {
                poller.remove(source.number)
            } else {
                try poller.modify(source.number, interest, token: token(slot))
            }
            source.interest = interest
        } catch {
            // Only memory can run out here; the source's deadline will end it.
        }
    }

    /// Forgets `source`; to be called before its descriptor is closed.
    package func remove(_ source: Source) {
        guard source.slot != nil else { return }
        if !source.interest.isEmpty { poller.remove(source.number) }
        vacate(source)
    }

    private func place(_ source: Source) -> Int {
        precondition(source.slot == nil, "a source is registered with one loop at a time")
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            slots[slot].source = source
        } else {
            slot = slots.count
            slots.append(Slot(source: source, generation: 0))
        }
        source.slot = slot
        source.deadline = .max
        source.parked = .max
        return slot
    }

    private func vacate(_ source: Source) {
        guard let slot = source.slot else { return }
        slots[slot].source = nil
        slots[slot].generation &+= 1
        freeSlots.append(slot)
        source.slot = nil
        source.interest = []
    }

    private func token(_ slot: Int) -> UInt64 { UInt64(slots[slot].generation) << 32 | UInt64(slot) }

    private func source(of token: UInt64) -> Source? {
        let slot = Int(token & 0xFFFF_FFFF)
        guard slot < slots.count, slots[slot].generation == UInt32(token >> 32) else { return nil }
        return slots[slot].source
    }

    // MARK: Deadlines

    /// `source` expires in `seconds`, at least one; nil: never. Cheap: a later deadline only moves a number.
    package func setDeadline(_ source: Source, in seconds: Int?) {
        guard let slot = source.slot else { return }
        guard let seconds else {
            source.deadline = .max
            return
        }
        source.deadline = second + Int64(max(1, seconds))
        if source.parked > source.deadline || source.parked <= wheelSecond { park(source, token(slot)) }
    }

    private func park(_ source: Source, _ token: UInt64) {
        source.parked = min(source.deadline, wheelSecond + Int64(Self.wheelSize) - 1)
        wheel[Int(source.parked) % Self.wheelSize].append((token, source.parked))
    }

    private func advanceWheel() {
        let target = second
        guard wheelSecond < target else { return }
        while wheelSecond < target {
            wheelSecond += 1
            let bucket = Int(wheelSecond) % Self.wheelSize
            let due = wheel[bucket]
            wheel[bucket] = []
            for (token, second) in due {
                guard let source = source(of: token), source.parked == second else { continue }
                source.parked = .max
                if source.deadline <= wheelSecond {
                    source.deadline = .max
                    source.expired()
                } else if source.deadline != .max {
                    park(source, token)
                }
            }
        }
        everySecond()
    }

    // MARK: Alarms

    /// Calls `source.woken()` after so many nanoseconds, to the millisecond; for rate limits.
    package func wake(_ source: Source, after nanoseconds: Int64) {
        guard let slot = source.slot else { return }
        alarms.append((SystemClock.monotonic() + nanoseconds, token(slot)))
        var child = alarms.count - 1
        while child > 0, alarms[child].at < alarms[(child - 1) / 2].at {
            alarms.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private func ringAlarms() {
        while let first = alarms.first, first.at <= now {
            let last = alarms.removeLast()
            if !alarms.isEmpty {
                alarms[0] = last
                siftDown()
            }
            source(of: first.token)?.woken()
        }
    }

    private func siftDown() {
        var parent = 0
        while true {
            let left = 2 * parent + 1
            guard left < alarms.count else { return }
            let right = left + 1
            let child = right < alarms.count && alarms[right].at < alarms[left].at ? right : left
            guard alarms[child].at < alarms[parent].at else { return }
            alarms.swapAt(child, parent)
            parent = child
        }
    }

    /// Milliseconds until the next second or the next alarm, rounded up.
    private var patience: Int32 {
        let second = 1_000 - Int32(now / 1_000_000 % 1_000)
        guard let first = alarms.first else { return second }
        return min(second, max(0, Int32(clamping: (first.at - now + 999_999) / 1_000_000)))
    }

    // MARK: Running

    /// Runs until ``stop()``.
    package func run() throws(SystemError) {
        stopped = false
        while !stopped {
            let count = try nextEvents()
            now = SystemClock.monotonic()
            var woken = false
            for index in 0..<count {
                let (token, readiness) = poller.event(index)
                if token == .max { woken = true } else { source(of: token)?.ready(readiness) }
            }
            if woken { mailbox.deliver(to: self) }
            ringAlarms()
            advanceWheel()
        }
        beforeSleep()
    }

    /// Whether this loop may look again and again instead of sleeping while a client asks one thing right after the
    /// other: waking from sleep costs more than most answers. Others that want the processor get it meanwhile.
    package var isEager = false
    /// How long the last waits were, in nanoseconds: a running mean.
    private var usualWait = PollLoop.longestWait
    private static let shortWait: Int64 = 100_000
    private static let longestWait: Int64 = 1_000_000

    /// The number of events that came.
    private func nextEvents() throws(SystemError) -> Int {
        let start = SystemClock.monotonic()
        if isEager, usualWait < Self.shortWait {
            let count = try lookAgain(since: start)
            guard count == 0 else { return count }
        } else {
            beforeSleep()
        }
        let count = try poller.wait(milliseconds: patience)
        usualWait = (3 * usualWait + min(SystemClock.monotonic() - start, Self.longestWait)) / 4
        return count
    }

    private func lookAgain(since start: Int64) throws(SystemError) -> Int {
        var count = try poller.wait(milliseconds: 0)
        var now = start
        if count == 0 { beforeSleep() }
        while count == 0, now - start < 2 * Self.shortWait {
            SystemThread.yield()
            count = try poller.wait(milliseconds: 0)
            now = SystemClock.monotonic()
        }
        usualWait = (3 * usualWait + now - start) / 4
        return count
    }

    package func stop() { stopped = true }

    /// Calls `body` for the registered sources of one class at `place` and behind it, until it has looked at `count` places;
    /// where to go on, nil at the end. For passes over all that must not keep others waiting.
    package func forEach<S: Source>(
        _ type: S.Type, from place: Int, count: Int, _ body: (S) -> Void
    ) -> Int? {
        let end = min(place + count, slots.count)
        for slot in place..<max(place, end) {
            if let source = slots[slot].source as? S { body(source) }
        }
        return end < slots.count ? end : nil
    }

    /// All registered sources of one class, for lists and kicks.
    package func sources<S: Source>(of type: S.Type) -> [S] { slots.compactMap { $0.source as? S } }
}

/// Jobs for a loop, from any thread.
package final class Mailbox: Sendable {
    package typealias Job = @Sendable (PollLoop) -> Void
    private let jobs = Mutex<[Job]>([])
    fileprivate let wakeUp: WakeUp

    fileprivate init() throws(SystemError) { wakeUp = try WakeUp() }

    /// Runs `job` on the loop's thread, in order of posting.
    package func post(_ job: @escaping Job) {
        let isFirst = jobs.withLock { jobs in
            jobs.append(job)
            return jobs.count == 1
        }
        if isFirst { wakeUp.signal() }
    }

    fileprivate func deliver(to loop: PollLoop) {
        wakeUp.clear()
        let due = jobs.withLock { jobs in
            defer { jobs = [] }
            return jobs
        }
        for job in due { job(loop) }
    }
}

/// Carries an object from one loop's thread to another's.
///
/// Sendable, unchecked: the giver posts it as its last act with the object and keeps no reference that it uses before
/// the object comes back the same way; a job carries it across the mailbox's mutex, which orders the memory.
package struct Handoff<Value>: @unchecked Sendable {
    package let value: Value
    package init(_ value: Value) { self.value = value }
}
