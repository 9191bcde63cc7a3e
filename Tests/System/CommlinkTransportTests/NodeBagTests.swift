import Commlink
import FFSModel
import Requests
import Synchronization
import TestSupport
import Testing

@testable import CommlinkTransport

/// A bag for each host of a link: who asks is known by it.
@Suite("key bags of single hosts", .timeLimit(.minutes(2)))
struct NodeBagTests {
    private let first = NodeName(validated: "storage-1")
    private let second = NodeName(validated: "storage-2")
    private let web = NodeName(validated: "web-1")

    private func bag(_ node: NodeName?, link: Link = .storageWeb) throws -> KeyBag {
        var random = SystemRandomNumberGenerator()
        return try KeyBag.generate(link: link.rawValue, node: node, created: Timestamp(seconds: 0), random: &random)
    }

    private func files(_ directory: KeyDirectory, _ node: NodeName? = nil) -> KeyBagDirectory {
        KeyBagDirectory(path: directory.path, link: directory.link, node: node)
    }

    private func store(_ directory: KeyDirectory, local: NodeName, mayBeEmpty: Bool = false) throws -> KeyBagStore {
        try KeyBagStore(
            directory: directory.path, link: directory.link, local: local, mayBeEmpty: mayBeEmpty, allowTestKeys: false,
            logger: quiet)
    }

    /// What `auth.login` saw: each request's host.
    private func table(_ seen: @escaping @Sendable (NodeName?) -> Void) -> RequestTable {
        var table = RequestTable(daemon: "ffstest", version: "1") { Timestamp(seconds: 0) }
        table.on(AuthLogin.self) { message, context in
            seen(context.node)
            try context.verify(isFrom: NodeName(message.source))
            return AuthLogin.Reply(customer: message.customer, displayName: "x", generation: 1)
        }
        return table
    }

    private func login(_ node: NodeName) throws -> AuthLogin {
        AuthLogin(customer: try CustomerName("acme"), password: [1], source: node.text)
    }

    private func failure(_ body: () async throws -> Void) async -> Failure? {
        do {
            try await body()
            return nil
        } catch { return error as? Failure }
    }

    @Test("the server knows a host by its bag; one that speaks for another is refused, and both are named in the log")
    func hosts() async throws {
        let server = try KeyDirectory(link: .storageWeb)
        let (one, other) = (try KeyDirectory(link: .storageWeb), try KeyDirectory(link: .storageWeb))
        for (node, client) in [(first, one), (second, other)] {
            let bag = try bag(node)
            try files(server, node).install(bag, as: .current)
            try files(client).install(bag, as: .current)
        }
        let seen = Mutex<[NodeName?]>([])
        let book = LogBook.Pages()
        let keys = try store(server, local: web)
        let running = try await RunningServer(
            keys, table { node in seen.withLock { $0.append(node) } }, logger: LogBook.logger(book))
        let (mine, theirs) = (
            running.client(try store(one, local: first)), running.client(try store(other, local: second))
        )
        _ = try await mine.send(try login(first))
        _ = try await theirs.send(try login(second))
        let refused = await failure { _ = try await theirs.send(try login(first)) }
        #expect(refused?.code == .denied && refused?.text.contains("storage-2") == true)
        #expect(seen.withLock { $0 } == [first, second, second])
        #expect(
            book.all.contains {
                $0.contains("code=denied") && $0.contains("node=storage-2") && $0.contains("storage-1")
            })

        // Its bag is taken away: its links end, the other's go on.
        #expect(try files(server, second).removeAll())
        try keys.reload()
        running.server.sweep()
        let revoked = await failure { _ = try await theirs.send(try login(second)) }
        #expect(revoked?.code == .unreachable)
        _ = try await mine.send(try login(first))
        await mine.close()
        await theirs.close()
        try await running.stop()
    }

    @Test("a rotation of one host's bag leaves the others'")
    func rotation() throws {
        let directory = try KeyDirectory(link: .storageWeb)
        let bags = [try bag(first), try bag(first), try bag(second)]
        try files(directory, first).install(bags[0], as: .current)
        try files(directory, first).install(bags[1], as: .next)
        try files(directory, second).install(bags[2], as: .current)
        let keys = try store(directory, local: web)
        for bag in bags { #expect(keys.bags.bag(bag.id, now: 0)?.node == bag.node) }
        try files(directory, first).activate(previousUntil: Timestamp(seconds: 10))
        try keys.reload()
        for bag in bags { #expect(keys.bags.bag(bag.id, now: 9) != nil) }
        #expect(keys.bags.bag(bags[0].id, now: 10) == nil)
        #expect(try files(directory).nodes() == [first, second])
        // What a writer that was killed left is no host's.
        try Files.write("", to: "\(directory.path)/storage-web@storage-3~")
        #expect(try files(directory).nodes() == [first, second])
    }

    @Test("another's bag is refused and its owner named: at the host itself, under another name, and under two")
    func others() throws {
        let directory = try KeyDirectory(link: .storageWeb)
        let bag = try bag(first)
        try files(directory).install(bag, as: .current)
        #expect(throws: Never.self) { _ = try store(directory, local: first) }
        #expect { _ = try store(directory, local: second) } throws: {
            ($0 as? Failure)?.text.contains("is host storage-1's, and this host is storage-2") == true
        }
        // The same bag as the link's own and as a host's.
        try files(directory, first).install(bag, as: .current)
        #expect { _ = try store(directory, local: first) } throws: {
            ($0 as? Failure)?.text.contains("storage-web@storage-1") == true
        }
        #expect(try files(directory).removeAll())
        try files(directory, second).install(bag, as: .current)
        #expect { _ = try store(directory, local: web) } throws: {
            ($0 as? Failure)?.text.contains("bag of host storage-1, not host storage-2's") == true
        }
    }

    @Test("a server without a bag serves nobody; a client has to know which of several hosts it asks")
    func choices() throws {
        let directory = try KeyDirectory(link: .webStorage)
        #expect(try store(directory, local: web, mayBeEmpty: true).bags.isEmpty)
        #expect(throws: Failure.self) { _ = try store(directory, local: web) }
        let bags = [try bag(first, link: .webStorage), try bag(second, link: .webStorage)]
        try files(directory, first).install(bags[0], as: .current)
        #expect(try store(directory, local: web).offered().id == bags[0].id)
        try files(directory, second).install(bags[1], as: .current)
        #expect { _ = try store(directory, local: web).offered() } throws: {
            ($0 as? Failure)?.text.contains("staging.node") == true
        }
        let named = try KeyBagStore(
            directory: directory.path, link: .webStorage, local: web, peer: second, allowTestKeys: false, logger: quiet)
        #expect(try named.offered().id == bags[1].id)
        #expect(named.bags.bag(bags[0].id, now: 0) != nil)
    }
}
