import ConfigurationSchema
import FFSModel
import FTPProtocol
@testable import FTPService
import SystemSupport
import TestSupport
import Testing

@Suite struct EngineTests {
    private final class Probe: PollLoop.Source {
        var events: [String] = []
        var onEvent: () -> Void = {}
        override func ready(_ readiness: Readiness) { note("ready") }
        override func expired() { note("expired") }
        override func woken() { note("woken") }
        private func note(_ event: String) {
            events.append(event)
            onEvent()
        }
    }

    @Test func readinessDeadlinesAndAlarms() throws {
        let loop = try PollLoop()
        let pair = try Descriptor.socketPair()
        let probe = Probe()
        try loop.add(probe, pair.first.rawValue, .input)
        try pair.second.write([1])
        probe.onEvent = { loop.stop() }
        try loop.run()
        #expect(probe.events == ["ready"])
        loop.watch(probe, [])
        loop.setDeadline(probe, in: 1)
        loop.wake(probe, after: 20_000_000)
        try loop.run()
        #expect(probe.events == ["ready", "woken"])
        try loop.run()
        #expect(probe.events == ["ready", "woken", "expired"])
        loop.remove(probe)
        #expect(!probe.isRegistered)
    }

    @Test func alarmsRingInOrder() throws {
        let loop = try PollLoop()
        var rung: [Int] = []
        var probes: [Probe] = []
        for index in 0..<40 {
            let probe = Probe()
            try loop.add(probe, -1, [])
            probe.onEvent = {
                rung.append(index)
                if rung.count == 40 { loop.stop() }
            }
            loop.wake(probe, after: Int64((index * 7) % 40 + 1) * 1_000_000)
            probes.append(probe)
        }
        try loop.run()
        #expect(rung == (0..<40).sorted { ($0 * 7) % 40 < ($1 * 7) % 40 })
    }

    /// A pass in slices meets everyone who is there from its beginning to its end, and only those asked for.
    @Test(arguments: [1, 7, 256]) func passesInSlices(slice: Int) throws {
        final class Other: PollLoop.Source {}
        let loop = try PollLoop()
        var probes: [Probe] = []
        for index in 0..<300 {
            let source: PollLoop.Source = index % 3 == 0 ? Other() : Probe()
            try loop.add(source, -1, [])
            if let probe = source as? Probe { probes.append(probe) }
        }
        loop.remove(probes.removeFirst())
        var met: [ObjectIdentifier: Int] = [:]
        var place: Int? = 0
        while let start = place {
            var looked = 0
            place = loop.forEach(Probe.self, from: start, count: slice) { probe in
                met[ObjectIdentifier(probe), default: 0] += 1
                looked += 1
            }
            #expect(looked <= slice)
            // Who leaves meanwhile is not met again.
            if let last = probes.popLast() {
                loop.remove(last)
                met[ObjectIdentifier(last)] = nil
            }
        }
        for probe in probes { #expect(met[ObjectIdentifier(probe)] == 1) }
    }

    @Test func jobsComeFromOtherThreadsInOrder() throws {
        let loop = try PollLoop()
        let seen = Monitor<[Int]>([])
        let mailbox = loop.mailbox
        let thread = try SystemThread(name: "poster") {
            for index in 0..<1_000 { mailbox.post { _ in seen.withLock { $0.append(index) } } }
            mailbox.post { $0.stop() }
        }
        try loop.run()
        thread.join()
        #expect(seen.withLock { $0 } == Array(0..<1_000))
    }

    @Test(arguments: [1, 3, 65_536]) func translations(piece: Int) throws {
        func translate(_ text: String, _ form: Translation.Form) throws -> [UInt8] {
            let directory = try TemporaryDirectory("translation")
            try Files.write(text, to: directory("f"))
            let descriptor = try Descriptor.open(CPath(directory("f")), .read)
            let status = try descriptor.status()
            let file = OpenFile(descriptor, status)
            var translation = Translation(form)
            var out: [UInt8] = []
            var position: UInt64 = 0
            while try translation.fill(&out, from: file, at: &position, about: piece) {}
            return out
        }
        #expect(try translate("a\nb\r\nc\n\n", .ascii) == Array("a\r\nb\r\nc\r\n\r\n".utf8))
        #expect(try translate("", .ascii).isEmpty)
        #expect(try translate("a\nb", .record) == [0x61, 0xFF, 0x01, 0x62, 0xFF, 0x02])
        #expect(try translate("ÿ", .record) == Array("ÿ".utf8) + [0xFF, 0x02])
    }

    @Test func countersAreSharedAndForgottenByColumn() throws {
        let mine = try SharedCounters(secret: 7)
        let fd = try Descriptor.open(CPath("/proc/self/fd/\(mine.number)"), .readWrite)
        let theirs = try SharedCounters(fd, secret: 7)
        let bucket = mine.bucket([1, 2, 3])
        #expect(theirs.bucket([1, 2, 3]) == bucket)
        mine.add(2, to: bucket, column: 0)
        theirs.add(3, to: bucket, column: 5)
        #expect(mine.total(bucket) == 5)
        mine.clear(column: 5, lasting: Statistic.lasting)
        #expect(theirs.total(bucket) == 2)
        theirs.add(-2, to: bucket, column: 0)
        #expect(mine.total(bucket) == 0)
    }

    /// Sums outlive the worker that counted them, what is there now does not.
    @Test func statisticsOutliveTheirWorker() throws {
        let counters = try SharedCounters(secret: 7)
        let ledger = Ledger(counters, column: 3)
        ledger.count(.httpsBytes, by: 1 << 40)
        ledger.count(.httpsSessions, by: 2)
        Ledger(counters, column: 4).count(.httpsBytes)
        Ledger(counters, column: 4).count(.httpsSessions)
        counters.clear(column: 3, lasting: Statistic.lasting)
        #expect(counters.total(place: Statistic.httpsBytes.rawValue) == (1 << 40) + 1)
        #expect(counters.total(place: Statistic.httpsSessions.rawValue) == 1)
        #expect(Statistic.allCases.count <= SharedCounters.places)
    }

    /// FTP and HTTPS take from the same places.
    @Test func limitsCountOverWorkers() throws {
        let counters = try SharedCounters(secret: 7)
        var limits = SessionLimits()
        (limits.server, limits.perAddress, limits.perAccount) = (3, 2, 1)
        let (a1, a2, a3) = (IPAddress(v4: 1), IPAddress(v4: 2), IPAddress(v4: 3))
        let (ftp, https) = (Ledger(counters, column: 0), Ledger(counters, column: 1))
        #expect(ftp.admit(a1, limits) == nil && https.admit(a1, limits) == nil)
        #expect(ftp.admit(a1, limits) == .address)
        #expect(https.admit(a2, limits) == nil)
        #expect(ftp.admit(a3, limits) == .server)
        https.left(a2)
        #expect(ftp.admit(a3, limits) == nil && Ledger.sessions(counters) == 3)
        let account = try AccountID("abcdefghij234567")
        #expect(ftp.signedIn(to: account, limits) && !https.signedIn(to: account, limits))
        ftp.signedOut(of: account)
        #expect(https.signedIn(to: account, limits))
        #expect(ftp.rateLimit(of: account, limits) == nil)
        limits.serverRate = 1
        #expect(ftp.rateLimit(of: account, limits) != nil)
    }

    /// Who has one address of an IPv6 network has all of its 2^64: they share one count, here as at ffswebd and ffsauthd.
    @Test func anIPv6NetworkIsOneSource() throws {
        let counters = try SharedCounters(secret: 7)
        var limits = SessionLimits()
        (limits.perAddress, limits.lockOutAttempts, limits.lockOutSeconds) = (2, 2, 60)
        let near = try ["2001:db8::1", "2001:db8::ffff:2", "2001:db8::3"].map {
            try #require(IPAddress(text: $0.utf8))
        }
        let far = try #require(IPAddress(text: "2001:db8:0:1::1".utf8))
        let ledger = Ledger(counters, column: 0)
        #expect(ledger.admit(near[0], limits) == nil && ledger.admit(near[1], limits) == nil)
        #expect(ledger.admit(near[2], limits) == .address)
        #expect(ledger.admit(far, limits) == nil)
        ledger.left(near[1])
        #expect(ledger.admit(near[2], limits) == nil)
        let lockOut = ledger.lockOut(limits)
        let name = Array("abcdefghij234567".utf8)
        for address in near[..<2] { lockOut.failed(name, from: address, now: 1_000_000_000) }
        #expect(lockOut.isLocked(name, from: near[2], now: 1_000_000_001))
        #expect(!lockOut.isLocked(name, from: far, now: 1_000_000_001))
    }

    @Test func aRateHoldsOverManyTakers() throws {
        let counters = try SharedCounters(secret: 1)
        let bucket = counters.bucket([9])
        var now: Int64 = 1_000_000_000
        var sent = 0
        while now < 11_000_000_000 {
            if counters.wait(bucket, now: now) == 0 {
                counters.take(10_000, rate: 1_000_000, from: bucket, now: now)
                sent += 10_000
            } else {
                now += 1_000_000
            }
        }
        // Ten seconds' worth and the burst of a tenth.
        #expect((10_000_000...10_200_000).contains(sent), "\(sent)")
    }

    /// Two that share a rate, of which one looks ten times as often and sends less at once.
    @Test func sharersGetEqualTurns() throws {
        let counters = try SharedCounters(secret: 1)
        func sharer() throws -> RateLimit {
            try #require(RateLimit(counters, session: 0, account: (7, 0), server: (3, 1_000_000)))
        }
        var limits = [try sharer(), try sharer()]
        var sent = [0, 0]
        var now: Int64 = 1_000_000_000
        for step in 0..<100_000 {
            now += 100_000
            for index in 0...1 where index == 0 || step % 10 == 0 {
                guard case .bytes(let count) = limits[index].turn(now: now) else { continue }
                let piece = min(count, index == 0 ? 5_000 : .max)
                limits[index].sent(piece)
                sent[index] += piece
            }
        }
        // Ten seconds' worth, in halves.
        #expect((9_900_000...10_300_000).contains(sent[0] + sent[1]), "\(sent)")
        #expect(abs(sent[0] - sent[1]) < 400_000, "\(sent)")
        // What is not used goes back: the next one waits no longer for it.
        let free = try #require(RateLimit(counters, session: 0, account: (8, 1_000), server: (3, 0)))
        for _ in 0..<100 {
            var each = free
            guard case .bytes = each.turn(now: now) else {
                Issue.record("time that was not used is lost")
                break
            }
            each.sent(1)
            each.giveBack(now: now)
        }
    }

    @Test func namesOfHostsBecomeTheirAddresses() throws {
        let known = ["ftp.example": [192, 0, 2, 1], "x": [192, 0, 2, 2]] as [String: [UInt8]]
        let settled = try PassiveAddress.withoutNames(
            ["ftp.example", "198.51.100.7", "10.0.0.0/8=x", "2001:db8::/32=198.51.100.8", "10.1"]
        ) { known[$0] }
        #expect(
            settled == ["192.0.2.1", "198.51.100.7", "10.0.0.0/8=192.0.2.2", "2001:db8::/32=198.51.100.8", "10.1"])
        #expect(throws: Failure.self) { try PassiveAddress.withoutNames(["other.example"]) { known[$0] } }
    }

    @Test func settingsNameWhatIsWrong() throws {
        func settings(_ key: String, _ text: String) throws -> FTPSettings {
            var configuration = Configuration()
            try configuration.set(key, to: text, from: .commandLine)
            return try FTPSettings(configuration, hasTLS: true)
        }
        let passive = try settings("ftp.passive-address", "198.51.100.7, 10.0.0.0/8=10.0.0.1").passiveAddress
        let outside = try #require(IPAddress(text: "203.0.113.1".utf8))
        let inside = try #require(IPAddress(text: "10.9.9.9".utf8))
        #expect(passive.announced(to: outside, local: inside).description == "198.51.100.7")
        #expect(passive.announced(to: inside, local: inside).description == "10.0.0.1")
        #expect(try settings("ftp.proxies", "10.0.0.0/8, ::1").proxies.contains(inside))
        for (key, text) in [
            ("ftp.passive-address", "example.com"), ("ftp.passive-address", "::1"),
            ("ftp.passive-address", "10.0.0.0/33=10.0.0.1"),
            ("ftp.proxies", "10.0.0.0/8/8"), ("ftp.proxies", "balancer"),
        ] {
            #expect(throws: Failure.self, "\(key) \(text)") { try settings(key, text) }
        }
    }
}
