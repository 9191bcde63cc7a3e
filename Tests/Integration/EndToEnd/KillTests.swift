import FoundationEssentials
import Synchronization
import TestSupport
import Testing

/// kill -9 of every daemon at random moments of 100 orders: each order becomes exactly one account, whole, and
/// whoever asks again gets the same one.
@Suite(.timeLimit(.minutes(10)))
final class KillTests: Sendable {
    private static let orders = 100
    /// Small trees as well as one that takes ffsstaged a while, so that kills hit it in the middle of one.
    private static let files = 300
    /// Whether orders are still being placed.
    private let running = Mutex(true)

    @Test func everyAccountIsWholeOrAbsent() async throws {
        let system = try await System.start()
        try await prepare(system)
        async let kills = killAndRestart(system)
        let accounts = try await placeOrders(system)
        running.withLock { $0 = false }
        #expect(try await kills >= 20, "too few kills to say anything")
        #expect(Set(accounts).count == Self.orders, "an order became two accounts, or two orders one")
        for daemon in System.Daemon.allCases {
            #expect(try await system.ctl("status", daemon.rawValue).status == 0, "\(daemon) is up at the end")
        }
        try await inspect(system, accounts)
        try await system.stop()
    }

    private func prepare(_ system: System) async throws {
        let content = try TemporaryDirectory("kill")
        for number in 0..<Self.files { try Files.write("part \(number)\n", to: content("part-\(number)")) }
        try await Delivery.publish(content.path, in: system)
        try await system.ctl(
            "customer", "add", Delivery.customer, "--password-stdin", input: Delivery.customerPassword + "\n"
        ).succeeded()
        try await system.ctl("entitlement", "grant", Delivery.customer, Delivery.product).succeeded()
    }

    /// One daemon after the other, at random moments, until all orders are placed. Returns how many were killed.
    private func killAndRestart(_ system: System) async throws -> Int {
        var kills = 0
        while running.withLock({ $0 }) {
            for daemon in System.Daemon.allCases.shuffled() {
                try await Task.sleep(for: .milliseconds(.random(in: 20...400)))
                try await system.process(daemon).kill9()
                try await system.start(daemon)
                kills += 1
            }
        }
        return kills
    }

    /// Each order is sent until it is answered with an account, always with the same key.
    private func placeOrders(_ system: System) async throws -> [String] {
        var accounts: [String] = []
        for number in 0..<Self.orders {
            let key = "order-\(number)"
            var account: String?
            try await eventually(within: .seconds(60), "order \(number) is answered") {
                guard let token = try? await Delivery.signIn(to: system) else { return false }
                account = try? await Delivery.stage(in: system, token: token, key: key).account
                return account != nil
            }
            accounts.append(try #require(account))
        }
        return accounts
    }

    private func inspect(_ system: System, _ accounts: [String]) async throws {
        let there = try Files.names(in: system.accounts).filter { !$0.hasPrefix(".") }
        #expect(Set(there) == Set(accounts), "accounts on disk are those that customers were told of")
        for account in accounts {
            let root = "\(system.accounts)/\(account)/root"
            let names = try Files.names(in: "\(root)/\(Delivery.folder)")
            #expect(names.count == Self.files, "\(account) has \(names.count) files")
            try await command("sha256sum", "--check", "--quiet", "SHA256SUMS", directory: root).succeeded()
            #expect(Files.exists("\(system.accounts)/\(account)/record"))
        }
        let hidden = try Files.names(in: "\(system.accounts)/.building")
        #expect(hidden.isEmpty, "half-built trees are gone: \(hidden)")
        let orders = try await system.ctl("order", "list", "--limit", "0", "--json").succeeded()
        let rows = try JSONDecoder().decode([[String: Anything]].self, from: Data(orders.outputBytes))
        #expect(rows.count == Self.orders, "each order is recorded once")
        let reconciled = try await system.ctl("staging", "reconcile", "--dry-run", "--json").succeeded()
        #expect(!reconciled.output.contains("true"), "nothing to mend: \(reconciled)")
    }
}

/// Any JSON value; only its presence matters.
private struct Anything: Decodable {
    init(from decoder: any Decoder) throws {}
}
