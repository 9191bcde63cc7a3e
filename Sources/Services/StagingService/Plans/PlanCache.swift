import FFSModel
import Repository
import Requests
import StoredFormats
import Synchronization
import SystemSupport

/// Plans of the versions staged lately. A plan is used while the index still leads to the manifest it was made of.
final class PlanCache: Sendable {
    let linker: ObjectLinker
    private var repository: Repository { linker.repository }
    private let clock: @Sendable () -> Timestamp

    private struct State {
        var plans: [Item: (plan: ContentPlan, used: Int)] = [:]
        var uses = 0
        var rows = 0
    }

    private let state = Mutex(State())

    /// Rows of all plans together, some 80 bytes each.
    private static let rowLimit = 2_000_000
    /// Bytes of a manifest that is read at once: some 2,500 files, ten milliseconds.
    private static let smallManifest = 256 << 10
    /// Bytes in which the files that a reply lists are found.
    private static let headBytes = 1 << 20

    init(linker: ObjectLinker, clock: @escaping @Sendable () -> Timestamp) {
        self.linker = linker
        self.clock = clock
    }

    /// The plans for `items`, as the index has them now: those kept, and small ones read on the spot. nil when a large one
    /// has to be read, which is ``loaded(_:)``'s work.
    ///
    /// - Throws: `notFound` when a version is not published here, `corrupt`.
    func atHand(_ items: [Item]) throws(Failure) -> [ContentPlan]? {
        var plans: [ContentPlan] = []
        for item in items {
            let entry = try entry(of: item)
            if let plan = recall(item, entry) {
                plans.append(plan)
            } else if entry.size <= Self.smallManifest {
                plans.append(try load(item))
            } else {
                return nil
            }
        }
        return plans
    }

    /// The same, however long it takes. Called by one thread, so that none is read twice.
    func loaded(_ items: [Item]) throws(Failure) -> [ContentPlan] {
        var plans: [ContentPlan] = []
        for item in items {
            if let plan = recall(item, try entry(of: item)) { plans.append(plan) } else { plans.append(try load(item)) }
        }
        return plans
    }

    /// The first files of `item`, from its plan or from the head of its manifest; none when it is no longer published.
    func listing(of item: Item) -> [StagedFile] {
        do throws(Failure) {
            if let plan = recall(item, try entry(of: item)) { return plan.listing }
            return ContentPlan.listing(
                of: try repository.manifestHead(
                    of: item, bytes: Self.headBytes, files: StagedAccount.listedFiles), in: item.folder)
        } catch { return [] }
    }

    /// Plans kept.
    var count: Int { state.withLock { $0.plans.count } }

    private func entry(of item: Item) throws(Failure) -> FileStatus {
        let entry: FileStatus?
        do { entry = try repository.versionStatus(item) } catch { throw Repository.missing(item, error) }
        if let entry { return entry }
        forget(item)
        throw Repository.missing(item, SystemError("statx", .noEntry))
    }

    private func load(_ item: Item) throws(Failure) -> ContentPlan {
        let opened: Descriptor
        do { opened = try repository.openVersion(item) } catch { throw Repository.missing(item, error) }
        let (manifest, manifestDigest) = try repository.manifest(of: item, opened)
        let sums = ChecksumFile.render(manifest, folder: item.folder)
        let digest = ContentDigest.sha256(of: sums)
        try linker.store(sums, as: digest, modified: clock())
        let plan = try ContentPlan(
            item: item, opened: opened, manifest: manifest, digest: manifestDigest, sumsDigest: digest,
            repository: repository)
        remember(plan)
        return plan
    }

    /// The plan that is kept, if it was made of the manifest that `entry` is.
    private func recall(_ item: Item, _ entry: FileStatus) -> ContentPlan? {
        state.withLock { state in
            guard let plan = state.plans[item]?.plan, plan.entry.isSameFile(as: entry) else { return nil }
            state.uses += 1
            state.plans[item]?.used = state.uses
            return plan
        }
    }

    private func remember(_ plan: ContentPlan) {
        state.withLock { state in
            if let old = state.plans.removeValue(forKey: plan.item) { state.rows -= old.plan.fileCount }
            while state.rows + plan.fileCount > Self.rowLimit,
                let oldest = state.plans.min(by: { $0.value.used < $1.value.used })
            {
                state.plans[oldest.key] = nil
                state.rows -= oldest.value.plan.fileCount
            }
            state.uses += 1
            state.rows += plan.fileCount
            state.plans[plan.item] = (plan, state.uses)
        }
    }

    /// Drops every plan.
    func forgetAll() {
        state.withLock { state in
            state.plans = [:]
            state.rows = 0
        }
    }

    /// Drops the plan of `item`: it is no longer published, or turned out to be wrong.
    func forget(_ item: Item) {
        state.withLock { state in
            if let old = state.plans.removeValue(forKey: item) { state.rows -= old.plan.fileCount }
        }
    }
}
