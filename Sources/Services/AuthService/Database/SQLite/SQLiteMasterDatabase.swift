import FFSModel
import GRDB
package import SystemSupport

/// The master database in one SQLite file: a writer, several readers, a write-ahead log.
package final class SQLiteMasterDatabase: MasterDatabase {
    private let pool: DatabasePool

    /// Opens the file, making it (mode 0600) and its tables when there is none, and bringing older tables up to date.
    ///
    /// - Parameter owner: the user that file and directory must belong to: the daemon's own.
    /// - Throws: `configuration` when file or directory could be read or exchanged by others, or the file belongs to
    ///   a newer release; `corrupt` when it is not a master database.
    package init(path: String, owner: SystemUser) throws {
        let directory = Self.directory(of: path)
        try PrivateFile.createDirectory(directory)
        _ = try PrivateFile.verifyDirectory(directory, owner: owner)
        // First the mode, then the contents: SQLite gives the log and index files the database's own mode.
        try PrivateFile.create(path)
        for file in [path, path + "-wal", path + "-shm"] {
            _ = try PrivateFile.verify(file, owner: owner)
        }
        pool = try Self.translated(path) { try DatabasePool(path: path, configuration: Self.configuration) }
        try Self.translated(path) { [pool] in
            try pool.read { try Self.recognise($0, path: path) }
            try MasterSchema.migrator.migrate(pool)
        }
    }

    /// What is before the last `/`; the file lies in a directory of its own so that nobody else can put a
    /// write-ahead log beside it.
    static func directory(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "master"
        configuration.maximumReaderCount = 4
        // Only an operator's own sqlite3 competes for the lock.
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            // An order that was answered must survive a power cut, not only a kill.
            try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
        }
        return configuration
    }

    private static func recognise(_ db: Database, path: String) throws {
        let id = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
        guard id == MasterSchema.applicationID || id == 0 && tables == 0 else {
            throw Failure(
                .corrupt,
                "\(path) is a SQLite database, but not FFS's master database; set auth.database to another path"
            )
        }
        guard try tables == 0 || !MasterSchema.migrator.hasBeenSuperseded(db) else {
            throw Failure(
                .configuration,
                "\(path) was written by a newer release of FFS; install that release, or restore a backup made by this one"
            )
        }
    }

    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (any MasterReading) throws -> Value
    ) async throws -> Value {
        do { return try await pool.read { try body(SQLiteTransaction(db: $0)) } } catch let error as DatabaseError {
            throw Self.failure(error, path: pool.path)
        }
    }

    package func write<Value: Sendable>(
        _ body: @escaping @Sendable (any MasterWriting) throws -> Value
    ) async throws -> Value {
        do { return try await pool.write { try body(SQLiteTransaction(db: $0)) } } catch let error as DatabaseError {
            throw Self.failure(error, path: pool.path)
        }
    }

    /// Also brings the whole log into the file: whoever copies that file of a stopped daemon has everything.
    package func close() async throws {
        do {
            _ = try await pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
            try pool.close()
        } catch let error as DatabaseError { throw Self.failure(error, path: pool.path) }
    }

    /// Rows whose references lead nowhere, left by SQL that ran without foreign keys; for the check at start.
    package func brokenReferences() async throws -> Int {
        try await pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM pragma_foreign_key_check") ?? 0 }
    }
}

extension SQLiteMasterDatabase {
    private static func translated<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as DatabaseError { throw failure(error, path: path) }
    }

    /// SQLite's codes in FFS's terms; what no operator can mend stays as it is and is logged as `internal`.
    private static func failure(_ error: DatabaseError, path: String) -> any Error {
        // The statement may carry values; only code and message are for the log.
        let cause = "SQLite \(error.extendedResultCode.rawValue): \(error.message ?? "-")"
        switch error.resultCode {
        case .SQLITE_FULL:
            return Failure(
                .noSpace, "there is no space left for the master database; free some on its file system", cause: cause)
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            return Failure(
                .busy, "another program holds the master database; end its transaction", cause: cause, retryAfter: 2)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return Failure(
                .corrupt, "the master database is damaged; stop ffsauthd and restore \(path) from a backup",
                cause: cause)
        case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_IOERR:
            return Failure(
                .internal, "the master database cannot be read or written; see ffsauthd's log", cause: cause)
        default:
            return Failure(.internal, "the master database refused a statement; see ffsauthd's log", cause: cause)
        }
    }
}
