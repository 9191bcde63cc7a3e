package import FFSModel
package import GRDB
import Synchronization
package import SystemSupport

/// A database of ours in one SQLite file: opened for its owner alone, recognised, brought up to date; a writer, several
/// readers, a write-ahead log.
package final class SQLiteFile: Sendable {
    /// What a file is, and what to say when it is not that.
    package struct Kind: Sendable {
        /// As in "the master database".
        package let noun: String
        /// The option that names the file.
        package let option: String
        package let daemon: String
        /// `PRAGMA application_id`: tells the file from any other SQLite database.
        package let applicationID: Int32
        package let migrator: DatabaseMigrator
        /// KiB of pages that the writer keeps in memory; nil for SQLite's own.
        package let cache: Int?

        package init(
            noun: String, option: String, daemon: String, applicationID: Int32, migrator: DatabaseMigrator,
            cache: Int? = nil
        ) {
            self.noun = noun
            self.option = option
            self.daemon = daemon
            self.applicationID = applicationID
            self.migrator = migrator
            self.cache = cache
        }
    }

    package let pool: DatabasePool
    private let kind: Kind
    private let isClosed = Mutex(false)

    /// Opens the file, making it (mode 0600) and its tables when there is none, and bringing older tables up to date.
    ///
    /// - Parameter owner: the user that file and directory must belong to: the daemon's own.
    /// - Throws: `configuration` when file or directory could be read or exchanged by others, or the file belongs to
    ///   a newer release; `corrupt` when it is not a database of that kind.
    package init(_ kind: Kind, path: String, owner: SystemUser) throws {
        let directory = Self.directory(of: path)
        try PrivateFile.createDirectory(directory)
        _ = try PrivateFile.verifyDirectory(directory, owner: owner)
        // First the mode, then the contents: SQLite gives the log and index files the database's own mode.
        try PrivateFile.create(path)
        for file in [path, path + "-wal", path + "-shm"] {
            _ = try PrivateFile.verify(file, owner: owner)
        }
        self.kind = kind
        do {
            pool = try DatabasePool(path: path, configuration: Self.configuration(kind))
            // GRDB takes the writer back to NORMAL when it turns the write-ahead log on: what was answered must survive a
            // power cut, not only a kill.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            try pool.read { try Self.recognise($0, kind, path: path) }
            try kind.migrator.migrate(pool)
        } catch let error as DatabaseError { throw Self.failure(error, kind, path: path) }
    }

    /// What is before the last `/`; the file lies in a directory of its own so that nobody else can put a
    /// write-ahead log beside it.
    package static func directory(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// What can be said of the file without opening it, as SQLite would leave files of whoever looks; throws what ``init(_:path:owner:)``
    /// would. Returns whether it is there.
    package static func verify(_ path: String, owner: SystemUser) throws(Failure) -> Bool {
        let directory = directory(of: path)
        guard try PrivateFile.verifyDirectory(directory, owner: owner) else {
            let parent = Self.directory(of: directory)
            guard Descriptor.isThere(parent) else {
                throw Failure(
                    .configuration,
                    "there is no directory \(parent); create it (install.sh install does) or set state.directory")
            }
            return false
        }
        var exists = false
        for file in [path, path + "-wal", path + "-shm"] {
            exists = try PrivateFile.verify(file, owner: owner) || exists
        }
        return exists
    }

    private static func configuration(_ kind: Kind) -> Configuration {
        var configuration = Configuration()
        configuration.label = kind.daemon
        configuration.maximumReaderCount = 4
        // Only an operator's own sqlite3 competes for the lock.
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
            if let cache = kind.cache { try db.execute(sql: "PRAGMA cache_size = -\(cache)") }
        }
        return configuration
    }

    private static func recognise(_ db: Database, _ kind: Kind, path: String) throws {
        let id = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
        guard id == kind.applicationID || id == 0 && tables == 0 else {
            throw Failure(
                .corrupt,
                "\(path) is a SQLite database, but not FFS's \(kind.noun); set \(kind.option) to another path")
        }
        guard try tables == 0 || !kind.migrator.hasBeenSuperseded(db) else {
            throw Failure(
                .configuration,
                "\(path) was written by a newer release of FFS; install that release, or restore a backup made by this one"
            )
        }
    }

    /// Runs `body` over one consistent state of the database.
    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        do { return try await again { try await pool.read(body) } } catch let error as DatabaseError {
            throw failure(error)
        }
    }

    /// Runs `body` in one transaction: all of it is durable when this returns, none of it when it throws.
    package func write<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        do { return try await again { try await pool.write(body) } } catch let error as DatabaseError {
            throw failure(error)
        }
    }

    /// Also brings the whole log into the file: whoever copies that file of a stopped daemon has everything.
    /// Closing it again does nothing: SQLite would follow a connection that is gone.
    package func close() async throws {
        let wasClosed = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return isClosed
        }
        guard !wasClosed else { return }
        do {
            _ = try await again { try await pool.writeWithoutTransaction { try $0.checkpoint(.truncate) } }
            try pool.close()
        } catch let error as DatabaseError { throw failure(error) }
    }

    /// Once more when it was interrupted and nobody asked for that: a task that was cancelled interrupts its statement, and
    /// when that has just ended, the next one on the connection, whosever it is.
    private func again<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as DatabaseError
            where error.resultCode == .SQLITE_INTERRUPT && !Task.isCancelled
        {
            return try await body()
        }
    }

    private func failure(_ error: DatabaseError) -> Failure { Self.failure(error, kind, path: pool.path) }

    /// SQLite's codes in FFS's terms; what no operator can mend stays as it is and is logged as `internal`.
    private static func failure(_ error: DatabaseError, _ kind: Kind, path: String) -> Failure {
        // The statement may carry values; only code and message are for the log.
        let cause = "SQLite \(error.extendedResultCode.rawValue): \(error.message ?? "-")"
        switch error.resultCode {
        case .SQLITE_FULL:
            return Failure(
                .noSpace, "there is no space left for the \(kind.noun); free some on its file system", cause: cause)
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            return Failure(
                .busy, "another program holds the \(kind.noun); end its transaction", cause: cause, retryAfter: 2)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return Failure(
                .corrupt, "the \(kind.noun) is damaged; stop \(kind.daemon) and restore \(path) from a backup",
                cause: cause)
        case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_IOERR:
            return Failure(
                .internal, "the \(kind.noun) cannot be read or written; see \(kind.daemon)'s log", cause: cause)
        default:
            return Failure(.internal, "the \(kind.noun) refused a statement; see \(kind.daemon)'s log", cause: cause)
        }
    }
}
