import ChangeFeed
import Commlink
import FFSModel
import Requests
import Synchronization
import TestSupport
import Testing

@testable import CommlinkTransport

/// Questions that wait for news (``RequestType/Row/mayWait``).
@Suite("questions that may wait", .timeLimit(.minutes(2)))
struct WaitingTests {
    /// How many wait, and how many were cancelled.
    private final class Waiters: Sendable {
        let now = Mutex(0)
        let cancelled = Mutex(0)
    }

    private func table(_ waiters: Waiters) -> RequestTable {
        var table = RequestTable(daemon: "ffstest", version: "1") { Timestamp(seconds: 0) }
        table.on(FeedNext.self) { message, _ in
            waiters.now.withLock { $0 += 1 }
            defer { waiters.now.withLock { $0 -= 1 } }
            do { try await Task.sleep(for: .milliseconds(message.wait)) } catch {
                waiters.cancelled.withLock { $0 += 1 }
                throw error
            }
            return FeedAnswer(
                rows: [], position: FeedPosition(number: 1, nonce: 1), isAtHead: true, isReset: false)
        }
        return table
    }

    private func question(_ wait: Int = 60_000) throws -> FeedNext {
        FeedNext(node: try NodeName("storage-1"), after: nil, wait: wait)
    }

    private func code(_ body: () async throws -> Void) async -> FailureCode? {
        do {
            try await body()
            return nil
        } catch { return (error as? Failure)?.code }
    }

    @Test("513 of them wait on one connection, and a ping is answered; they end with the connection")
    func manyWait() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let waiters = Waiters()
        let running = try await RunningServer(keys, table(waiters))
        let client = running.client(keys)
        let asking = try (0..<513).map { _ in
            let question = try question()
            return Task { await code { _ = try await client.send(question) } }
        }
        try await eventually("513 wait") { waiters.now.withLock { $0 } == 513 }
        #expect(try await client.send(Ping()).daemon == "ffstest")
        #expect(try await client.send(try question(1)).isAtHead)
        // The server stops: nobody waits for what waits.
        let start = ContinuousClock.now
        try await running.stop()
        #expect(ContinuousClock.now - start < .seconds(20))
        try await eventually("all cancelled") { waiters.cancelled.withLock { $0 } == 513 }
        for task in asking { #expect([.unreachable, .draining].contains(await task.value)) }
        await client.close()
    }

    @Test("one more than a connection may have, or than all may, is busy")
    func bounds() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        for (connection, all) in [(3, 100), (100, 3)] {
            var settings = CommlinkSettings()
            settings.waitsPerConnection = connection
            settings.waitsInAll = all
            let waiters = Waiters()
            let running = try await RunningServer(keys, table(waiters), settings: settings)
            let client = running.client(keys)
            let asking = try (0..<3).map { _ in
                let question = try question()
                return Task { await code { _ = try await client.send(question) } }
            }
            try await eventually("3 wait") { waiters.now.withLock { $0 } == 3 }
            let more = try question()
            #expect(await code { _ = try await client.send(more) } == .busy)
            #expect(try await client.send(Ping()).daemon == "ffstest")
            for task in asking { task.cancel() }
            await client.close()
            try await running.stop()
        }
    }
}
