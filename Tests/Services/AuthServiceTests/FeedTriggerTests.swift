import ChangeFeed
import FFSModel
import TestSupport
import Testing

@testable import AuthService

/// The triggers under SQL that others write: nothing that a host may hold changes without a row.
@Suite struct FeedTriggerTests {
    private func harness() async throws -> Harness {
        let harness = try Harness()
        let acme = try await harness.customer()
        try await harness.customer("other")
        try await harness.content("tool", "1")
        try await harness.content("tool", "2")
        try await harness.grant(acme, "tool")
        return harness
    }

    @Test(
        "REPLACE's hidden deletes are fed, as sqlite3 leaves them; what was not replaced is not",
        arguments: [
            // Grant 1 was acme's: nothing else would tell of its end.
            (
                "INSERT OR REPLACE INTO entitlements (id, customer, product) VALUES (1, 'other', 'tool')",
                ["delete entitlement acme tool", "insert entitlement other tool"]
            ),
            (
                "REPLACE INTO customers (name, display_name) VALUES ('acme', 'x'), ('new', 'y')",
                ["delete customer acme", "insert customer acme", "insert customer new"]
            ),
            (
                "UPDATE OR REPLACE versions SET version = '2' WHERE version = '1'",
                ["delete version tool 2", "delete version tool 1", "insert version tool 2"]
            ),
            (
                "INSERT INTO entitlements (customer, product) VALUES ('other', 'tool'); UPDATE OR REPLACE entitlements SET id = 1 WHERE id = 2",
                [
                    "insert entitlement other tool", "delete entitlement acme tool", "delete entitlement other tool",
                    "insert entitlement other tool",
                ]
            ),
            ("INSERT OR IGNORE INTO customers (name, display_name) VALUES ('acme', 'x')", []),
            (
                "INSERT INTO customers (name, display_name) VALUES ('acme', 'x') ON CONFLICT (name) DO UPDATE SET status = 'disabled'",
                ["update customer acme"]
            ),
            (
                "INSERT OR IGNORE INTO customers (name, display_name) VALUES ('acme', 'x'); INSERT INTO customers (name, display_name) VALUES ('late', 'x')",
                ["insert customer late"]
            ),
            ("BEGIN; DELETE FROM customers; ROLLBACK", []),
            ("UPDATE OR IGNORE versions SET version = '2' WHERE version = '1'", []),
        ] as [(String, [String])])
    func replace(sql: String, expected: [String]) async throws {
        let harness = try await harness()
        let head = try await harness.head()
        try await harness.sql(sql)
        #expect(try await harness.next(after: head).lines == expected)
    }

    @Test func keysAreBounded() async throws {
        let harness = try await harness()
        let head = try await harness.head()
        // sqlite3 has foreign keys off: anything can stand in a reference.
        try await harness.sql(
            "INSERT INTO entitlements (customer, product, version) VALUES ('acme', 'tool', printf('%.*c', 1000000, 'x'))"
        )
        let row = try #require(try await harness.next(after: head).rows.first)
        #expect(row[.version]?.utf8.count == 255)
    }

    /// Statements that succeed, fail half-way, are rolled back or replace each other: numbers are without gaps and in the order
    /// of commits, nonces differ, and who replays the feed's keys knows of every change.
    @Test(.timeLimit(.minutes(2))) func numbersHaveNoGaps() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let harness = try await harness()
        func name() -> String { "n\(Int.random(in: 0..<8, using: &random))" }
        func conflict() -> String {
            ["", "OR REPLACE ", "OR IGNORE ", "OR FAIL ", "OR ABORT ", "OR ROLLBACK "].randomElement(using: &random)
                ?? ""
        }
        func statement() -> String {
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                "INSERT \(conflict())INTO customers (name, display_name) VALUES ('\(name())', 'x'), ('\(name())', 'y');"
            case 1: "UPDATE \(conflict())customers SET name = '\(name())' WHERE name = '\(name())';"
            case 2: "DELETE FROM customers WHERE name = '\(name())';"
            case 3:
                "INSERT \(conflict())INTO nodes (name, role, address) VALUES ('\(name())', 'web', 'h'), ('\(name())', 'oops', 'h');"
            case 4: "UPDATE nodes SET address = address || 'x';"
            case 5:
                "UPDATE \(conflict())entitlements SET customer = '\(name())' WHERE id = \(Int.random(in: 1..<9, using: &random));"
            case 6: "SAVEPOINT s; DELETE FROM nodes WHERE name = '\(name())'; ROLLBACK TO s; RELEASE s;"
            default:
                "INSERT \(conflict())INTO entitlements (id, customer, product) VALUES (\(Int.random(in: 1..<9, using: &random)), '\(name())', 'tool');"
            }
        }
        var script = ""
        for _ in 0..<400 {
            let statements = (0..<Int.random(in: 1...3, using: &random)).map { _ in statement() }.joined(separator: " ")
            script +=
                Bool.random(using: &random)
                ? "BEGIN; \(statements) \(["COMMIT", "ROLLBACK"].randomElement(using: &random) ?? "");\n"
                : statements + "\n"
        }
        let state = "SELECT count(*) FROM customers; SELECT count(*) FROM entitlements; SELECT count(*) FROM nodes"
        _ = try await command(["sqlite3", harness.path], input: script)
        let rows = try await harness.database.read { try $0.changes(after: 0, limit: 10_000) }
        #expect(rows.count > 20, "seed \(seed)")
        #expect(rows.map(\.position.number) == Array(1...rows.count), "seed \(seed)")
        #expect(Set(rows.map(\.position.nonce)).count == rows.count, "seed \(seed)")
        // Inserts less deletes are what there is: no end of a row is missing.
        func balance(_ entity: FeedRow.Entity) -> Int {
            rows.filter { $0.entity == entity }.reduce(0) {
                switch $1.operation {
                case .insert: $0 + 1
                case .delete: $0 - 1
                case .update: $0
                }
            }
        }
        let counts = try await harness.sql(state).lines.map { Int($0) }
        #expect([balance(.customer), balance(.entitlement), balance(.node)] == counts, "seed \(seed)")
    }
}

/// Repeatable by its seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
