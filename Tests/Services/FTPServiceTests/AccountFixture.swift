import FFSModel
import FTPService
import Foundation
import Logging
import StoredFormats
import SystemSupport
import TLSEngine
import TestSupport

/// An account area with one account, made as docs/formats.md says, without ffsstaged.
struct AccountFixture: Sendable {
    let directory: TemporaryDirectory
    let account: AccountID
    let password = "correct horse battery staple"
    /// Files and their bytes, for the record.
    private let count: Int
    private let bytes: Int

    /// `files`: paths below the account's root, and contents.
    init(_ files: [String: [UInt8]], expires: Timestamp = SystemClock.now() + 3_600) throws {
        directory = try TemporaryDirectory("account")
        account = try AccountID("abcdefghij234567")
        let root = directory("\(account)/root")
        var sums: [UInt8] = []
        for (path, content) in files.sorted(by: { $0.key < $1.key }) {
            let place = "\(root)/\(path)"
            try FileManager.default.createDirectory(
                atPath: (place as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try Data(content).write(to: URL(fileURLWithPath: place))
            ChecksumFile.appendLine(ContentDigest.sha256(of: content), path: path.utf8, to: &sums)
        }
        try Data(sums).write(to: URL(fileURLWithPath: "\(root)/SHA256SUMS"))
        (count, bytes) = (files.count, files.values.reduce(0) { $0 + $1.count })
        try setPassword(password, expires: expires)
    }

    /// Writes the account's record with this password.
    func setPassword(_ password: String, expires: Timestamp = SystemClock.now() + 3_600) throws {
        let record = try AccountRecord(
            account: account, customer: CustomerName("acme"),
            items: [Item(product: ProductName("p"), version: VersionName("1"))], created: SystemClock.now(),
            expires: expires, policy: .finish, order: 0, request: .random(),
            passwordDigest: ContentDigest.sha256(of: Array(password.utf8)), fileCount: count, bytes: bytes)
        try Data(record.serialized()).write(to: URL(fileURLWithPath: directory("\(account)/record")))
    }

    /// Writes the account's index: of one folder, whose files all have 4,711 bytes by it.
    func index(_ folder: String, _ entries: [(name: String, modified: Int64?, digest: ContentDigest?)]) throws {
        var index = TreeIndex.Builder()
        for entry in entries {
            Array(entry.name.utf8).withUnsafeBufferPointer {
                index.add(name: $0, isFolder: false, size: 4_711, modified: entry.modified, digest: entry.digest)
            }
        }
        index.endFolder(Array(folder.utf8))
        try Data(index.serialized()).write(to: URL(fileURLWithPath: directory("\(account)/index")))
    }

    func area() throws -> Descriptor { try Descriptor.open(CPath(directory.path), [.read, .directory]) }
}
