import FFSModel
import FTPProtocol
import HTTPDownload
import SystemSupport

/// A small file that somebody asked for, with what is said about it: who asks again within seconds costs no look at the
/// disk, and nothing to be put together. A published tree never changes; whether the account still stands is looked at for
/// each request all the same.
final class RecentFile: Sendable {
    let facts: FileFacts
    /// To a request without conditions.
    let answer: FileAnswer
    /// Its fields, and the same as HTTP/1.1 has them.
    let fields: [(String, String)]
    let fieldText: [UInt8]
    let content: [UInt8]

    /// Larger files are read for each request.
    static let longest = 4_096

    /// nil when the file is larger, or cannot be read whole now.
    init?(_ file: OpenFile, _ facts: FileFacts) {
        let size = facts.size
        guard size <= Self.longest else { return nil }
        let content = [UInt8](unsafeUninitializedCapacity: size) { space, count in
            let got =
                size == 0 ? 0 : try? file.descriptor.read(into: UnsafeMutableRawBufferPointer(space), at: 0)
            count = got ?? 0
        }
        guard content.count == size else { return nil }
        self.facts = facts
        self.content = content
        answer = FileAnswer(to: RequestConditions(), of: facts, boundary: "")
        fields = answer.fields.map { ($0.name, $0.value) }
        fieldText = Array(fields.map { "\($0): \($1)\r\n" }.joined().utf8)
    }
}

/// The recent files of all accounts; memory is bounded.
struct RecentFiles {
    private struct Key: Hashable {
        let account: ObjectIdentifier
        let path: VirtualPath
    }

    private struct Kept {
        let file: RecentFile
        /// Keeps the identity in the key from being used again.
        let account: Account
        let since: Timestamp
    }

    private var files: [Key: Kept] = [:]
    /// Some 10 MiB.
    static let most = 2_048
    var count: Int { files.count }
    private static let seconds: Int64 = 10

    func file(_ path: VirtualPath, of account: Account, now: Timestamp) -> RecentFile? {
        guard let kept = files[Key(account: ObjectIdentifier(account), path: path)],
            now - kept.since < Self.seconds
        else { return nil }
        return kept.file
    }

    mutating func keep(_ file: RecentFile, _ path: VirtualPath, of account: Account, now: Timestamp) {
        if files.count >= Self.most { forget(now: now) }
        // When all are fresh, this one comes too late.
        guard files.count < Self.most else { return }
        files[Key(account: ObjectIdentifier(account), path: path)] = Kept(
            file: file, account: account, since: now)
    }

    /// Lets go what is too old; to be called now and then, as it keeps accounts in memory.
    mutating func forget(now: Timestamp) {
        guard !files.isEmpty else { return }
        files = files.filter { now - $0.value.since < Self.seconds }
    }
}
