import FFSModel
import Requests
import Tobj
import Testing

@testable import FTPService

/// `ftp.list` as workers and supervisor answer it.
@Suite struct SessionPageTests {
    private final class Row: ListedSession {
        let name: String
        let address: IPAddress
        let account: AccountID?
        let downloads: Int

        init(_ name: String, at address: String = "192.0.2.1", account: AccountID? = nil, downloads: Int = 1) throws {
            self.name = name
            self.address = try #require(IPAddress(text: address.utf8))
            self.account = account
            self.downloads = downloads
        }

        func uses(_ account: AccountID) -> Bool { self.account == account }

        var rows: [FTPSession] {
            (0..<downloads).map { number in
                FTPSession(
                    id: name, service: .ftp, peer: "\(address):1", seconds: number, account: account?.text, tls: nil,
                    bytes: nil, rate: nil, path: nil)
            }
        }
    }

    /// All pages, each made by every worker and merged, through the messages' bytes.
    private func pages(_ workers: [[Row]], _ first: FTPWho) throws -> [FTPWho.Reply] {
        var pages: [FTPWho.Reply] = []
        repeat {
            let who = FTPWho(
                account: first.account, address: first.address, after: pages.last?.sessions.last?.id,
                limit: first.limit)
            let question = WorkerAnswer.question(who)
            let asked = try #require(WorkerAnswer.who(question))
            let answers = workers.map { WorkerAnswer.merged(question, [element(asked.page(of: $0))]) }
            pages.append(who.merged(answers.compactMap(WorkerAnswer.page)))
        } while pages.last?.more == true && pages.count < 1_000
        return pages
    }

    private func element(_ reply: FTPWho.Reply) -> Element { Element("sessions", children: reply.body) }

    @Test(arguments: [1, 3, 7, 500])
    func everySessionStandsOnOnePage(limit: Int) throws {
        var workers: [[Row]] = []
        var wanted: [String] = []
        // Names of ten workers: 10 comes after 9.
        for worker in [0, 2, 9, 10] {
            let ftp = try (1...12).map { try Row("\(worker)-\($0)") }
            let https = try (1...3).map { try Row("\(worker)-h\($0)", downloads: $0) }
            workers.append((ftp + https).shuffled())
            wanted += ftp.map(\.name) + https.flatMap { row in row.rows.map(\.id) }
        }
        let pages = try pages(workers.shuffled(), FTPWho(limit: limit))
        #expect(pages.flatMap { $0.sessions.map(\.id) } == wanted)
        #expect(pages.allSatisfy { $0.total == 60 && $0.matching == 60 })
        #expect(pages.allSatisfy { Set($0.sessions.map(\.id)).count <= limit })
    }

    @Test func filters() throws {
        let account = try AccountID("abcdefghij234567")
        let rows = try [
            Row("0-1"), Row("0-2", at: "198.51.100.7"), Row("0-3", at: "2001:db8::1", account: account),
            Row("0-h1", at: "198.51.100.8", account: account, downloads: 2),
        ]
        func names(_ who: FTPWho) throws -> [String] {
            let pages = try pages([rows], who)
            #expect(pages.count == 1 && pages[0].total == 4)
            #expect(pages[0].matching == Set(pages[0].sessions.map(\.id)).count)
            return pages[0].sessions.map(\.id)
        }
        func network(_ text: String) throws -> IPNetwork { try #require(IPNetwork(text: text.utf8)) }
        #expect(try names(FTPWho(account: account)) == ["0-3", "0-h1", "0-h1"])
        #expect(try names(FTPWho(address: network("198.51.100.0/24"))) == ["0-2", "0-h1", "0-h1"])
        #expect(try names(FTPWho(account: account, address: network("2001:db8::/64"))) == ["0-3"])
        #expect(try names(FTPWho(address: network("203.0.113.1"))) == [])
    }

    /// 700 sessions were more than one document takes.
    @Test func aFullServerFitsIntoPages() throws {
        let workers = try (0..<2).map { worker in try (1...2_000).map { try Row("\(worker)-\($0)") } }
        let pages = try pages(workers, FTPWho())
        #expect(pages.reduce(0) { $0 + $1.sessions.count } == 4_000)
        for page in pages {
            let document = Document(request: "ftp.list", body: page.body)
            #expect(throws: Never.self) { try Document(bytes: document.serialized()) }
        }
    }

    @Test func names() {
        for bad in ["", "-", "1", "1-", "1-x", "1-h", "h1-1", "1-1-1", "-1-1", "99999999999999999999-1"] {
            #expect(SessionKey(bad) == nil, "\(bad)")
        }
    }
}
