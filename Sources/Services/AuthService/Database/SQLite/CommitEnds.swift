import FFSModel
import GRDB
import Synchronization

/// Reads where feed and outbox end, over a connection that does nothing else: SQLite tells a connection by `data_version` whether
/// any other has committed since it last looked, without a reading of the tables.
final class CommitEnds: Sendable {
    /// nil once closed: the connection goes when its last reading has ended.
    private let queue: Mutex<DatabaseQueue?>
    private let last = Mutex<(version: Int, ends: LogEnds)?>(nil)

    init(path: String) throws {
        var configuration = Configuration()
        configuration.label = "ends"
        configuration.readonly = true
        queue = Mutex(try DatabaseQueue(path: path, configuration: configuration))
    }

    func read() async throws -> LogEnds {
        guard let queue = queue.withLock({ $0 }) else {
            throw Failure(.draining, "the master database is closed")
        }
        return try await queue.read { [self] db in
            // Before the ends: what is committed in between is found again at the next look.
            let version = try Int.fetchOne(db, sql: "PRAGMA data_version") ?? 0
            if let last = last.withLock({ $0 }), last.version == version { return last.ends }
            let transaction = SQLiteTransaction(db: db)
            let ends = LogEnds(feed: try transaction.feedHead(), outbox: try transaction.newestEvent())
            last.withLock { $0 = (version, ends) }
            return ends
        }
    }

    func close() { queue.withLock { $0 = nil } }
}
