import FFSModel
import FTPProtocol
@testable import FTPService
import Foundation
import Glibc
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@Suite struct AccountTests {
    private func admission(_ store: ServedAccounts, _ name: String, _ password: String, at time: Timestamp) -> String {
        switch store.admit(name: Array(name.utf8), password: Array(password.utf8), now: time) {
        case .admitted(let account): "in \(account.id)"
        case .refused(let why): why
        }
    }

    @Test func aRecordDecides() throws {
        let now = SystemClock.now()
        let fixture = try AccountFixture(["p-1/a": [1]], expires: now + 100)
        let store = ServedAccounts(area: try fixture.area())
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
        let store = ServedAccounts(area: try fixture.area())
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
        try Data(record.extended(to: now + 1_000, at: now).serialized()).write(
            to: URL(fileURLWithPath: place), options: .atomic)
        store.watch(now: now + 200, second: 2)
        #expect(account.ended == nil)
        store.watch(now: now + 1_000, second: 3)
        #expect(account.ended == .finish)
    }

    /// ENOENT is a withdrawal, any other error of statx(2) is not.
    @Test func aRecordThatCannotBeLookedAtIsNotWithdrawn() throws {
        let now = SystemClock.now()
        let fixture = try AccountFixture(["p-1/a": [1]], expires: now + 100)
        let store = ServedAccounts(area: try fixture.area())
        guard
            case .admitted(let account) = store.admit(
                name: Array(fixture.account.text.utf8), password: Array(fixture.password.utf8), now: now)
        else { throw TestFailure("not admitted") }
        account.sessions = 1
        let (place, aside) = (fixture.directory(fixture.account.text), fixture.directory("aside"))
        try FileManager.default.moveItem(atPath: place, toPath: aside)
        // statx(2) of a name below a file: ENOTDIR.
        try Files.write("", to: place)
        store.watch(now: now, second: 1)
        #expect(account.ended == nil)
        store.watch(now: now + 100, second: 2)
        #expect(account.ended == .finish, "its own time still holds")
        try FileManager.default.removeItem(atPath: place)
        try FileManager.default.moveItem(atPath: aside, toPath: place)
    }

    @Test func anotherCustomersAccountDoesNotOpen() throws {
        let now = SystemClock.now()
        let fixture = try AccountFixture(["p-1/a": [1]], expires: now + 100)
        let store = ServedAccounts(area: try fixture.area())
        func opening(_ customer: String, at time: Timestamp) throws -> String {
            switch store.open(fixture.account, of: try CustomerName(customer), now: time) {
            case .admitted(let account): "in \(account.id)"
            case .refused(let why): why
            }
        }
        for stranger in ["other", "ACME", "acme2", "acm"] {
            #expect(try opening(stranger, at: now) == "it is another customer's", "\(stranger)")
        }
        #expect(try opening("acme", at: now) == "in \(fixture.account)")
        // Not when the account is known already, either.
        #expect(try opening("other", at: now) == "it is another customer's")
        #expect(try opening("acme", at: now + 100) == "it has ended")
    }

    /// Whatever got into a tree, a symbolic link leads nowhere: not out of it, not to another name in it, neither as the
    /// last part of a path nor on the way.
    @Test func symbolicLinksInTheTreeAreNotFollowed() throws {
        let now = SystemClock.now()
        let fixture = try AccountFixture(["p-1/a": Array("inside".utf8), "p-1/d/b": [2]], expires: now + 100)
        let root = fixture.directory("\(fixture.account)/root")
        let outside = fixture.directory("outside")
        try Files.makeDirectory(outside)
        try Files.write("secret", to: "\(outside)/a")
        for (name, target) in [
            ("out", outside), ("up", "../../outside"), ("etc", "/etc"), ("same", "p-1"), ("file", "p-1/a"),
            ("p-1/beside", "a"), ("p-1/folder", "d"), ("magic", "/proc/self/root"),
        ] { #expect(symlink(target, "\(root)/\(name)") == 0) }
        let store = ServedAccounts(area: try fixture.area())
        guard case .admitted(let account) = store.open(fixture.account, of: try CustomerName("acme"), now: now) else {
            throw TestFailure("not admitted")
        }
        func opens(_ path: String, directory: Bool) throws -> Bool {
            let place = try #require(VirtualPath.root.resolving(Array(path.utf8)))
            return (try? account.tree.open(place, directory: directory)) != nil
        }
        #expect(
            try opens("p-1/a", directory: false) && opens("p-1/d", directory: true)
                && opens("p-1/d/b", directory: false))
        for path in [
            "out/a", "up/a", "etc/passwd", "same/a", "same/d/b", "file", "p-1/beside", "p-1/folder/b",
            "magic/etc/passwd",
        ] { #expect(try !opens(path, directory: false), "\(path)") }
        for path in ["out", "up", "etc", "same", "p-1/folder", "same/d", "magic"] {
            #expect(try !opens(path, directory: true), "\(path)")
        }
    }

    /// Nor does a symbolic link make an account: in the place of a record, of a tree, or of the whole.
    @Test func symbolicLinksAreNoAccounts() throws {
        let now = SystemClock.now()
        let fixture = try AccountFixture(["p-1/a": [1]], expires: now + 100)
        let place = fixture.directory(fixture.account.text)
        for part in ["record", "root", ""] {
            let whole = part.isEmpty ? place : "\(place)/\(part)"
            let moved = fixture.directory("moved")
            try FileManager.default.moveItem(atPath: whole, toPath: moved)
            // Inside the area, so that staying beneath it would not help.
            #expect(symlink(part.isEmpty ? "moved" : "../moved", whole) == 0)
            let store = ServedAccounts(area: try fixture.area())
            if case .admitted = store.open(fixture.account, of: try CustomerName("acme"), now: now) {
                Issue.record("\(part) is a symbolic link, and was followed")
            }
            try FileManager.default.removeItem(atPath: whole)
            try FileManager.default.moveItem(atPath: moved, toPath: whole)
        }
        let store = ServedAccounts(area: try fixture.area())
        guard case .admitted = store.open(fixture.account, of: try CustomerName("acme"), now: now) else {
            throw TestFailure("not admitted once all is in its place")
        }
    }

    @Test func withdrawalNamesItsPolicy() throws {
        let now = SystemClock.now()
        let fixture = try AccountFixture(["p-1/a": [1]], expires: now + 100)
        let store = ServedAccounts(area: try fixture.area())
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

    /// openat2(2) follows no link on the way to a file or directory, wherever it leads, and not out by `..` either.
    @Test func symbolicLinksAreNotFollowed() throws {
        let now = SystemClock.now()
        let fixture = try AccountFixture(["p-1/d/a": [1]], expires: now + 100)
        let root = fixture.directory("\(fixture.account)/root")
        for (name, target) in [
            ("inside", "p-1"), ("whole", "\(root)/p-1"), ("up", "p-1/../p-1"), ("out", "/etc"), ("p-1/file", "d/a"),
            ("p-1/hosts", "/etc/hosts"),
        ] { try FileManager.default.createSymbolicLink(atPath: "\(root)/\(name)", withDestinationPath: target) }
        let store = ServedAccounts(area: try fixture.area())
        guard
            case .admitted(let account) = store.admit(
                name: Array(fixture.account.text.utf8), password: Array(fixture.password.utf8), now: now)
        else { throw TestFailure("not admitted") }
        func path(_ text: String) throws -> VirtualPath { try #require(VirtualPath.root.resolving(Array(text.utf8))) }
        #expect(try account.tree.openFile(path("p-1/d/a")).size == 1)
        for name in ["inside/d/a", "whole/d/a", "up/d/a", "out/hosts", "p-1/file", "p-1/hosts", "inside/d/../d/a"] {
            let error = #expect(throws: SystemError.self, "\(name)") { try account.tree.openFile(path(name)) }
            #expect(error?.errno == .symbolicLink, "\(name)")
        }
        for name in ["inside", "inside/d", "out", "whole"] {
            #expect(throws: SystemError.self, "\(name)") {
                _ = try account.tree.open(path(name), directory: true).rawValue
            }
        }
    }

    /// Digests come from SHA256SUMS, found without reading all of it.
    @Test func digestsAreFound() throws {
        var files: [String: [UInt8]] = [:]
        for product in ["b-2", "a-1", "a-10"] {
            for index in 0..<300 {
                files["\(product)/dir \(index % 7)/file-\(index)"] = Array("\(product) \(index)".utf8)
            }
            files["\(product)/back\\slash"] = Array(product.utf8)
        }
        let fixture = try AccountFixture(files)
        let store = ServedAccounts(area: try fixture.area())
        guard
            case .admitted(let account) = store.admit(
                name: Array(fixture.account.text.utf8), password: Array(fixture.password.utf8), now: SystemClock.now())
        else { throw TestFailure("not admitted") }
        // Some of each stretch, and the ends of each folder.
        let sorted = files.sorted { $0.key < $1.key }.enumerated()
        for (index, (path, content)) in sorted where index % 40 == 0 || path.utf8.last == UInt8(ascii: "h") {
            let place = try #require(VirtualPath.root.resolving(Array(path.utf8)))
            #expect(account.digest(of: place) == ContentDigest.sha256(of: content), "\(path)")
        }
        for missing in ["SHA256SUMS", "a-1", "a-1/dir 0", "a-1/dir 0/file-00", "zzz/x", "0"] {
            #expect(
                account.digest(of: try #require(VirtualPath.root.resolving(Array(missing.utf8)))) == nil, "\(missing)")
        }
    }
}
