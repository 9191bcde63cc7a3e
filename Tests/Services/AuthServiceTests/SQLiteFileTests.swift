import ChangeFeed
import FFSModel
import GRDB
import Glibc
import Requests
import TestSupport
import Testing

@testable import AuthService

/// The database as a file: its modes, its schema, and what an operator's own SQL may do to it.
@Suite struct SQLiteFileTests {
    private func open(_ directory: TemporaryDirectory) throws -> SQLiteMasterDatabase {
        try SQLiteMasterDatabase(path: directory("auth/master.sqlite"), owner: try Harness.owner())
    }

    @Test func isMadeForItsOwnerAlone() async throws {
        let harness = try Harness()
        try await harness.customer()
        #expect(try Files.mode(harness.directory("auth")) == 0o700)
        for name in try Files.names(in: harness.directory("auth")) {
            #expect(try Files.mode(harness.directory("auth/\(name)")) == 0o600, "\(name)")
        }
    }

    @Test func refusesWhatOthersCouldReadOrExchange() async throws {
        let harness = try Harness()
        try await harness.database.close()
        func refusal() async throws -> Failure { try await failure { try open(harness.directory) } }

        try Files.setMode(0o640, of: harness.path)
        let mode = try await refusal()
        #expect(mode.code == .configuration)
        #expect(mode.text.contains("chmod 600 \(harness.path)"))
        try Files.setMode(0o600, of: harness.path)

        try Files.setMode(0o770, of: harness.directory("auth"))
        #expect(try await refusal().text.contains("chmod 700"))
        try Files.setMode(0o700, of: harness.directory("auth"))

        #expect(link(harness.path, harness.directory("second-name")) == 0)
        #expect(try await refusal().text.contains("2 names"))
        #expect(unlink(harness.directory("second-name")) == 0)

        #expect(rename(harness.path, harness.directory("moved")) == 0)
        #expect(symlink(harness.directory("moved"), harness.path) == 0)
        #expect(try await refusal().text.contains("symbolic link"))
        #expect(unlink(harness.path) == 0)
        #expect(rename(harness.directory("moved"), harness.path) == 0)

        if geteuid() == 0 {
            #expect(chown(harness.path, 65_534, 65_534) == 0)
            let owner = try await refusal()
            #expect(owner.code == .configuration)
            #expect(owner.text.contains("chown root"))
            #expect(chown(harness.path, 0, 0) == 0)
        }
        try await open(harness.directory).close()
    }

    @Test func refusesOtherFiles() async throws {
        for (content, code) in [("this is a text of some length, and no database", FailureCode.corrupt)] {
            let directory = try TemporaryDirectory("auth")
            try Files.makeDirectory(directory("auth"), mode: 0o700)
            try Files.write(content, to: directory("auth/master.sqlite"))
            try Files.setMode(0o600, of: directory("auth/master.sqlite"))
            #expect(try await failure { try open(directory) }.code == code)
            #expect(try Files.read(directory("auth/master.sqlite")) == content)
        }
        let directory = try TemporaryDirectory("auth")
        try Files.makeDirectory(directory("auth"), mode: 0o700)
        let queue = try DatabaseQueue(path: directory("auth/master.sqlite"))
        try await queue.write { try $0.execute(sql: "CREATE TABLE other (x)") }
        try queue.close()
        try Files.setMode(0o600, of: directory("auth/master.sqlite"))
        let foreign = try await failure { try open(directory) }
        #expect(foreign.code == .corrupt)
        #expect(foreign.text.contains("auth.database"))
    }

    /// A released migration is never edited: databases that have run it would differ from new ones.
    @Test func theSchemaOfMigration1IsFrozen() async throws {
        let queue = try DatabaseQueue()
        try MasterSchema.migrator.migrate(
            queue, upTo: "1 customers, products, entitlements, orders, nodes, change feed")
        let schema = try await queue.read {
            try String.fetchAll(
                $0, sql: "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'grdb%' ORDER BY name")
        }
        let golden = try Files.read("\(Project.root)/Tests/Services/AuthServiceTests/Support/schema-1.sql")
        #expect(schema.joined(separator: ";\n\n") + ";\n" == golden)
    }

    @Test func anExistingDatabaseIsKeptAndANewerOneRefused() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        try await harness.database.close()
        let again = try open(harness.directory)
        #expect(try await again.read { try $0.customer(acme) }?.displayName == "acme Ltd.")
        try await again.close()

        let queue = try DatabaseQueue(path: harness.path)
        try await queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99 of another year')") }
        try queue.close()
        let newer = try await failure { try open(harness.directory) }
        #expect(newer.code == .configuration)
        #expect(newer.text.contains("newer release"))
    }

    /// The migration from an empty file, step by step as each release did it, gives what a fresh one has.
    @Test func migrationsApplyOneByOne() async throws {
        let stepwise = try DatabaseQueue()
        for migration in MasterSchema.migrator.migrations {
            try MasterSchema.migrator.migrate(stepwise, upTo: migration)
        }
        let fresh = try DatabaseQueue()
        try MasterSchema.migrator.migrate(fresh)
        func schema(_ queue: DatabaseQueue) async throws -> [String] {
            try await queue.read {
                try String.fetchAll($0, sql: "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name")
            }
        }
        #expect(try await schema(stepwise) == schema(fresh))
    }

    /// An operator's own sqlite3, foreign keys off as that program has them: the feed sees it all the same.
    @Test func rawSQLIsFed() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        try await harness.content("tool", "1")
        try await harness.grant(acme, "tool")
        let before = try await harness.database.read {
            try $0.changes(after: 0, limit: 1_000).last?.position.number ?? 0
        }
        for sql in [
            "UPDATE versions SET status = 'withdrawn' WHERE product = 'tool'",
            "UPDATE customers SET expires = 1 WHERE name = 'acme'",
            "UPDATE entitlements SET policy = 'cut'",
            "DELETE FROM contents",
            "INSERT INTO nodes (name, role, address) VALUES ('raw', 'storage', '192.0.2.9')",
        ] {
            let result = try await command("sqlite3", harness.path, sql)
            try result.succeeded()
        }
        let fed = try await harness.database.read { try $0.changes(after: before, limit: 1_000) }
        #expect(
            fed.map { "\($0.operation.rawValue) \($0.entity.rawValue)" }
                == ["update version", "update customer", "update entitlement", "delete content", "insert node"])
        #expect(fed[0][.product] == "tool")
        #expect(fed[0][.version] == "1")
        #expect(fed[0][.manifest] == digest("tool", "1", 0).description)
        #expect(fed[1][.customer] == "acme")
        // The service sees the change at once.
        #expect(try await failure { try await harness.login(acme) }.code == .loginRefused)
        #expect(try await harness.database.brokenReferences() == 1)
    }

    /// What the service could not read back, SQL cannot store.
    @Test(arguments: [
        "INSERT INTO customers (name, display_name) VALUES ('a b', 'x')",
        "INSERT INTO customers (name, display_name) VALUES ('../x', 'x')",
        "INSERT INTO customers (name, display_name) VALUES ('', 'x')",
        "INSERT INTO customers (name, display_name) VALUES ('a' || char(10), 'x')",
        "INSERT INTO customers (name, display_name) VALUES ('é', 'x')",
        "INSERT INTO customers (name, display_name, status) VALUES ('a', 'x', 'maybe')",
        "INSERT INTO customers (name, display_name, expires) VALUES ('a', 'x', 'soon')",
        "INSERT INTO customers (name, display_name, password_hash, password_set) VALUES ('a', 'x', 'secret', 1)",
        "INSERT INTO customers (name, display_name, password_hash) VALUES ('a', 'x', '$y$j9T$a$b')",
        "INSERT INTO contents VALUES ('ABCDEF', 1, 1)",
        "INSERT INTO nodes (name, role, address) VALUES ('n', 'king', 'x')",
        "INSERT INTO products (name, title) VALUES ('a/b', 'x')",
        "PRAGMA foreign_keys = ON; INSERT INTO entitlements (customer, product) VALUES ('nobody', 'nothing')",
        "INSERT INTO entitlements (customer, product, policy) VALUES ('a', 'b', 'grace 0')",
        "INSERT INTO entitlements (customer, product, policy) VALUES ('a', 'b', 'grace 1x')",
        "INSERT INTO entitlements (customer, product, policy) VALUES ('a', 'b', 'grace 604801')",
        "INSERT INTO entitlements (customer, product, starts, ends) VALUES ('a', 'b', 10, 10)",
    ])
    func checksHoldAgainstSQL(sql: String) async throws {
        let queue = try DatabaseQueue()
        try MasterSchema.migrator.migrate(queue)
        await #expect(throws: DatabaseError.self) {
            try await queue.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA foreign_keys = OFF")
                try db.execute(sql: sql)
            }
        }
    }
}
