import Clients
import ChangeFeed
import FFSModel
import Requests
import TestSupport

@testable import AuthService

extension Harness {
    /// What somebody's sqlite3 does.
    @discardableResult
    func sql(_ statements: String) async throws -> String {
        try await command("sqlite3", path, statements).succeeded().trimmed
    }

    /// Runs `body` while commits are looked at, as in the daemon.
    func watching<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
        let looking = Task { await service.watch.run() }
        defer { looking.cancel() }
        return try await body()
    }

    /// Asks as storage host, by way of the relay.
    func next(
        _ node: String = "storage-1", after: FeedPosition?, seen: [FeedPosition] = [], wait: Int = 0, limit: Int = 500
    ) async throws -> FeedAnswer {
        try await web.send(
            FeedNext(node: try NodeName(node), after: after, seen: seen, wait: wait, limit: limit))
    }

    func head() async throws -> FeedPosition { try await database.read { try $0.feedHead() } }
}

extension FeedAnswer {
    /// `update customer acme` and so on.
    var lines: [String] { rows.map(\.line) }
}

extension FeedRow {
    var line: String {
        let columns: [Column] = [.customer, .product, .version, .node]
        return "\(operation.rawValue) \(entity.rawValue) "
            + columns.compactMap { self[$0] }.joined(separator: " ")
    }
}
