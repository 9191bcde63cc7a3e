import FFSModel
import Requests
import TestSupport
import Testing

@testable import ffsctl

/// `ffsctl why`: each reason for a refusal is found and named, by the rule that ffsauthd applies.
@Suite(.timeLimit(.minutes(5)))
struct WhyTests {
    private static let now = Timestamp(seconds: 1_800_000_000)

    private static func facts(_ change: (inout WhyFacts) throws -> Void = { _ in }) throws -> WhyFacts {
        var facts = WhyFacts(
            customer: try CustomerName("acme"), product: try ProductName("tool"), version: nil, now: now)
        facts.record = try record()
        facts.versions = [try version("1.0", released: -100), try version("2.0", released: -50)]
        facts.grants = [try grant(3)]
        facts.isHere = true
        try change(&facts)
        return facts
    }

    private static func record(
        status: CustomerRecord.Status = .active, expires: Timestamp? = nil, password: Bool = true
    ) throws -> CustomerRecord {
        CustomerRecord(
            customer: try CustomerName("acme"), displayName: "Acme", status: status, expires: expires, created: now,
            passwordSet: password ? now : nil)
    }

    private static func version(
        _ version: String, released: Int64, _ status: ProductRecord.Status = .published
    ) throws -> ProductRecord {
        ProductRecord(
            item: Item(product: try ProductName("tool"), version: try VersionName(version)), title: "Tool", summary: "",
            manifest: ContentDigest(bytes: [UInt8](repeating: 1, count: 32))!, size: 1, files: 1,
            released: now + released, status: status)
    }

    private static func grant(
        _ id: Int, version: String? = nil, from: Int64 = -10, until: Int64? = nil, limit: Int? = nil, orders: Int = 0,
        revoked: Bool = false
    ) throws -> EntitlementRecord {
        EntitlementRecord(
            id: id, customer: try CustomerName("acme"), product: try ProductName("tool"),
            version: try version.map { try VersionName($0) }, from: now + from, until: until.map { now + $0 },
            policy: .finish, orderLimit: limit, orders: orders, revoked: revoked ? now : nil)
    }

    @Test func yesNamesTheGrant() throws {
        let facts = try Self.facts()
        #expect(facts.answer.isYes && facts.answer.sentence.contains("tool 2.0"))
        #expect(facts.reasons.contains { $0.sentence.contains("Entitlement 3 lets acme order it") })
    }

    @Test func everyObstacleIsNamed() throws {
        let cases: [(String, (inout WhyFacts) throws -> Void)] = [
            ("There is no customer acme", { $0.record = nil }),
            ("acme is disabled", { $0.record = try Self.record(status: .disabled) }),
            ("acme ended at", { $0.record = try Self.record(expires: Self.now) }),
            ("has no password", { $0.record = try Self.record(password: false) }),
            ("knows no tool", { $0.versions = [] }),
            ("tool 2.0 was withdrawn", { $0.versions = [try Self.version("2.0", released: 0, .withdrawn)] }),
            ("was never granted tool", { $0.grants = [] }),
            ("version 1.0 alone", { $0.grants = [try Self.grant(1, version: "1.0")] }),
            ("was revoked at", { $0.grants = [try Self.grant(1, revoked: true)] }),
            ("it begins at", { $0.grants = [try Self.grant(1, from: 1)] }),
            ("it ended at", { $0.grants = [try Self.grant(1, until: 0)] }),
            ("its 2 orders are used up", { $0.grants = [try Self.grant(1, limit: 2, orders: 2)] }),
            ("does not hold tool 2.0", { $0.isHere = false }),
        ]
        for (words, change) in cases {
            let facts = try Self.facts(change)
            #expect(!facts.answer.isYes, "\(words)")
            #expect(facts.reasons.contains { $0.verdict == .no && $0.sentence.contains(words) }, "\(words)")
        }
    }

    @Test func theRunningSystemSaysTheSame() async throws {
        let system = try await System.start()
        let folder = system.directory("content")
        try Files.makeDirectory(folder)
        try Files.write("hello\n", to: "\(folder)/a.txt")
        try await system.ctl("product", "publish", "tool", "1.0", folder).succeeded()
        let nobody = try await system.ctl("why", "acme", "tool")
        #expect(nobody.status == 1 && nobody.output.contains("There is no customer acme"), "\(nobody)")
        try await system.ctl("customer", "add", "acme", "--generate").succeeded()
        let ungranted = try await system.ctl("why", "acme", "tool", "1.0", "--json")
        #expect(ungranted.status == 1 && ungranted.output.contains("\"answer\": \"no\""), "\(ungranted)")
        try await system.ctl("entitlement", "grant", "acme", "tool").succeeded()
        let granted = try await system.ctl("why", "acme", "tool")
        #expect(granted.status == 0 && granted.output.contains("Yes: acme can order tool 1.0 now."), "\(granted)")
        #expect(granted.output.contains("This host's repository holds tool 1.0."), "\(granted)")
        try await system.stop()
    }
}
