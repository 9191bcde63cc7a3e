package import FFSModel
import StoredFormats
import SystemSupport

/// What is wrong with an account area after a crash or a mishap, and what is done about it.
package struct ReconcileFinding: Sendable, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        /// Was being built when the daemon died.
        case unfinished
        /// A directory named like an account, without a record that says so.
        case noRecord = "no-record"
        /// The record exists, the tree does not, or holds another number of files.
        case badTree = "bad-tree"
        /// Withdrawn in its record, but still in place.
        case withdrawn
        /// Neither an account nor a work area.
        case stranger
    }

    package let kind: Kind
    /// Relative to the area.
    package let path: String
    package let text: String

    package var description: String { "\(path): \(text)" }
}

/// Looks through an account area; mends it only for the daemon that holds its lock.
package struct Reconciler: Sendable {
    private let root: AreaHandle

    /// Opens the area to look at it, without the daemon's lock.
    package init(path: String) throws(Failure) {
        do { root = AreaHandle(try Descriptor.open(CPath(path), [.read, .directory])) } catch {
            throw error.failure("cannot open the account area \(path)")
        }
    }

    private final class AreaHandle: Sendable {
        let descriptor: Descriptor
        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
    }

    /// Whether a daemon serves the area now; its unfinished trees are then work, not wreckage.
    package func isServed() throws(Failure) -> Bool {
        do throws(SystemError) {
            guard try root.descriptor.statusIfPresent(of: ".lock") != nil else { return false }
            return try !root.descriptor.open(".lock", .read).tryLock()
        } catch { throw error.failure("cannot look at the account area's lock") }
    }

    /// Everything that is wrong, in byte order; counts every account's files.
    package func findings() throws(Failure) -> [ReconcileFinding] {
        let isServed = try isServed()
        var found: [ReconcileFinding] = []
        do throws(SystemError) {
            let area = try root.descriptor.open(".", [.read, .directory])
            for entry in try area.entries() {
                let name = entry.name.bytes
                if let account = AccountArea.account(directory: name), entry.kind == .directory {
                    if let finding = try look(at: account, in: area) { found.append(finding) }
                } else if !name.starts(with: ".".utf8), name != Array("lost+found".utf8) {
                    found.append(
                        ReconcileFinding(
                            kind: .stranger, path: "\(entry.name)",
                            text: "is no account; left alone: move it away if nobody needs it here"))
                }
            }
            if !isServed, try area.statusIfPresent(of: CPath(AccountArea.building)) != nil {
                let building = try area.open(CPath(AccountArea.building), [.read, .directory])
                for entry in try building.entries() {
                    found.append(
                        ReconcileFinding(
                            kind: .unfinished, path: "\(AccountArea.building)/\(entry.name)",
                            text: "was not finished; will be removed"))
                }
            }
        } catch { throw error.failure("cannot look through the account area") }
        return found
    }

    /// Finds everything that is wrong and mends it: unfinished trees and directories without a record go, accounts whose
    /// trees disagree with their records are withdrawn. Strangers are left alone.
    ///
    /// - Throws: `configuration` when ffsstaged serves the area; then nothing was changed.
    package static func mend(path: String) throws(Failure) -> [ReconcileFinding] {
        // Its findings are taken before the lock, which would make it believe that the area is served.
        let findings = try Reconciler(path: path).findings()
        let store = try AccountStore(path: path)
        let reaper = TreeReaper(rate: 1_000_000)
        do throws(SystemError) {
            for finding in findings {
                let name = CPath(finding.path)
                switch finding.kind {
                case .stranger: break
                case .unfinished, .noRecord: try reaper.remove(name, from: store.root) { false }
                case .badTree, .withdrawn: try store.root.rename(name, to: store.withdrawn, name, ifExists: .refuse)
                }
            }
        } catch { throw error.failure("cannot mend the account area \(path)") }
        return findings
    }

    private func look(
        at account: AccountID, in area: borrowing Descriptor
    ) throws(SystemError) -> ReconcileFinding? {
        let path = "\(account)"
        func finding(_ kind: ReconcileFinding.Kind, _ text: String) -> ReconcileFinding {
            ReconcileFinding(kind: kind, path: path, text: text)
        }
        let folder: Descriptor
        do throws(SystemError) { folder = try area.open(CPath(path), [.read, .directory]) } catch {
            // Withdrawn while we looked.
            if error.errno == .noEntry { return nil }
            throw error
        }
        guard let bytes = try folder.readFile(CPath(AccountArea.record), limit: AccountRecord.sizeLimit) else {
            return finding(.noRecord, "has no record; will be removed")
        }
        let record: AccountRecord
        do { record = try AccountRecord(bytes: bytes) } catch {
            return finding(.noRecord, "has a damaged record (\(error.text)); will be removed")
        }
        guard record.account == account else {
            return finding(.noRecord, "has the record of account \(record.account); will be removed")
        }
        if record.withdrawn != nil { return finding(.withdrawn, "was withdrawn; will be moved out of the area") }
        guard try folder.statusIfPresent(of: CPath(AccountArea.root))?.kind == .directory else {
            return finding(.badTree, "has no tree; will be withdrawn")
        }
        // SHA256SUMS is one more than the record counts.
        let files = try Self.countFiles(try folder.open(CPath(AccountArea.root), [.read, .directory])) - 1
        guard files == record.fileCount else {
            return finding(
                .badTree, "holds \(files) files where its record says \(record.fileCount); will be withdrawn")
        }
        return nil
    }

    /// Files in a tree.
    static func countFiles(_ top: borrowing Descriptor) throws(SystemError) -> Int {
        var count = 0
        var pending: [[UInt8]] = [[UInt8(ascii: ".")]]
        while let path = pending.popLast() {
            guard let place = CPath(bytes: path) else { continue }
            let folder = try top.open(place, [.read, .directory])
            try folder.forEachEntry { entry throws(SystemError) in
                if entry.kind == .directory {
                    pending.append(path + [UInt8(ascii: "/")] + entry.name.bytes)
                } else {
                    count += 1
                }
                return true
            }
        }
        return count
    }
}
