import Events
import FFSModel
import Pipeline
import Testing
import Transparency

@testable import PipelineService

/// One charge each, whatever comes twice, in pieces, or in another order.
@Suite struct LedgerTests {
    private static let fees = Fees(service: 150, content: 2_000)

    private static func published(_ product: String = "tool", bytes: UInt64) -> Event {
        var event = Event(.contentPublished, time: 1)
        event.set(.product, product)
        event.set(.version, "1")
        event.set(.content, TreeHashing.hash(Array(product.utf8)))
        event.set(.bytes, bytes)
        return event
    }

    private static func post(_ harness: LogHarness, limit: Int = 2) async throws -> [String] {
        while try await harness.log.post(fees, limit: limit) {}
        return try await harness.log.charges(ChargeQuery()).map {
            "\($0.ledger) \($0.delivery.order) \($0.delivery.product) \($0.amount)"
        }
    }

    private static func findings(_ harness: LogHarness) async throws -> [String] {
        var (all, after): ([String], UInt64) = ([], 0)
        while true {
            let (findings, last) = try await harness.log.reconcile(after: after, limit: 2)
            all += findings.map { "\($0.delivery.order) \($0.text)" }
            guard let last else { return all }
            after = last
        }
    }

    @Test func aWholeDeliveryOverTwoHostsIsChargedOnce() async throws {
        let harness = try await LogHarness()
        var (one, two) = (TestProducer("storage-1"), TestProducer("storage-2"))
        _ = try await harness.log.ingest(one.batch([Self.published(bytes: 150)]))
        _ = try await harness.log.ingest(one.batch([download(bytes: 0..<60, type: .downloadAborted)]))
        #expect(try await Self.post(harness) == ["service 7 tool 150"])
        _ = try await harness.log.ingest(two.batch([download(bytes: 50..<100), download(bytes: 50..<100)]))
        #expect(try await Self.post(harness).count == 1)
        _ = try await harness.log.ingest(two.batch([download(path: "/tool/1/b", bytes: 0..<50, size: 50), download()]))
        #expect(try await Self.post(harness) == ["service 7 tool 150", "content 7 tool 2000"])
        _ = try await harness.log.ingest(
            two.batch([download(), download(order: 8), download(order: 9, product: "other")]))
        #expect(
            try await Self.post(harness)
                == ["service 7 tool 150", "content 7 tool 2000", "service 8 tool 150", "service 9 other 150"])
        #expect(try await Self.findings(harness).isEmpty)
    }

    /// Hosts' events arrive in any order: the size may come last.
    @Test func aSizeThatComesLateCompletes() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        _ = try await harness.log.ingest(host.batch([download(), download(order: 8, bytes: 0..<99)]))
        #expect(try await Self.post(harness).count == 2)
        _ = try await harness.log.ingest(host.batch([Self.published(bytes: 100)]))
        #expect(try await Self.post(harness).last == "content 7 tool 2000")
        #expect(try await Self.findings(harness).isEmpty)
    }

    @Test func whatBelongsToNoOrderOrIsNonsenseCostsNothing() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        var without = download()
        without[.order] = nil
        _ = try await harness.log.ingest(
            host.batch([without, download(bytes: 90..<110, size: 100), Self.published(bytes: 100)]))
        #expect(try await Self.post(harness).isEmpty)
    }

    @Test func reconciliationNamesWhatDiffers() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        _ = try await harness.log.ingest(
            host.batch(
                [Self.published(bytes: 100)] + (1...4).map { download(order: $0) } + [download(order: 5, bytes: 0..<9)])
        )
        #expect(try await Self.post(harness).count == 9)
        #expect(try await Self.findings(harness).isEmpty)
        try await harness.sql(
            """
            DELETE FROM charges WHERE order_number = 1 AND ledger = 'content';
            DELETE FROM charges WHERE order_number = 2 AND ledger = 'service';
            UPDATE charges SET order_number = 5 WHERE order_number = 3 AND ledger = 'content';
            INSERT INTO charges (ledger, order_number, product, version, amount, leaf, at)
                VALUES ('service', 77, 'tool', '1', 5, 1, 1);
            """)
        #expect(
            try await Self.findings(harness) == [
                "1 was delivered whole, but bears no content fee",
                "2 was delivered, but bears no service fee", "2 bears a content fee without a service fee",
                "3 was delivered whole, but bears no content fee",
                "5 bears a content fee, but 9 of 100 bytes were delivered",
                "77 bears a fee, but nothing of it was delivered",
            ])
    }
}
