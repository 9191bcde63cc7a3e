import FFSModel
@testable import FTPService
import HTTPDownload
import SystemSupport
import TestSupport
import Testing

@Suite struct RecentFilesTests {
    private struct Place {
        let fixture: AccountFixture
        let account: Account
    }

    private func place(_ files: [String: [UInt8]]) throws -> Place {
        let fixture = try AccountFixture(files)
        let store = ServedAccounts(area: try fixture.area())
        guard
            case .admitted(let account) = store.admit(
                fixture.account, password: Array(fixture.password.utf8), now: SystemClock.now())
        else { throw TestFailure("not admitted") }
        return Place(fixture: fixture, account: account)
    }

    private func path(_ text: String) throws -> VirtualPath {
        try #require(VirtualPath.root.resolving(Array(text.utf8)))
    }

    private func recent(_ text: String, _ account: Account) throws -> RecentFile? {
        let file = try account.tree.openFile(path(text))
        let facts = FileFacts(
            name: Array(text.utf8), size: Int(file.size), modified: Timestamp(seconds: file.modified), digest: nil,
            mediaType: "text/plain")
        return RecentFile(file, facts)
    }

    @Test func onlySmallFilesAreKept() throws {
        let small = [UInt8](repeating: 7, count: RecentFile.longest)
        let place = try place(["small": small, "large": small + [1], "empty": []])
        #expect(try recent("small", place.account)?.content == small)
        #expect(try recent("empty", place.account)?.content == [])
        #expect(try recent("large", place.account) == nil)
    }

    @Test func fileIsForgottenInTime() throws {
        let place = try place(["a": [1]])
        let other = try self.place(["a": [2]])
        let name = try path("a")
        let file = try #require(try recent("a", place.account))
        var files = RecentFiles()
        let now = SystemClock.now()
        files.keep(file, name, of: place.account, now: now)
        #expect(files.file(name, of: place.account, now: now + 9) === file)
        #expect(files.file(name, of: other.account, now: now) == nil)
        #expect(files.file(name, of: place.account, now: now + 10) == nil)
        files.forget(now: now + 10)
        #expect(files.count == 0)
    }

    @Test func theyTakeBoundedMemory() throws {
        let place = try place(["a": [1]])
        let file = try #require(try recent("a", place.account))
        var files = RecentFiles()
        let now = SystemClock.now()
        for number in 0..<3_000 { files.keep(file, try path("n\(number)"), of: place.account, now: now) }
        #expect(files.count == RecentFiles.most)
        files.keep(file, try path("later"), of: place.account, now: now + 10)
        #expect(files.count == 1)
    }
}
