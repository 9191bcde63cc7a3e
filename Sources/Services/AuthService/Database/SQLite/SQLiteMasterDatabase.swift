import Databases
import GRDB
package import SystemSupport

/// The master database in one SQLite file.
package final class SQLiteMasterDatabase: MasterDatabase {
    private let file: SQLiteFile
    private let commits: CommitEnds

    /// Opens the file, or makes it; see ``SQLiteFile``.
    package init(path: String, owner: SystemUser) throws {
        file = try SQLiteFile(
            SQLiteFile.Kind(
                noun: "master database", option: "auth.database", daemon: "ffsauthd",
                applicationID: MasterSchema.applicationID, migrator: MasterSchema.migrator),
            path: path, owner: owner)
        commits = try CommitEnds(path: path)
    }

    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (any MasterReading) throws -> Value
    ) async throws -> Value {
        try await file.read { try body(SQLiteTransaction(db: $0)) }
    }

    package func write<Value: Sendable>(
        _ body: @escaping @Sendable (any MasterWriting) throws -> Value
    ) async throws -> Value {
        try await file.write { try body(SQLiteTransaction(db: $0)) }
    }

    package func ends() async throws -> LogEnds { try await commits.read() }

    package func close() async throws {
        commits.close()
        try await file.close()
    }

    /// Rows whose references lead nowhere, left by SQL that ran without foreign keys; for the check at start.
    package func brokenReferences() async throws -> Int {
        try await file.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM pragma_foreign_key_check") ?? 0 }
    }
}
