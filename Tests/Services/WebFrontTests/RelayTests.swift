import ChangeFeed
import Clients
import FFSModel
import Requests
import Synchronization
import Testing
import Tobj
import WebFront

/// What storage hosts may ask of ffsauthd.
@Suite struct RelayTests {
    /// ffsauthd as the relay meets it: keeps what arrives.
    private final class Behind: RequestTransport {
        private let seen = Mutex<[Document]>([])
        let services: FakeServices

        init(_ services: FakeServices) { self.services = services }

        var requests: [Document] { seen.withLock { $0 } }

        func exchange(_ request: Document) async throws(Failure) -> Document {
            seen.withLock { $0.append(request) }
            return try await services.auth.exchange(request)
        }
    }

    private let services = FakeServices(now: { Timestamp(seconds: 1_800_000_000) })
    private let behind: Behind
    private let acme: CustomerName

    init() throws {
        behind = Behind(services)
        acme = try CustomerName("acme")
    }

    private func ask(
        _ relay: Relay, _ message: some RequestMessage, id: RequestID = .random(), trace: TraceID? = nil
    ) async -> Document {
        var table = RequestTable(daemon: "ffswebd", version: "test", clock: { Timestamp(seconds: 0) })
        relay.add(to: &table)
        let request = Document(request: type(of: message).type.rawValue, id: id, trace: trace, body: message.body)
        return await table.answer(request, link: .storageWeb, peer: "test") { _, _ in }
    }

    private func code(_ reply: Document) -> FailureCode? {
        if case .error(let failure)? = reply.status { failure.code } else { nil }
    }

    private func login(_ password: String = "correct horse") -> AuthLogin {
        AuthLogin(customer: acme, password: Array(password.utf8), source: "192.0.2.7")
    }

    @Test("id, trace and the customer's address go through, and so do replies and errors")
    func forwards() async throws {
        let now = Mutex<Int64>(1_000)
        let relay = Relay(auth: behind, pipe: behind, steady: { now.withLock { $0 } })
        let (id, trace) = (RequestID.random(), TraceID.random())
        let reply = await ask(relay, login(), id: id, trace: trace)
        #expect(reply.status == .ok && reply.id == id)
        let passed = try #require(behind.requests.first)
        #expect(passed.id == id && passed.trace == trace && passed.body == login().body)
        #expect(code(await ask(relay, login("wrong"))) == .loginRefused)
        services.with { $0.outage = Failure(.lockedOut, "wait", retryAfter: 30) }
        let locked = await ask(relay, login())
        guard case .error(let failure)? = locked.status else {
            Issue.record("no error")
            return
        }
        #expect(failure.code == .lockedOut && failure.retryAfter == 30)
    }

    @Test("entitlements and orders only for who has just signed in through this relay")
    func admission() async throws {
        let now = Mutex<Int64>(1_000)
        let relay = Relay(auth: behind, pipe: behind, steady: { now.withLock { $0 } })
        let item = Item(product: try ProductName("kit"), version: try VersionName("1"))
        let order = AuthOrder(customer: acme, items: [item], source: "-")
        _ = await ask(relay, login("wrong"))
        let before = behind.requests.count
        #expect(code(await ask(relay, AuthEntitlements(customer: acme))) == .denied)
        #expect(code(await ask(relay, order)) == .denied)
        #expect(behind.requests.count == before, "what is denied is not sent on")
        _ = await ask(relay, login())
        #expect(await ask(relay, AuthEntitlements(customer: acme)).status == .ok)
        #expect(code(await ask(relay, order)) == .notEntitled)
        #expect(code(await ask(relay, AuthEntitlements(customer: try CustomerName("other")))) == .denied)
        now.withLock { $0 += 60 }
        #expect(code(await ask(relay, AuthEntitlements(customer: acme))) == .denied)
    }

    @Test("nothing else goes through")
    func refuses() async throws {
        let relay = Relay(auth: behind, pipe: behind, steady: { 0 })
        let password = AuthPassword(
            customer: acme, password: Array("correct horse".utf8), newPassword: Array("another one".utf8), source: "-")
        #expect(code(await ask(relay, password)) == .notServed)
        #expect(code(await ask(relay, StageList())) == .notServed)
        #expect(code(await ask(relay, CustomerDelete(customer: acme))) == .notServed)
        #expect(await ask(relay, Ping()).status == .ok)
        #expect(behind.requests.isEmpty)
    }

    @Test("a request with a field too many is refused here, not there")
    func malformed() async throws {
        let relay = Relay(auth: behind, pipe: behind, steady: { 0 })
        var table = RequestTable(daemon: "ffswebd", version: "test", clock: { Timestamp(seconds: 0) })
        relay.add(to: &table)
        let request = Document(
            request: "auth.login", id: .random(), trace: nil, body: login().body + [.field("extra", "x")])
        #expect(code(await table.answer(request, link: .storageWeb, peer: "test") { _, _ in }) == .badRequest)
        #expect(behind.requests.isEmpty)
    }

    @Test("the feed's questions go on one for one, and a host speaks for itself alone")
    func feed() async throws {
        var table = RequestTable(daemon: "ffswebd", version: "test", clock: { Timestamp(seconds: 0) })
        Relay(auth: behind, pipe: behind, steady: { 0 }).add(to: &table)
        func ask(_ message: some RequestMessage, from node: NodeName?) async -> (id: RequestID, reply: Document) {
            let request = Document(request: type(of: message).type.rawValue, id: .random(), body: message.body)
            return (request.id, await table.answer(request, link: .storageWeb, peer: "test", node: node) { _, _ in })
        }
        let (first, second) = (try NodeName("storage-1"), try NodeName("storage-2"))
        let position = FeedPosition(number: 3, nonce: 4)
        let next = FeedNext(node: first, after: position, seen: [.empty], wait: 10)
        let acknowledgement = FeedAcknowledge(node: first, position: position, lease: 5)
        for node in [first, nil] {
            let asked = await ask(next, from: node)
            #expect(behind.requests.last?.id == asked.id && behind.requests.last?.body == next.body)
            _ = await ask(acknowledgement, from: node)
            #expect(behind.requests.last?.body == acknowledgement.body)
        }
        _ = await ask(OrderCheck(orders: [7]), from: second)
        #expect(behind.requests.map(\.type).suffix(2) == ["feed.acknowledge", "order.check"])
        let before = behind.requests.count
        #expect(code(await ask(next, from: second).reply) == .denied)
        #expect(code(await ask(acknowledgement, from: second).reply) == .denied)
        #expect(code(await ask(FeedStatus(), from: first).reply) == .notServed)
        #expect(behind.requests.count == before)
    }

    @Test("a host's events are passed on in its own name alone, and not looked into")
    func batchesComeInTheSendersOwnName() async throws {
        let relay = Relay(auth: behind, pipe: behind, steady: { 0 })
        var table = RequestTable(daemon: "ffswebd", version: "test", clock: { Timestamp(seconds: 0) })
        relay.add(to: &table)
        let push = PipePush(
            node: try NodeName("storage-1"), nonce: .random(), batch: [1, 2, 3], mac: [UInt8](repeating: 0, count: 32))
        let request = Document(request: "pipe.push", id: .random(), trace: nil, body: push.body)
        let refused = await table.answer(
            request, link: .storageWeb, peer: "test", node: try NodeName("storage-2")
        ) { _, _ in }
        #expect(code(refused) == .denied && behind.requests.isEmpty)
        for node in [nil, try NodeName("storage-1")] {
            _ = await table.answer(request, link: .storageWeb, peer: "test", node: node) { _, _ in }
        }
        #expect(behind.requests.count == 2 && behind.requests.allSatisfy { $0.body == push.body })
    }
}
