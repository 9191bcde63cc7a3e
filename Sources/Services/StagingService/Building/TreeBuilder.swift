import FFSModel
import StoredFormats
import SystemSupport

/// Makes the tree of one account in `.building`. Everything is relative to open directories.
struct TreeBuilder: Sendable {
    let store: AccountStore
    let linker: ObjectLinker

    /// Files a thread links before it looks for more urgent work: a few milliseconds. Small enough for a tree of a
    /// thousand files to keep several threads busy.
    static let chunkSize = 256

    /// Makes `.building/<account>/root` and in it all folders of all plans.
    func begin(_ account: AccountID, _ plans: [ContentPlan]) throws(Failure) -> BuildTree {
        do throws(SystemError) {
            let name = CPath(account.text)
            try store.building.makeDirectory(name, permissions: 0o750)
            let folder = try store.building.open(name, [.read, .directory])
            try folder.makeDirectory(CPath(AccountArea.root), permissions: 0o755)
            let root = try folder.open(CPath(AccountArea.root), [.read, .directory])
            for plan in plans {
                let top = CPath(plan.item.folder)
                try root.makeDirectory(top, permissions: 0o755)
                guard plan.folders.count > 1 else { continue }
                let directory = try root.open(top, [.pathOnly, .directory])
                for folder in plan.folders.dropFirst() {
                    try directory.makeDirectory(plan.strings[folder.path], permissions: 0o755)
                }
            }
            return BuildTree(account: folder, root: root)
        } catch { throw error.failure("cannot build the account") }
    }

    /// Cuts `plan` into chunks. A folder that fits a chunk is not cut: two threads in one folder wait for each other.
    static func parts(of plan: ContentPlan) -> [[(folder: Int, files: Range<Int>)]] {
        var chunks: [[(folder: Int, files: Range<Int>)]] = []
        var current: [(folder: Int, files: Range<Int>)] = []
        var room = chunkSize
        func close() {
            if !current.isEmpty { chunks.append(current) }
            current = []
            room = chunkSize
        }
        for (number, folder) in plan.folders.enumerated() {
            if folder.files.count > room { close() }
            var rest = folder.files
            while !rest.isEmpty {
                let part = rest.prefix(chunkSize)
                current.append((number, part))
                // A folder costs an open as well.
                room -= part.count + 1
                rest = rest.dropFirst(part.count)
                if room <= 0 { close() }
            }
        }
        close()
        return chunks
    }

    /// Links the files of one chunk.
    func link(
        _ parts: [(folder: Int, files: Range<Int>)], of plan: ContentPlan, into tree: BuildTree
    ) throws(Failure) {
        let top: Descriptor
        do { top = try tree.root.open(CPath(plan.item.folder), [.pathOnly, .directory]) } catch {
            throw error.failure("cannot build the account")
        }
        for part in parts {
            if part.folder == 0 {
                try link(part.files, of: plan, into: top)
                continue
            }
            let folder: Descriptor
            do { folder = try top.open(plan.strings[plan.folders[part.folder].path], [.pathOnly, .directory]) } catch {
                throw error.failure("cannot build the account")
            }
            try link(part.files, of: plan, into: folder)
        }
    }

    private func link(
        _ files: Range<Int>, of plan: ContentPlan, into folder: borrowing Descriptor
    ) throws(Failure) {
        try plan.files.withUnsafeBufferPointer { all throws(Failure) in
            for file in all[files] {
                let name = plan.strings[Int(file.name)]
                if file.object >= 0 {
                    try linker.link(Int(file.object), of: plan.objects, to: folder, name)
                } else {
                    try createEmpty(name, in: folder)
                }
            }
        }
    }

    /// Empty files are created: all empty files of the world would share one inode's link limit.
    private func createEmpty(_ name: UnsafePointer<CChar>, in folder: borrowing Descriptor) throws(Failure) {
        do { try folder.open(name, [.write, .create, .exclusive], permissions: 0o444).close() } catch {
            throw error.failure("cannot build the account")
        }
    }

    /// SHA256SUMS, the index and, last, the record. Returns what was written rather than linked.
    func complete(_ job: BuildJob) throws(Failure) -> [WrittenFile] {
        if job.plans.count == 1 {
            // One version alone: its list is an object, as good as any other file.
            let plan = job.plans[0]
            try CPath(AccountArea.sums).withCString { name throws(Failure) in
                try linker.link(plan.sums, of: plan.objects, to: job.tree.root, name)
            }
        }
        var written: [WrittenFile] = []
        var sums: [UInt8] = []
        if job.plans.count > 1 {
            for plan in job.plans { sums += try linker.content(plan.objects.digests[plan.sums]) }
        }
        do throws(SystemError) {
            if job.plans.count > 1 {
                written.append(try write(sums, AccountArea.sums, 0o444, in: job.tree.root))
            }
            if let index = TreeIndex.render(job.plans) {
                written.append(try write(index, AccountArea.index, 0o640, in: job.tree.account))
            }
            written.append(try write(job.record.serialized(), AccountArea.record, 0o640, in: job.tree.account))
        } catch { throw error.failure("cannot build the account") }
        return written
    }

    private func write(
        _ bytes: [UInt8], _ name: String, _ permissions: UInt32, in folder: borrowing Descriptor
    ) throws(SystemError) -> WrittenFile {
        let file = try folder.open(CPath(name), [.write, .create, .exclusive], permissions: permissions)
        try file.write(bytes)
        return WrittenFile(file)
    }
}
