import FFSModel
import StoredFormats
import Testing

@Suite struct AccountRecordTests {
    static let items = [
        Item(product: ProductName(validated: "ignite-ux"), version: VersionName(validated: "C.7.24")),
        Item(product: ProductName(validated: "tools"), version: VersionName(validated: "1~rc1")),
    ]

    static func origin(retailer: RetailerName? = nil, metered: Bool = false) -> AccountRecord.Origin {
        AccountRecord.Origin(
            trace: TraceID("f0e0d0c0b0a090807060504030201000")!,
            manifests: [items[0]: .sha256(of: Array("test".utf8)), items[1]: .sha256(of: [])],
            retailer: retailer, level: retailer == nil ? 0 : 4, isMetered: metered)
    }

    static func record(
        origin: AccountRecord.Origin? = nil, withdrawn: Timestamp? = nil
    ) throws -> AccountRecord {
        AccountRecord(
            account: try AccountID("abcdefghijklmnop"), customer: try CustomerName("ops@acme.example"),
            items: items, created: Timestamp("2026-11-21T08:00:00Z")!, expires: Timestamp("2026-11-22T08:00:00Z")!,
            policy: .grace(seconds: 600), order: 17, request: RequestID("000102030405060708090a0b0c0d0e0f")!,
            origin: origin, passwordDigest: .sha256(of: Array("test".utf8)), fileCount: 3, bytes: 812,
            withdrawn: withdrawn)
    }

    /// docs/formats.md, example: changing these bytes is changing the format.
    static let golden = [
        #"<account-record v="1"><account>abcdefghijklmnop</account><customer>ops@acme.example</customer>"#,
        #"<item product="ignite-ux" version="C.7.24"/><item product="tools" version="1~rc1"/>"#,
        #"<created>2026-11-21T08:00:00Z</created><expires>2026-11-22T08:00:00Z</expires><policy>grace 600</policy>"#,
        #"<order>17</order><request>000102030405060708090a0b0c0d0e0f</request>"#,
        #"<password-sha256>9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08</password-sha256>"#,
        #"<files>3</files><size unit="byte">812</size></account-record>"#, "\n",
    ].joined()

    @Test func goldenBytes() throws {
        let record = try Self.record()
        #expect(String(decoding: record.serialized(), as: UTF8.self) == Self.golden)
        #expect(try AccountRecord(bytes: Array(Self.golden.utf8)) == record)
    }

    /// docs/formats.md, example of format 2.
    static let golden2 = [
        #"<account-record v="2"><account>abcdefghijklmnop</account><customer>ops@acme.example</customer>"#,
        #"<item product="ignite-ux" version="C.7.24" manifest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"/>"#,
        #"<item product="tools" version="1~rc1" manifest="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"/>"#,
        #"<created>2026-11-21T08:00:00Z</created><expires>2026-11-22T08:00:00Z</expires><policy>grace 600</policy>"#,
        #"<order>17</order><request>000102030405060708090a0b0c0d0e0f</request>"#,
        #"<trace>f0e0d0c0b0a090807060504030201000</trace><retailer>parts-direct</retailer><level>4</level><metered/>"#,
        #"<password-sha256>9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08</password-sha256>"#,
        #"<files>3</files><size unit="byte">812</size></account-record>"#, "\n",
    ].joined()

    @Test func goldenBytesOfFormat2() throws {
        let record = try Self.record(origin: Self.origin(retailer: try RetailerName("parts-direct"), metered: true))
        #expect(String(decoding: record.serialized(), as: UTF8.self) == Self.golden2)
        #expect(try AccountRecord(bytes: Array(Self.golden2.utf8)) == record)
        let plain = try Self.record(origin: Self.origin())
        #expect(try AccountRecord(bytes: plain.serialized()) == plain)
    }

    /// What a newer ffsstaged extends or withdraws keeps its format: what is not known is not made up.
    @Test func aRecordKeepsItsFormat() throws {
        for golden in [Self.golden, Self.golden2] {
            let record = try AccountRecord(bytes: Array(golden.utf8))
            let changed = record.extended(to: record.expires + 60, at: record.created).withdrawn(
                at: record.expires, policy: .cut)
            #expect(changed.serialized().starts(with: golden.utf8.prefix(22)))
            let again = try AccountRecord(bytes: changed.serialized())
            #expect(again == changed && again.origin == record.origin)
            #expect(again.extendedAt == (record.origin == nil ? nil : record.created))
        }
    }

    @Test(arguments: [
        (#"v="2""#, #"v="3""#), (#"v="2""#, #"v="1""#), ("<level>4</level>", ""), ("<level>4", "<level>5"),
        (#" manifest="e3b0"#, #" manifest="E3B0"#), (#" manifest="e3b0"#, #" other="e3b0"#),
        ("<trace>f0", "<trace>F0"), ("<retailer>parts-direct", "<retailer>-"),
    ])
    func refusesWhatFormat2DoesNotHave(_ right: String, _ wrong: String) {
        let text = Self.golden2.replacing(right, with: wrong)
        let error = #expect(throws: Failure.self) { try AccountRecord(bytes: Array(text.utf8)) }
        #expect(error?.code == .corrupt)
    }

    @Test func withdrawnIsKept() throws {
        let time = Timestamp("2026-11-21T09:00:00Z")!
        let record = try Self.record().withdrawn(at: time, policy: .cut)
        let again = try AccountRecord(bytes: record.serialized())
        #expect(again == record)
        #expect(again.withdrawn == time && again.policy == .cut)
        #expect(!again.isLive(at: Timestamp("2026-11-21T08:30:00Z")!), "a clock set back revives nothing")
    }

    @Test func admitsOnlyTheRightPasswordInTime() throws {
        let record = try Self.record()
        let within = Timestamp("2026-11-22T07:59:59Z")!
        #expect(record.admits(password: Array("test".utf8), at: within))
        #expect(!record.admits(password: Array("Test".utf8), at: within))
        #expect(!record.admits(password: [], at: within))
        #expect(!record.admits(password: Array("test".utf8), at: record.expires))
        #expect(
            record.extended(to: record.expires + 60, at: record.created).admits(
                password: Array("test".utf8), at: record.expires))
    }

    /// A comparison of a part of the digest would let one password in 2^8, or 2^64, in.
    @Test func everyByteOfThePasswordsDigestCounts() throws {
        let right = ContentDigest.sha256(of: Array("test".utf8)).description
        for index in 0..<32 {
            var hex = Array(right.utf8)
            hex[2 * index] = hex[2 * index] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
            let text = Self.golden.replacing(right, with: String(decoding: hex, as: UTF8.self))
            let record = try AccountRecord(bytes: Array(text.utf8))
            #expect(!record.admits(password: Array("test".utf8), at: record.created), "byte \(index)")
        }
    }

    @Test(arguments: [
        (#"v="1""#, #"v="2""#), ("abcdefghijklmnop", "../../etc/passwd"), ("<files>3</files>", ""),
        ("<order>17</order>", "<order>17</order><extra>1</extra>"), ("grace 600", "grace 0"),
        ("9f86d081", "9F86D081"), ("</account-record>", ""), ("2026-11-22", "2026-13-22"), ("<item", "<itom"),
    ])
    func refusesWhatItDidNotWrite(_ right: String, _ wrong: String) {
        let text = Self.golden.replacing(right, with: wrong)
        let error = #expect(throws: Failure.self) { try AccountRecord(bytes: Array(text.utf8)) }
        #expect(error?.code == .corrupt)
    }

    @Test func refusesEveryTruncation() {
        let bytes = Array(Self.golden.utf8).dropLast()
        for count in 0..<bytes.count {
            #expect(throws: Failure.self) { try AccountRecord(bytes: Array(bytes[..<count])) }
        }
    }

    @Test func onlyAccountNamesAreAccounts() {
        #expect(AccountArea.account(directory: Array("abcdefghijklmnop".utf8))?.text == "abcdefghijklmnop")
        #expect(AccountArea.account(directory: Array(".building".utf8)) == nil)
        #expect(AccountArea.account(directory: Array("lost+found".utf8)) == nil)
        #expect(AccountArea.account(directory: Array("ABCDEFGHIJKLMNOP".utf8)) == nil)
    }
}
