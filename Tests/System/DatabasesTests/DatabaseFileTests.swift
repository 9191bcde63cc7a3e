import FFSModel
import GRDB
import SystemSupport
import TestSupport
import Testing

@testable import Databases

/// A database's file, whatever is in it. AuthService's `SQLiteFileTests` try the same through the master database.
@Suite struct DatabaseFileTests {
    private static func kind(_ id: Int32, cache: Int? = nil) -> SQLiteFile.Kind {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { db in
            try db.execute(sql: "PRAGMA application_id = \(id); CREATE TABLE things (x INTEGER) STRICT")
        }
        return SQLiteFile.Kind(
            noun: "test database", option: "test.database", daemon: "ffstestd", applicationID: id, migrator: migrator,
            cache: cache)
    }

    private static func open(_ path: String, id: Int32 = 0x4646_5374) throws -> SQLiteFile {
        let owner = try #require(try SystemUser(number: SystemUser.effectiveNumber))
        return try SQLiteFile(kind(id, cache: 4_096), path: path, owner: owner)
    }

    @Test func whatWasWrittenIsThereAgain() async throws {
        let directory = try TemporaryDirectory("databases")
        let path = directory("own/test.sqlite")
        let file = try Self.open(path)
        try await file.write { try $0.execute(sql: "INSERT INTO things VALUES (7)") }
        let settings = try await file.pool.write { db in
            (try Int.fetchOne(db, sql: "PRAGMA synchronous"), try Int.fetchOne(db, sql: "PRAGMA cache_size"))
        }
        #expect(settings.0 == 2 && settings.1 == -4_096)
        try await file.close()
        #expect(try Files.mode(path) == 0o600)
        let again = try Self.open(path)
        #expect(try await again.read { try Int.fetchOne($0, sql: "SELECT x FROM things") } == 7)
        try await again.close()
    }

    @Test func refusalsNameTheFileAndTheOption() async throws {
        let directory = try TemporaryDirectory("databases")
        let path = directory("own/test.sqlite")
        try await Self.open(path).close()
        do {
            _ = try Self.open(path, id: 0x4646_5375)
            Issue.record("another kind of database was opened")
        } catch let failure as Failure {
            #expect(failure.code == .corrupt)
            #expect(failure.text.contains("not FFS's test database; set test.database"))
        }
        let file = try Self.open(path)
        do {
            try await file.write { try $0.execute(sql: "INSERT INTO things VALUES ('secret')") }
            Issue.record("a text was stored as a number")
        } catch let failure as Failure {
            #expect(failure.code == .internal && !failure.text.contains("secret"))
        }
        try await file.close()
    }
    /// A daemon that stops cancels what runs, and then writes a last time; closing it twice is closing it.
    @Test func whoIsCancelledTakesNobodyElseAlong() async throws {
        let directory = try TemporaryDirectory("databases")
        let file = try Self.open(directory("own/test.sqlite"))
        for round in 0..<300 {
            let work = Task {
                while !Task.isCancelled {
                    try? await file.write { try $0.execute(sql: "INSERT INTO things VALUES (1)") }
                }
            }
            if round.isMultiple(of: 3) { await Task.yield() }
            work.cancel()
            try await file.write { try $0.execute(sql: "INSERT INTO things VALUES (2)") }
        }
        #expect(try await file.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM things WHERE x = 2") } == 300)
        try await file.close()
        try await file.close()
    }
}
