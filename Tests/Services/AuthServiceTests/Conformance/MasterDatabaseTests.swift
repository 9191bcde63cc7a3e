import ChangeFeed
import FFSModel
import GRDB
import Requests
import SystemSupport
import TestSupport
import Testing

@testable import AuthService

/// The engines that must pass: each makes an empty master database that lives as long as the closure's value.
enum Engine: String, CaseIterable, CustomTestStringConvertible {
    case sqlite

    var testDescription: String { rawValue }

    func withDatabase(_ body: (any MasterDatabase) async throws -> Void) async throws {
        switch self {
        case .sqlite:
            let directory = try TemporaryDirectory("master")
            let database = try SQLiteMasterDatabase(path: directory("auth/master.sqlite"), owner: try Harness.owner())
            try await body(database)
            try await database.close()
        }
    }
}

/// What AuthService relies on, whichever engine holds the rows.
@Suite struct MasterDatabaseTests {
    private static let now = Timestamp(seconds: 1_800_000_000)
    private let hash = PasswordHash(text: "$y$j9T$salt$hash")

    private static func insertCustomer(
        _ name: String, expires: Timestamp? = nil, password: PasswordHash? = nil, _ db: any MasterWriting
    ) throws {
        try db.insert(
            NewCustomer(
                customer: try CustomerName(name), displayName: "The \(name)", expires: expires, password: password,
                created: now))
    }

    private static func publish(
        _ product: String, _ version: String, released: Timestamp = now, seed: UInt8 = 0, _ db: any MasterWriting
    ) throws {
        let item = Item(product: try ProductName(product), version: try VersionName(version))
        try db.upsert(item.product, title: nil, summary: nil, at: now)
        try db.publish(item, manifest: digest(product, version, seed), size: 10, files: 2, released: released)
    }

    private static func item(_ product: String, _ version: String) throws -> Item {
        Item(product: try ProductName(product), version: try VersionName(version))
    }

    @Test(arguments: Engine.allCases)
    func customersRoundTrip(engine: Engine) async throws {
        try await engine.withDatabase { database in
            let acme = try CustomerName("acme")
            let hash = hash
            try await database.write { db in
                try Self.insertCustomer("acme", expires: Self.now + 9, password: hash, db)
                try Self.insertCustomer("Zeta@example.com", db)
            }
            let (record, credentials) = try await database.read {
                (try $0.customer(acme), try $0.credentials(of: acme))
            }
            #expect(
                record
                    == CustomerRecord(
                        customer: acme, displayName: "The acme", status: .active, expires: Self.now + 9,
                        created: Self.now, passwordSet: Self.now))
            #expect(credentials?.password == hash)
            #expect(try await database.read { try $0.credentials(of: try CustomerName("Acme")) } == nil)
            // By byte value, whatever the machine's locale.
            let names = try await database.read { try $0.customers(after: nil, limit: 9).map(\.customer.text) }
            #expect(names == ["Zeta@example.com", "acme"])

            let (found, missing) = try await database.write { db in
                let found = try db.update(acme, displayName: nil, status: .disabled, expires: .never)
                let missing = try db.update(try CustomerName("x"), displayName: "X", status: nil, expires: nil)
                return (found, missing)
            }
            #expect(found && !missing)
            let changed = try await database.read { try $0.customer(acme) }
            #expect(changed?.status == .disabled)
            #expect(changed?.expires == nil)
            #expect(changed?.displayName == "The acme")
        }
    }

    @Test(arguments: Engine.allCases)
    func aFailedTransactionLeavesNothing(engine: Engine) async throws {
        try await engine.withDatabase { database in
            let refusal = try await failure {
                try await database.write { db in
                    try Self.insertCustomer("acme", db)
                    try Self.publish("tool", "1", db)
                    throw Failure(.busy, "on purpose")
                }
            }
            #expect(refusal.code == .busy)
            let left = try await database.read { db in
                try db.customers(after: nil, limit: 9).count + db.versions(of: nil, after: nil, limit: 9).count
                    + db.changes(after: 0, limit: 9).count
            }
            #expect(left == 0)
            // A duplicate key is refused by the database itself.
            try await database.write { try Self.insertCustomer("acme", $0) }
            #expect(
                try await failure { try await database.write { try Self.insertCustomer("acme", $0) } }.code == .internal
            )
        }
    }

    @Test(arguments: Engine.allCases)
    func renewalLosesAgainstAChange(engine: Engine) async throws {
        try await engine.withDatabase { database in
            let acme = try CustomerName("acme")
            let (old, renewed, changed) = (
                hash, PasswordHash(text: "$y$jAT$a$b"), PasswordHash(text: "$y$j9T$c$d")
            )
            try await database.write { db in
                try Self.insertCustomer("acme", password: old, db)
                try db.setPassword(changed, of: acme, at: Self.now)
                try db.renewPassword(old, by: renewed, of: acme)
            }
            #expect(try await database.read { try $0.credentials(of: acme)?.password } == changed)
            try await database.write { try $0.renewPassword(changed, by: renewed, of: acme) }
            #expect(try await database.read { try $0.credentials(of: acme)?.password } == renewed)
        }
    }

    @Test(arguments: Engine.allCases)
    func offersAreNewestFirstAndPaged(engine: Engine) async throws {
        try await engine.withDatabase { database in
            let acme = try CustomerName("acme")
            try await database.write { db in
                try Self.insertCustomer("acme", db)
                for number in 0..<7 {
                    try Self.publish("b-tool", "1.\(number)", released: Self.now + Int64(number / 2), db)
                }
                try Self.publish("a-tool", "1", db)
                try Self.publish("c-tool", "1", db)
                for product in ["a-tool", "b-tool"] {
                    let grant = EntitlementGrant(customer: acme, product: try ProductName(product))
                    _ = try db.insert(grant, from: Self.now)
                }
            }
            let expected = [
                "a-tool-1", "b-tool-1.6", "b-tool-1.5", "b-tool-1.4", "b-tool-1.3", "b-tool-1.2", "b-tool-1.1",
                "b-tool-1.0",
            ]
            for limit in [1, 3, 100] {
                var got: [Item] = []
                while true {
                    let after = got.last
                    let page = try await database.read {
                        try $0.offers(
                            OfferSelection(customer: acme, now: Self.now), after: after, products: nil, limit: limit)
                    }
                    got += page.map(\.entitlement.item)
                    if page.count < limit { break }
                }
                #expect(got.map(\.folder) == expected)
            }
        }
    }

    @Test(arguments: Engine.allCases)
    func theBestGrantMakesTheOffer(engine: Engine) async throws {
        try await engine.withDatabase { database in
            let acme = try CustomerName("acme")
            let tool = try ProductName("tool")
            let item = try Self.item("tool", "1")
            let ids = try await database.write { db in
                try Self.insertCustomer("acme", expires: Self.now + 5_000, db)
                try Self.publish("tool", "1", db)
                func grant(until: Int64?, orders: Int? = nil) throws -> Int {
                    try db.insert(
                        EntitlementGrant(
                            customer: acme, product: tool, until: until.map { Self.now + $0 }, orderLimit: orders),
                        from: Self.now)
                }
                return try [grant(until: 10), grant(until: nil, orders: 1), grant(until: 20), grant(until: 9_000)]
            }
            func offer(at seconds: Int64) async throws -> (grant: Int, until: Timestamp?)? {
                try await database.read { try $0.offer(of: item, to: acme, at: Self.now + seconds, holding: nil) }
                    .map { ($0.grant, $0.entitlement.until) }
            }
            let first = try #require(try await offer(at: 0))
            #expect(first.grant == ids[3])
            // The customer ends before the grant does.
            #expect(first.until == Self.now + 5_000)
            try await database.write { try $0.revokeEntitlement(ids[3], at: Self.now) }
            #expect(try await offer(at: 0)?.grant == ids[2])
            #expect(try await offer(at: 20)?.grant == ids[1])
            #expect(try await offer(at: 5_000) == nil)
            #expect(try await offer(at: -1) == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func ordersUseUpALimitAndStayAsHistory(engine: Engine) async throws {
        try await engine.withDatabase { database in
            let acme = try CustomerName("acme")
            let item = try Self.item("tool", "1")
            let trace = TraceID.random()
            let number = try await database.write { db in
                try Self.insertCustomer("acme", db)
                try Self.publish("tool", "1", db)
                _ = try db.insert(
                    EntitlementGrant(customer: acme, product: item.product, orderLimit: 1), from: Self.now)
                let offer = try #require(try db.offer(of: item, to: acme, at: Self.now, holding: nil))
                return try db.insert(
                    NewOrder(
                        customer: acme, items: [offer], placed: Self.now, source: "192.0.2.1",
                        policy: .grace(seconds: 60), until: Self.now + 7, trace: trace))
            }
            #expect(try await database.read { try $0.offer(of: item, to: acme, at: Self.now, holding: nil) } == nil)
            #expect(
                try await database.read { try $0.entitlements(of: acme, to: nil, standingAt: nil, after: 0, limit: 9) }
                    .map(\.orders) == [1])
            _ = try await database.write { try $0.delete(acme) }
            let orders = try await database.read { try $0.orders(of: nil, after: nil, limit: 9) }
            #expect(
                orders == [
                    OrderRecord(
                        order: number, customer: acme, items: [item], placed: Self.now, source: "192.0.2.1",
                        policy: .grace(seconds: 60), until: Self.now + 7, trace: trace)
                ])
            #expect(
                try await database.read { try $0.entitlements(of: nil, to: nil, standingAt: nil, after: 0, limit: 9) }
                    .isEmpty)
        }
    }

    @Test(arguments: Engine.allCases)
    func listsPageWithoutGapsOrRepeats(engine: Engine) async throws {
        try await engine.withDatabase { database in
            try await database.write { db in
                for number in 0..<25 {
                    try Self.insertCustomer("c\(number)", db)
                    try Self.publish("p\(number % 5)", "v\(number)", seed: UInt8(number), db)
                    try db.upsert(
                        NodeRegister(node: try NodeName("n\(number)"), role: .storage, address: "192.0.2.1"),
                        at: Self.now)
                }
            }
            var customers: [CustomerName] = []
            var items: [Item] = []
            var nodes: [NodeName] = []
            for _ in 0..<10 {
                let (c, i, n) = (customers.last, items.last, nodes.last)
                customers += try await database.read { try $0.customers(after: c, limit: 4).map(\.customer) }
                items += try await database.read { try $0.versions(of: nil, after: i, limit: 4).map(\.item) }
                nodes += try await database.read { try $0.nodes(after: n, limit: 4).map(\.node) }
            }
            #expect(customers == customers.sorted())
            #expect(nodes == nodes.sorted())
            for count in [Set(customers).count, customers.count, Set(items).count, items.count, nodes.count] {
                #expect(count == 25)
            }
        }
    }

    @Test(arguments: Engine.allCases)
    func repliesAreKeptAndForgotten(engine: Engine) async throws {
        try await engine.withDatabase { database in
            let (old, new) = (RequestID.random(), RequestID.random())
            let fingerprint = String(repeating: "0", count: 64)
            try await database.write { db in
                for (id, at) in [(old, Self.now), (new, Self.now + 10)] {
                    try db.store(
                        StoredReply(fingerprint: fingerprint, document: Array("<tobj/>".utf8), at: at), to: id)
                }
                try db.forgetReplies(before: Self.now + 10)
            }
            let (first, second) = try await database.read { (try $0.storedReply(to: old), try $0.storedReply(to: new)) }
            #expect(first == nil)
            #expect(second?.fingerprint == fingerprint)
            #expect(second?.document == Array("<tobj/>".utf8))
        }
    }

    @Test(arguments: Engine.allCases)
    func everyChangeIsFed(engine: Engine) async throws {
        try await engine.withDatabase { database in
            let acme = try CustomerName("acme")
            let item = try Self.item("tool", "1")
            func changes(_ body: @escaping @Sendable (any MasterWriting) throws -> Void) async throws -> [String] {
                let before = try await database.read {
                    try $0.changes(after: 0, limit: 1_000).last?.position.number ?? 0
                }
                try await database.write(body)
                return try await database.read { try $0.changes(after: before, limit: 1_000) }.map { change in
                    let keys = [change[.customer], change[.product], change[.version], change[.node]].compactMap(\.self)
                    return "\(change.operation.rawValue) \(change.entity.rawValue) \(keys.joined(separator: " "))"
                }
            }
            let hash = hash
            #expect(
                try await changes { try Self.insertCustomer("acme", password: hash, $0) } == ["insert customer acme"])
            #expect(
                try await changes { try Self.publish("tool", "1", $0) }
                    == ["insert product tool", "insert content ", "insert version tool 1"])
            #expect(
                try await changes {
                    _ = try $0.insert(EntitlementGrant(customer: acme, product: item.product), from: Self.now)
                } == ["insert entitlement acme tool"])
            #expect(
                try await changes { db in
                    let id = try #require(
                        try db.entitlements(of: acme, to: nil, standingAt: nil, after: 0, limit: 1).first?.id)
                    try db.revokeEntitlement(id, at: Self.now)
                } == ["update entitlement acme tool"])
            // New content under the same name: the version leaves its old manifest and gets a new one.
            #expect(
                try await changes { try Self.publish("tool", "1", seed: 1, $0) }
                    == ["insert content ", "delete version tool 1", "insert version tool 1", "delete content "])
            #expect(
                try await changes { try $0.setStatus(.withdrawn, of: item) } == ["update version tool 1"])
            #expect(
                try await changes { try $0.upsert(item.product, title: "T", summary: nil, at: Self.now) }
                    == ["update product tool"])
            #expect(
                try await changes {
                    _ = try $0.update(acme, displayName: nil, status: .disabled, expires: nil)
                } == ["update customer acme"])
            #expect(
                try await changes {
                    try $0.upsert(
                        NodeRegister(node: try NodeName("n1"), role: .storage, address: "a"), at: Self.now)
                } == ["insert node n1"])
            // What no storage host keeps is not its business: names for people, passwords, a change that changes nothing.
            #expect(
                try await changes { db in
                    _ = try db.update(acme, displayName: "Other", status: nil, expires: nil)
                    try db.setPassword(PasswordHash(text: "$y$j9T$c$d"), of: acme, at: Self.now)
                    try db.setStatus(.withdrawn, of: item)
                } == [])
            #expect(
                try await changes { _ = try $0.delete(acme) } == [
                    "delete entitlement acme tool", "delete customer acme",
                ])
        }
    }

    @Test(arguments: Engine.allCases)
    func oldChangesAreForgottenInSlices(engine: Engine) async throws {
        try await engine.withDatabase { database in
            try await database.write { db in for number in 0..<7 { try Self.insertCustomer("c\(number)", db) } }
            // The feed has the machine's time, which is not this test's.
            let (start, end) = (Timestamp(seconds: 0), Timestamp(seconds: Int64(Int32.max)))
            func forget(below floor: Int, before: Timestamp) async throws -> Int {
                try await database.write { try $0.forgetChanges(below: floor, before: before, atMost: 3) }
            }
            func kept() async throws -> [Int] {
                try await database.read { try $0.changes(after: 0, limit: 9).map(\.position.number) }
            }
            #expect(try await forget(below: 0, before: start) == 0)
            // What every host has applied goes, and the row that the slowest asks from stays.
            #expect(try await forget(below: 3, before: start) == 2)
            #expect(try await kept() == [3, 4, 5, 6, 7])
            #expect(try await forget(below: 0, before: end) == 3)
            #expect(try await kept() == [6, 7])
            // The newest stays, whatever is asked.
            #expect(try await forget(below: 100, before: end) == 1)
            #expect(try await forget(below: 100, before: end) == 0)
            #expect(try await kept() == [7])
            let head = try await database.read { try $0.feedHead() }
            #expect(head.number == 7)
            #expect(try await database.read { try $0.feedNonce(of: 7) } == head.nonce)
            #expect(try await database.read { try $0.feedNonce(of: 6) } == nil)
            #expect(try await database.read { try $0.changeCount() } == 1)
            try await database.write { try Self.insertCustomer("late", $0) }
            #expect(try await kept() == [7, 8])
        }
    }

    @Test(arguments: Engine.allCases)
    func eventsWaitUntilTheLogHasThem(engine: Engine) async throws {
        try await engine.withDatabase { database in
            let incarnation = try await database.read { try $0.outboxIncarnation() }
            #expect(try await database.ends().outbox == 0)
            try await database.write { db in
                for number in 1...5 { try db.append([UInt8(number), 0, 0xFF], at: Self.now + Int64(number)) }
            }
            #expect(try await database.ends().outbox == 5)
            #expect(try await database.read { try $0.newestEvent() } == 5)
            let some = try await database.read { try $0.events(after: 1, limit: 2) }
            #expect(some == [.init(number: 2, record: [2, 0, 0xFF]), .init(number: 3, record: [3, 0, 0xFF])])
            func forget(_ before: Timestamp) async throws -> [Int] {
                while try await database.write({ try $0.forgetEvents(before: before, atMost: 2) }) > 0 {}
                return try await database.read { try $0.events(after: 0, limit: 9).map(\.number) }
            }
            #expect(try await forget(Self.now + 100) == [1, 2, 3, 4, 5])
            try await database.write { try $0.acknowledgeEvents(through: 3) }
            #expect(try await forget(Self.now + 3) == [3, 4, 5])
            #expect(try await forget(Self.now + 100) == [4, 5])
            try await database.write { try $0.acknowledgeEvents(through: 5) }
            #expect(try await forget(Self.now + 100) == [5])
            try await database.write { try $0.renewOutbox() }
            #expect(try await database.read { try $0.outboxIncarnation() } != incarnation)
        }
    }
}
