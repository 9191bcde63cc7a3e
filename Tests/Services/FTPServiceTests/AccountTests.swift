import FFSModel
import FTPProtocol
import FTPService
import Foundation
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@Suite struct AccountTests {
    private func admission(_ store: AccountStore, _ name: String, _ password: String, at time: Timestamp) -> String {
        switch store.admit(name: Array(name.utf8), password: Array(password.utf8), now: time) {
        case .admitted(let account): "in \(account.id)"
        case .refused(let why): why
        }
    }

    @Test func aRecordDecides() throws {
        let now = SystemClock.now()
        let fixture = try AccountFixture(["p-1/a": [1]], expires: now + 100)
        let store = AccountStore(area: try fixture.area())
        let name = fixture.account.text
        #expect(admission(store, name, fixture.password, at: now) == "in \(name)")
        #expect(admission(store, name, "x", at: now) == "wrong password")
        #expect(admission(store, name, "", at: now) == "wrong password")
        #expect(admission(store, name, fixture.password, at: now + 100) == "expired")
        for stranger in ["zzzzzzzzzzzzzzzz", "..", ".building", "", "../\(name)", name + "/", name.uppercased()] {
            #expect(admission(store, stranger, fixture.password, at: now) == "no such account", "\(stranger)")
        }
    }

    @Test func changesOfTheRecordAreNoticed() throws {
        let now = SystemClock.now()
        let fixture = try AccountFixture(["p-1/a": [1]], expires: now + 100)
        let store = AccountStore(area: try fixture.area())
        guard
            case .admitted(let account) = store.admit(
                name: Array(fixture.account.text.utf8), password: Array(fixture.password.utf8), now: now)
        else { throw TestFailure("not admitted") }
        account.sessions = 1
        store.watch(now: now, second: 1)
        #expect(account.ended == nil)
        // Extended by another record under the same name.
        let place = fixture.directory("\(fixture.account)/record")
        let record = try AccountRecord(bytes: Array(Data(contentsOf: URL(fileURLWithPath: place))))
        try Data(record.extended(to: now + 1_000).serialized()).write(to: URL(fileURLWithPath: place), options: .atomic)
        store.watch(now: now + 200, second: 2)
        #expect(account.ended == nil)
        store.watch(now: now + 1_000, second: 3)
        #expect(account.ended == .finish)
    }

    @Test func withdrawalNamesItsPolicy() throws {
        let now = SystemClock.now()
        let fixture = try AccountFixture(["p-1/a": [1]], expires: now + 100)
        let store = AccountStore(area: try fixture.area())
        guard
            case .admitted(let account) = store.admit(
                name: Array(fixture.account.text.utf8), password: Array(fixture.password.utf8), now: now)
        else { throw TestFailure("not admitted") }
        account.sessions = 1
        let files = FileManager.default
        let withdrawn = fixture.directory(".withdrawn")
        try files.createDirectory(atPath: withdrawn, withIntermediateDirectories: true)
        let place = fixture.directory("\(fixture.account)/record")
        let record = try AccountRecord(bytes: Array(Data(contentsOf: URL(fileURLWithPath: place))))
        try Data(record.withdrawn(at: now, policy: .grace(seconds: 30)).serialized()).write(
            to: URL(fileURLWithPath: place))
        try files.moveItem(atPath: fixture.directory(fixture.account.text), toPath: "\(withdrawn)/\(fixture.account)")
        store.watch(now: now, second: 1)
        #expect(account.ended == .until(now + 30))
    }

    /// Digests come from SHA256SUMS, found without reading all of it.
    @Test func digestsAreFound() throws {
        var files: [String: [UInt8]] = [:]
        for product in ["b-2", "a-1", "a-10"] {
            for index in 0..<700 {
                files["\(product)/dir \(index % 7)/file-\(index)"] = Array("\(product) \(index)".utf8)
            }
            files["\(product)/back\\slash"] = Array(product.utf8)
        }
        let fixture = try AccountFixture(files)
        let store = AccountStore(area: try fixture.area())
        guard
            case .admitted(let account) = store.admit(
                name: Array(fixture.account.text.utf8), password: Array(fixture.password.utf8), now: SystemClock.now())
        else { throw TestFailure("not admitted") }
        for (path, content) in files {
            let place = try #require(VirtualPath.root.resolving(Array(path.utf8)))
            #expect(account.digest(of: place) == ContentDigest.sha256(of: content), "\(path)")
        }
        for missing in ["SHA256SUMS", "a-1", "a-1/dir 0", "a-1/dir 0/file-00", "zzz/x", "0"] {
            #expect(
                account.digest(of: try #require(VirtualPath.root.resolving(Array(missing.utf8)))) == nil, "\(missing)")
        }
    }
}
