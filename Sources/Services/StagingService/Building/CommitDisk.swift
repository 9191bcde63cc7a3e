import FFSModel
import SystemSupport

/// The two barriers between building an account and answering for it; tests put a failing disk in their place.
struct CommitDisk: Sendable {
    /// Returns once the bytes of all files are on disk, or for each group of files why they are not.
    let bringFiles: @Sendable ([[WrittenFile]]) -> [SystemError?]
    /// Returns once every name that was given in the account area is on disk.
    let bringNames: @Sendable () throws(SystemError) -> Void

    /// The disk of `store`'s area.
    ///
    /// ext4 and XFS have one journal or log for all metadata, committed in order: when the records' data has been
    /// written, the renames come after everything else in the journal, and an fsync(2) of the directory that received
    /// them commits all of it, device cache included. Anything else gets syncfs(2) before the renames and after.
    static func real(_ store: AccountStore) throws(Failure) -> CommitDisk {
        let kind: String
        do { kind = try store.root.space().typeName } catch {
            throw error.failure("cannot look at the file system of \(store.path)")
        }
        if ["ext4", "xfs"].contains(kind) {
            return CommitDisk(
                bringFiles: { groups in
                    // All on their way first, then the waiting.
                    for file in groups.joined() { file.descriptor.startWriteback(0..<Int.max) }
                    return groups.map { group in
                        failure { () throws(SystemError) in
                            for file in group { try file.descriptor.writeOut() }
                        }
                    }
                }, bringNames: { () throws(SystemError) in try store.root.sync() })
        }
        return CommitDisk(
            bringFiles: { groups in
                let error = failure { () throws(SystemError) in try store.root.syncFileSystem() }
                return groups.map { _ in error }
            }, bringNames: { () throws(SystemError) in try store.root.syncFileSystem() })
    }
}

private func failure(_ body: () throws(SystemError) -> Void) -> SystemError? {
    do throws(SystemError) {
        try body()
        return nil
    } catch { return error }
}
