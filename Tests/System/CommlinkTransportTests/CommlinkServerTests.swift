import Commlink
import FFSModel
import NIOCore
import Requests
import TestSupport
import Testing
import Tobj

@testable import CommlinkTransport

@Suite("client and server over real sockets", .timeLimit(.minutes(2)))
struct CommlinkServerTests {
    @Test("ping, a large reply, an error reply, on every port of the range")
    func roundTrips() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let running = try await RunningServer(keys, table(Ledger()), count: 4)
        let client = running.client(keys)
        for _ in 0..<8 {
            let reply = try await client.send(Ping())
            #expect(reply.daemon == "ffstest")
        }
        let entitlements = try await client.send(AuthEntitlements(customer: CustomerName("acme")))
        #expect(entitlements.entitlements.count == 200)
        await #expect { _ = try await client.send(change("fail busy")) } throws: { ($0 as? Failure)?.code == .busy }
        await #expect {
            _ = try await client.send(StageStatus(account: AccountID("abcdefghijklmnop")))
        } throws: { ($0 as? Failure)?.code == .notServed }
        await client.close()
        try await running.stop()
    }

    @Test("requests on one connection run at once; replies come as they are ready")
    func multiplexing() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let ledger = Ledger()
        let running = try await RunningServer(keys, table(ledger))
        let client = running.client(keys)
        async let slow = client.send(change("sleep 2000"))
        try await ledger.begun(1)
        // Sent later, answered earlier.
        _ = try await client.send(change())
        #expect(ledger.peak == 2)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<300 {
                group.addTask { _ = try await client.send(change("sleep 50")) }
            }
            try await group.waitForAll()
        }
        _ = try await slow
        #expect(ledger.peak == CommlinkSettings().requestsPerConnection)
        await client.close()
        try await running.stop()
    }

    @Test("an id repeated does nothing twice and gives the first reply, also while the first is under way")
    func idempotence() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let ledger = Ledger()
        let running = try await RunningServer(keys, table(ledger), count: 2)
        let client = running.client(keys)
        let id = RequestID.random()
        let replies = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 { group.addTask { try await client.send(change("sleep 50"), id: id).generation } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(replies).count == 1)
        #expect(try await client.send(change("sleep 50"), id: id).generation == replies[0])
        #expect(ledger.count(id) == 1)
        // The same id for something else is a mistake of the caller's.
        await #expect { _ = try await client.send(change("other"), id: id) } throws: {
            ($0 as? Failure)?.code == .badRequest
        }
        await client.close()
        try await running.stop()
    }

    @Test("a refusal is remembered only if nothing can mend it; what reads, or knows its ids itself, is asked again")
    func repeats() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let ledger = Ledger()
        let running = try await RunningServer(keys, table(ledger))
        let client = running.client(keys)
        for code in FailureCode.allCases {
            let id = RequestID.random()
            for _ in 0..<2 {
                await #expect { _ = try await client.send(change("fail \(code.rawValue)"), id: id) } throws: {
                    ($0 as? Failure)?.code == code
                }
            }
            #expect(ledger.count(id) == ([.gone, .loginRefused].contains(code) ? 1 : 2), "\(code)")
        }
        let acme = try CustomerName("acme")
        let item = Item(product: try ProductName("p"), version: try VersionName("1"))
        let (order, login) = (RequestID.random(), RequestID.random())
        for _ in 0..<2 {
            _ = try await client.send(AuthOrder(customer: acme, items: [item], source: "-"), id: order)
            _ = try await client.send(AuthLogin(customer: acme, password: [], source: "-"), id: login)
        }
        #expect(ledger.count(order) == 2)
        #expect(ledger.count(login) == 2)
        await client.close()
        try await running.stop()
    }

    @Test("rotation under load: stage, activate on either side first, retire; no transaction fails")
    func rotation() async throws {
        let serverKeys = try KeyDirectory()
        let clientKeys = try KeyDirectory()
        let first = try serverKeys.writeBag()
        clientKeys.write(first.serialized())
        let serverStore = try serverKeys.store()
        let clientStore = try clientKeys.store()
        let ledger = Ledger()
        let running = try await RunningServer(serverStore, table(ledger), count: 2)
        let client = running.client(clientStore)

        let load = Task {
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        var done = 0
                        while !Task.isCancelled {
                            _ = try await client.send(change("sleep 1"))
                            done += 1
                        }
                        return done
                    }
                }
                return try await group.reduce(0, +)
            }
        }
        var current = first
        for round in 0..<6 {
            let next = try serverKeys.writeBag(".next")
            clientKeys.write(next.serialized(), ".next")
            try serverStore.reload()
            try clientStore.reload()
            // Activate: next becomes current, current becomes previous.
            func activate(_ keys: KeyDirectory, _ store: KeyBagStore) throws {
                keys.write(Array("2100-01-01T00:00:00Z\n".utf8), ".previous-until")
                keys.write(current.serialized(), ".previous")
                keys.write(next.serialized())
                keys.remove(".next")
                try store.reload()
            }
            let order = round.isMultiple(of: 2) ? [true, false] : [false, true]
            for isServer in order {
                if isServer { try activate(serverKeys, serverStore) } else { try activate(clientKeys, clientStore) }
                try await Task.sleep(for: .milliseconds(60))
            }
            // Retire the old bag: its connections end, their requests go on.
            for (keys, store) in [(serverKeys, serverStore), (clientKeys, clientStore)] {
                keys.remove(".previous")
                keys.remove(".previous-until")
                try store.reload()
            }
            running.server.sweep()
            let count = ledger.total
            try await eventually("requests under the new bag") { ledger.total > count + 10 }
            current = next
        }
        load.cancel()
        let outcome = await load.result
        switch outcome {
        case .success(let done): #expect(done > 20)
        case .failure(let failure): #expect("\(failure)" == "the request was cancelled")
        }
        #expect(ledger.total > 20)
        #expect(ledger.nothingTwice)
        await client.close()
        try await running.stop()
    }

    @Test("a client reconnects after its packets and after its time, and no request notices")
    func reconnect() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let ledger = Ledger()
        let running = try await RunningServer(keys, table(ledger))
        var settings = CommlinkSettings()
        settings.reconnectPackets = 16
        let client = running.client(keys, settings: settings)
        let acme = try CustomerName("acme")
        let login = AuthLogin(customer: acme, password: [], source: "-")
        for _ in 0..<100 { _ = try await client.send(login) }
        #expect(ledger.peers.count >= 7)
        await client.close()
        settings = CommlinkSettings()
        settings.reconnectSeconds = 1
        let other = running.client(keys, settings: settings)
        let before = ledger.peers.count
        try await eventually("two more connections") {
            _ = try await other.send(login)
            return ledger.peers.count >= before + 2
        }
        await other.close()
        try await running.stop()
    }

    @Test("a port that fails is passed over; with none left the error says what to do")
    func failover() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        // A range of which only the middle port listens.
        let range = try Ports.range(5)
        let middle = range.lowerBound + 2
        let running = try await RunningServer(keys, table(Ledger()), ports: middle...middle)
        let client = CommlinkClient(
            link: keys.link, host: "127.0.0.1", ports: range, bags: keys, settings: CommlinkSettings(), logger: quiet)
        for _ in 0..<10 { _ = try await client.send(Ping()) }
        try await running.stop()
        await #expect { _ = try await client.send(Ping()) } throws: { error in
            (error as? Failure)?.code == .unreachable && "\(error)".contains("start the daemon")
        }
        await client.close()
    }

    @Test("a name with several addresses, of which one answers")
    func severalAddresses() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let running = try await RunningServer(keys, table(Ledger()), count: 3)
        // ::1 and 127.0.0.1, as /etc/hosts has it; the server is on the second alone.
        let client = CommlinkClient(
            link: keys.link, host: "localhost", ports: running.ports, bags: keys, settings: CommlinkSettings(),
            logger: quiet)
        for _ in 0..<6 { _ = try await client.send(Ping()) }
        await client.close()
        try await running.stop()
    }

    @Test("shutdown answers what is under way")
    func drain() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let ledger = Ledger()
        let running = try await RunningServer(keys, table(ledger))
        let client = running.client(keys)
        async let reply = client.send(change("wait"))
        try await ledger.begun(1)
        running.server.shutdown()
        ledger.release()
        try await running.stop()
        #expect(try await reply.generation == 1)
        await client.close()
    }

    @Test("another bag: refused after the delay, and the client's error names the bag and NAT")
    func wrongBag() async throws {
        let server = try KeyDirectory()
        try server.writeBag()
        let other = try KeyDirectory()
        try other.writeBag()
        let running = try await RunningServer(try server.store(), table(Ledger()))
        let client = running.client(try other.store())
        await #expect { _ = try await client.send(Ping()) } throws: { error in
            (error as? Failure)?.code == .unreachable && "\(error)".contains("NAT") && "\(error)".contains("key bag")
        }
        await client.close()
        try await running.stop()
    }

    /// A recorded hello verifies when it is sent again from the same port, but its sender cannot go on.
    @Test("a hello without a packet behind it holds no connection")
    func helloAlone() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        var settings = CommlinkSettings()
        settings.helloTimeout = 3
        let running = try await RunningServer(keys, table(Ledger()), settings: settings)
        func open() async throws -> ClientLink {
            try await ClientLink.open(
                host: "127.0.0.1", port: running.ports.lowerBound, bag: try keys.offered(), settings: settings
            ).get()
        }
        let busy = try await open()
        let ping = Document(request: "ping")
        _ = try await busy.exchange(ping.serialized(), id: ping.id, deadline: .now() + .seconds(5))
        let start = ContinuousClock.now
        let idle = try await open()
        await idle.ended()
        #expect(ContinuousClock.now - start < .seconds(30))
        // One packet is enough to stay.
        let second = Document(request: "ping")
        _ = try await busy.exchange(second.serialized(), id: second.id, deadline: .now() + .seconds(5))
        busy.retire()
        await busy.ended()
        try await running.stop()
    }
}
