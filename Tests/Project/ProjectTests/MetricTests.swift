import TestSupport
import Testing

/// Every metric says in `/metrics` what it is.
@Suite struct MetricTests {
    /// Shown by `ffsctl status` alone.
    private static let statusOnly: Set<String> = [
        "ffs_accounts", "ffs_staging_queue", "ffs_web_sessions", "ffs_ftp_customer_sign_ins",
        "ffs_ftp_customer_sign_ins_failed",
    ]

    /// `"ffs_…"` in a source text.
    private static func names(in text: String) -> Set<String> {
        Set(
            text.split(separator: "\"").map(String.init).filter { word in
                word.hasPrefix("ffs_") && !word.hasSuffix("_")
                    && word.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x5F }
            })
    }

    @Test func everyMetricIsDescribed() throws {
        var named: Set<String> = []
        var described: Set<String> = []
        for path in try Files.below("\(Project.root)/Sources", suffix: ".swift") {
            let found = Self.names(in: try Files.read(path))
            if path.hasSuffix("/MetricDescriptions.swift") { described = found } else { named.formUnion(found) }
        }
        #expect(described.count > 15)
        #expect(named.subtracting(Self.statusOnly).sorted() == described.sorted())
    }
}
