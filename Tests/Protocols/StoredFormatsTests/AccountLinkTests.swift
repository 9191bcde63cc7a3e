import FFSModel
import StoredFormats
import Testing

@Suite struct AccountLinkTests {
    /// docs/formats.md; made with Python's hmac module.
    private static let golden = "6b01f840-7f617637683a068c0933bb0ed31856c7aee8a1da"
    private let record: AccountRecord
    private let evening = Timestamp("2026-11-21T20:00:00Z")!

    init() throws { record = try AccountRecordTests.record() }

    @Test func goldenText() throws {
        let link = record.link(until: evening)
        #expect(link.text == Self.golden)
        #expect(AccountLink(text: Array(Self.golden.utf8)) == link)
        #expect(link.expires == evening)
    }

    @Test func opensUntilItsEnd() throws {
        let link = record.link(until: evening)
        #expect(record.admits(link: link, at: evening + -1))
        #expect(!record.admits(link: link, at: evening))
        #expect(!record.withdrawn(at: evening + -10, policy: .finish).admits(link: link, at: evening + -5))
        #expect(record.extended(to: evening + 900_000, at: record.created).admits(link: link, at: evening + -1))
    }

    @Test func neverOutlivesTheAccount() throws {
        let link = record.link(until: record.expires + 1_000)
        #expect(link.expires == record.expires)
        #expect(!record.extended(to: evening, at: record.created).admits(link: link, at: evening))
    }

    /// Account, time and password each change the code.
    @Test func opensNothingElse() throws {
        let link = record.link(until: evening)
        let now = evening + -100
        let others = [
            ("bbbbbbbbbbbbbbbb", "test"), ("abcdefghijklmnop", "other"),
        ]
        for (account, password) in others {
            let other = AccountRecord(
                account: try AccountID(account), customer: record.customer, items: record.items,
                created: record.created, expires: record.expires, policy: .finish, order: 0, request: record.request,
                passwordDigest: .sha256(of: Array(password.utf8)), fileCount: 0, bytes: 0)
            #expect(!other.admits(link: link, at: now))
        }
        let code = Self.golden.split(separator: "-")[1]
        let later = try #require(AccountLink(text: Array("\(String(evening.seconds + 1, radix: 16))-\(code)".utf8)))
        #expect(!record.admits(link: later, at: now))
        let flipped = try #require(
            AccountLink(text: Array((Self.golden.dropLast() + (code.last == "0" ? "1" : "0")).utf8)))
        #expect(!record.admits(link: flipped, at: now))
    }

    @Test(arguments: [
        "", "-", "x", "6920b3a0", "6920b3a0-", "0\(golden)", "-\(golden)", "\(golden)0", String(golden.dropLast()),
        golden.uppercased(), "+\(golden)", "\(golden)-", "ffffffffffffffff\(golden)", " \(golden)",
    ])
    func malformed(_ text: String) { #expect(AccountLink(text: Array(text.utf8)) == nil) }
}
