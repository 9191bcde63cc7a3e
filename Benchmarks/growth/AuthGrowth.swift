import ArgumentParser
import Clients
import AuthService
import FFSModel
import Requests
import SystemSupport
import Tobj

/// ffsauthd's requests against its own database, through their bytes on the wire: customers, three grants each, a product
/// for ten of them, and one customer with up to 5,000 products.
struct AuthGrowth: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "auth", abstract: "Customers, grants and products in the master database.")
    @OptionGroup var steps: Steps

    private static let richest = 5_000
    private static let now = SystemClock.now()

    /// Carries requests to the service in this process.
    private struct Direct: RequestTransport {
        let table: RequestTable

        func exchange(_ request: Document) async throws(Failure) -> Document {
            let received = try Document(bytes: request.serialized())
            let reply = await table.answer(received, link: .control, peer: "benchmark") { _, _ in }
            return try Document(bytes: reply.serialized())
        }
    }

    func run() async throws {
        let path = "\(steps.directory)/auth/master.sqlite"
        guard let user = try SystemUser(number: SystemUser.effectiveNumber) else {
            throw ValidationError("this user has no name")
        }
        let database = try SQLiteMasterDatabase(path: path, owner: user)
        let service = AuthService(
            database: database, hasher: try PasswordHasher(cost: 1, threads: 1, queue: 1),
            settings: SignInSettings(hashCost: 1), logger: quiet, clock: { SystemClock.now() })
        let client = AuthClient(Direct(table: service.requestTable(daemon: "ffsauthd", version: "benchmark")))
        var filled = 0
        for size in steps.sizes {
            try await fill(database, from: filled, to: size)
            filled = size
            try await ask(client, size)
            var opened: SQLiteMasterDatabase?
            let start = try await milliseconds {
                opened = try SQLiteMasterDatabase(path: path, owner: user)
                _ = try await opened?.read { try $0.customer(CustomerName("c1")) }
            }
            report("auth", "start", size, [start])
            try await opened?.close()
        }
        try await database.close()
    }

    private func fill(_ database: SQLiteMasterDatabase, from first: Int, to end: Int) async throws {
        let slice = 5_000
        for start in stride(from: first, to: end, by: slice) {
            try await database.write { db in
                if start == 0 { try Self.customer("rich", db) }
                for number in start..<min(start + slice, end) {
                    if number % 10 == 0 { try Self.product(number / 10, db) }
                    try Self.customer("c\(number)", db)
                    let products = number / 10 + 1
                    for grant in 0..<3 { try Self.grant("c\(number)", (number * 7 + grant * 31) % products, db) }
                }
            }
        }
    }

    private static func customer(_ name: String, _ db: any MasterWriting) throws {
        try db.insert(
            NewCustomer(
                customer: try CustomerName(name), displayName: name, expires: nil, password: nil, created: now))
    }

    private static func product(_ number: Int, _ db: any MasterWriting) throws {
        let item = Item(product: try ProductName("p\(number)"), version: try VersionName("1.0"))
        try db.upsert(item.product, title: "Product \(number)", summary: "What number \(number) does", at: now)
        var bytes = [UInt8](repeating: 0, count: 32)
        for byte in 0..<8 { bytes[byte] = UInt8(truncatingIfNeeded: number >> (8 * byte)) }
        guard let manifest = ContentDigest(bytes: bytes) else { return }
        try db.publish(item, manifest: manifest, size: 1_000, files: 3, released: now)
        if number < richest { try grant("rich", number, db) }
    }

    private static func grant(_ customer: String, _ product: Int, _ db: any MasterWriting) throws {
        _ = try db.insert(
            EntitlementGrant(customer: try CustomerName(customer), product: try ProductName("p\(product)")), from: now)
    }

    private func ask(_ client: AuthClient, _ size: Int) async throws {
        let (rich, product) = (try CustomerName("rich"), try ProductName("p7"))
        func measure(_ what: String, _ body: (Int) async throws -> Void) async throws {
            var times: [Double] = []
            for round in 0..<steps.rounds { times.append(try await milliseconds { try await body(round) }) }
            report("auth", what, size, times)
        }
        /// Another customer each time, who has three products.
        func someone(_ round: Int) throws -> CustomerName { try CustomerName("c\(round * 7_919 % size)") }

        try await measure("customer") { _ = try await client.send(CustomerList(customer: someone($0))) }
        try await measure("customers-page") { _ = try await client.send(CustomerList(after: someone($0), limit: 100)) }
        try await measure("entitlements") { _ = try await client.entitlements(of: someone($0)) }
        try await measure("order") { round in
            let customer = try someone(round)
            let item = Item(
                product: try ProductName("p\(round * 7_919 % size * 7 % (round * 7_919 % size / 10 + 1))"),
                version: try VersionName("1.0"))
            _ = try await client.order(customer: customer, items: [item], source: "-", id: .random())
        }
        try await measure("orders-of-one") { _ = try await client.send(OrderList(customer: someone($0))) }
        try await measure("grants-of-customer") { _ = try await client.send(EntitlementList(customer: someone($0))) }
        try await measure("grants-of-product") { _ in
            _ = try await client.send(EntitlementList(product: product, limit: 100))
        }
        try await measure("grant") { round in
            _ = try await client.send(
                EntitlementGrant(
                    customer: someone(round), product: product, until: Self.now + Int64(1_000_000 + size + round)))
        }
        try await measure("catalogue-first-page") { _ in _ = try await client.catalogue(of: rich, products: 50) }
        try await measure("catalogue-search") { _ in
            _ = try await client.catalogue(of: rich, search: "product 77", products: 50)
        }
        var page = try await client.catalogue(of: rich, products: 50)
        while page.more, let last = page.entitlements.last?.item, last.product.text < "p8" {
            page = try await client.catalogue(of: rich, after: last, products: 50)
        }
        let deep = page.entitlements.last?.item
        try await measure("catalogue-late-page") { _ in
            _ = try await client.catalogue(of: rich, after: deep, products: 50)
        }
        try await measure("certain-items") { _ in
            _ = try await client.entitlements(
                of: rich, items: [Item(product: product, version: try VersionName("1.0"))])
        }
    }
}
