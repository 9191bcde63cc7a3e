import Events
import FFSModel
import Pipeline
import Testing

@testable import PipelineService

/// Who received what.
@Suite struct LogRecallTests {
    @Test func everyRecipientIsListedOnceAPage() async throws {
        let harness = try await LogHarness()
        var (one, two) = (TestProducer("storage-1"), TestProducer("storage-2"))
        _ = try await harness.log.ingest(
            one.batch([
                download("acme", order: 1), download("acme", order: 1, bytes: 0..<40, type: .downloadAborted),
                download("zeta", order: 2), download("nil", order: 3, bytes: 5..<5),
                download("acme", order: 4, product: "other"),
            ]))
        _ = try await harness.log.ingest(two.batch([download("acme", order: 1, bytes: 90..<100)]))
        var all: [Recipient] = []
        while true {
            let page = try await harness.log.recipients(
                of: try ProductName("tool"), version: nil, after: all.last, limit: 1)
            guard !page.isEmpty else { break }
            all += page
        }
        let told = all.map {
            "\(String(decoding: $0.name ?? [], as: UTF8.self)) \($0.order ?? 0) \($0.host) \($0.bytes)"
        }
        #expect(told == ["acme 1 storage-1 140", "acme 1 storage-2 10", "zeta 2 storage-1 100"])
        #expect(
            try await harness.log.recipients(
                of: try ProductName("tool"), version: try VersionName("2"), limit: 9
            ).isEmpty)
        #expect(try await harness.log.horizons().map(\.node) == ["storage-1", "storage-2"])
        // An erased customer is a number that received it.
        _ = try await harness.log.erase(customer: "zeta", by: "uid 0")
        let erased = try await harness.log.recipients(of: try ProductName("tool"), version: nil, limit: 9)
        #expect(erased.count == 3 && erased.last?.name == nil && erased.last?.customer == 2)
    }
}
