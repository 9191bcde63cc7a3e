import FFSModel
import Repository
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

    /// Rows of all plans together, some 300 bytes each.
    private static let rowLimit = 2_000_000

    init(linker: ObjectLinker, clock: @escaping @Sendable () -> Timestamp) {
        self.linker = linker
        self.clock = clock
    }

    /// The plan for `item`, as the index has it now.
    ///
    /// - Throws: `notFound` when the version is not published here, `corrupt`.
    func plan(for item: Item) throws(Failure) -> ContentPlan {
        let entry: FileStatus?
        do { entry = try repository.versionStatus(item) } catch { throw Repository.missing(item, error) }
        guard let entry else {
            forget(item)
            throw Repository.missing(item, SystemError("statx", .noEntry))
        }
        if let known = recall(item), known.entry.isSameFile(as: entry) { return known }
        let plan = try load(item)
        remember(plan)
        return plan
    }

    private func load(_ item: Item) throws(Failure) -> ContentPlan {
        let opened: Descriptor
        do { opened = try repository.openVersion(item) } catch { throw Repository.missing(item, error) }
        let manifest = try repository.manifest(of: item, opened)
        let sums = ChecksumFile.render(manifest, folder: item.folder)
        let digest = ContentDigest.sha256(of: sums)
        try linker.store(sums, as: digest, modified: clock())
        return try ContentPlan(
            item: item, opened: opened, manifest: manifest, sumsDigest: digest, repository: repository)
    }

    private func recall(_ item: Item) -> ContentPlan? {
        state.withLock { state in
            guard let plan = state.plans[item]?.plan else { return nil }
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

    /// Drops the plan of `item`: it is no longer published, or turned out to be wrong.
    func forget(_ item: Item) {
        state.withLock { state in
            if let old = state.plans.removeValue(forKey: item) { state.rows -= old.plan.fileCount }
        }
    }
}
