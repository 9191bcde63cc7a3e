import FFSModel
import StoredFormats
import Synchronization
import SystemSupport

/// One account on its way from a request to the committer.
///
/// A small one is built by one thread in one go. A large one is cut into chunks that several threads take;
/// `pending` tells who did the last.
final class BuildJob: Sendable {
    let record: AccountRecord
    let plans: [ContentPlan]
    let tree: BuildTree
    let pending: Atomic<Int>
    /// The first thing that went wrong; later chunks are skipped.
    let failure = Mutex<Failure?>(nil)
    /// What the change feed knows of it; nil for an account without an order, and where no feed is followed.
    let claim: Mutex<FeedGuard.Claim?>
    /// Told once, on whichever thread ends the job.
    private let end: @Sendable (BuildJob, Result<Void, Failure>) -> Void

    init(
        record: AccountRecord, plans: [ContentPlan], tree: BuildTree, chunks: Int, claim: FeedGuard.Claim?,
        finish: @escaping @Sendable (BuildJob, Result<Void, Failure>) -> Void
    ) {
        self.record = record
        self.plans = plans
        self.tree = tree
        pending = Atomic(chunks)
        self.claim = Mutex(claim)
        end = finish
    }

    /// Published and on disk, or why not.
    func finish(_ result: Result<Void, Failure>) { end(self, result) }

    func fail(_ error: Failure) {
        failure.withLock { if $0 == nil { $0 = error } }
    }
}

/// A file that was written and must reach the disk before its account is published.
final class WrittenFile: Sendable {
    let descriptor: Descriptor
    init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
}

/// The directories of an account being built, held open.
final class BuildTree: Sendable {
    /// `.building/<account>`.
    let account: Descriptor
    /// Its `root`.
    let root: Descriptor

    init(account: consuming Descriptor, root: consuming Descriptor) {
        self.account = account
        self.root = root
    }
}

/// Some folders of one plan, or a part of a large folder: about ``TreeBuilder/chunkSize`` files.
struct BuildChunk: Sendable {
    let job: BuildJob
    let plan: Int
    let parts: [(folder: Int, files: Range<Int>)]
}
