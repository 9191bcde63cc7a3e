package import FFSModel
import Logging
import Repository
package import Requests
import StoredFormats
import Synchronization
import SystemSupport

/// From a request to a published account.
extension StagingEngine {
    /// `stage.create`.
    ///
    /// - Parameter trace: of the action that led here; the record keeps it.
    package func create(
        _ request: StageCreate, id: RequestID, trace: TraceID = .random()
    ) async throws(Failure) -> StagedAccount {
        try check(request)
        let account = credentials.account(for: id)
        let result: Result<StagedAccount, Failure> = await withCheckedContinuation { waiter in
            let isFirst = underway.withLock { underway in
                underway[account, default: []].append(waiter)
                return underway[account]?.count == 1
            }
            guard isFirst else { return }
            do throws(Failure) {
                try scheduler.urgent { [self] in
                    do throws(Failure) {
                        try begin(Wish(request: request, id: id, trace: trace, account: account))
                    } catch { settle(account, .failure(error)) }
                }
            } catch { settle(account, .failure(error)) }
        }
        let made = try result.get()
        // Only now: a second request that joined in must be the same one.
        guard made.customer == request.customer, made.items == Self.sorted(request.items) else {
            throw Self.reused(id)
        }
        return made
    }

    private func settle(_ account: AccountID, _ result: Result<StagedAccount, Failure>) {
        let waiters = underway.withLock { $0.removeValue(forKey: account) } ?? []
        for waiter in waiters { waiter.resume(returning: result) }
    }

    private func check(_ request: StageCreate) throws(Failure) {
        try check(lifetime: request.lifetime)
        guard request.items.count <= Self.itemLimit else {
            throw Failure(.badRequest, "an account holds at most \(Self.itemLimit) versions; make several accounts")
        }
        var folders: Set<String> = []
        for item in request.items where !folders.insert(item.folder).inserted {
            throw Failure(
                .badRequest,
                "\(item.product) \(item.version) and another version would share the folder \(item.folder); stage them in two accounts"
            )
        }
    }

    /// Versions in one account.
    static let itemLimit = 256

    func check(lifetime: Int) throws(Failure) {
        guard lifetime <= settings.maxLifetime else {
            throw Failure(
                .badRequest, "an account may live \(settings.maxLifetime) s at most here (staging.max-lifetime)")
        }
    }

    private static func reused(_ id: RequestID) -> Failure {
        Failure(.badRequest, "request id \(id) was used for another account; every new request needs a fresh id")
    }

    static func sorted(_ items: [Item]) -> [Item] {
        items.sorted { $0.folder.utf8.lexicographicallyPrecedes($1.folder.utf8) }
    }

    /// A request on its way to its account.
    private struct Wish: Sendable {
        let request: StageCreate
        let id: RequestID
        let trace: TraceID
        let account: AccountID
    }

    /// On a building thread: a repeat gets what is there, a new request its tree.
    private func begin(_ wish: Wish) throws(Failure) {
        let (request, id, account) = (wish.request, wish.id, wish.account)
        switch try store.find(account) {
        case .live(let record) where record.isLive(at: clock.now()):
            return settle(
                account, .success(reply(record, password: credentials.password(for: id, created: record.created))))
        case .live, .withdrawn: throw Self.gone(account)
        case nil: break
        }
        try recorder?.admit()
        try index.reserve(for: request.customer, now: clock.steady())
        guard request.order > 0, let desk = publisher.desk else { return try plan(wish, nil) }
        if let claim = desk.claimAtOnce(request) { return try plan(wish, claim) }
        Task { [self] in
            do throws(Failure) {
                let claim = try await desk.claim(request, trace: wish.trace)
                do throws(Failure) {
                    try scheduler.urgent { [self] in
                        do throws(Failure) { try plan(wish, claim) } catch { settle(account, .failure(error)) }
                    }
                } catch { giveUp(wish, error) }
            } catch { giveUp(wish, error) }
        }
    }

    /// Finds out what to build, and begins.
    private func plan(_ wish: Wish, _ claim: FeedGuard.Claim?) throws(Failure) {
        let items = Self.sorted(wish.request.items)
        do throws(Failure) {
            if let plans = try self.plans.atHand(items) { return try start(wish, claim, plans) }
            // Elsewhere, so that nobody's small account waits for a large version to be read.
            try loading.urgent { [self] in
                do throws(Failure) {
                    let plans = try self.plans.loaded(items)
                    scheduler.bulk([
                        { [self] in
                            do throws(Failure) { try start(wish, claim, plans) } catch {
                                giveUp(wish, error)
                            }
                        }
                    ])
                } catch { giveUp(wish, error) }
            }
        } catch {
            index.giveBack(wish.request.customer)
            throw error
        }
    }

    private func giveUp(_ wish: Wish, _ failure: Failure) {
        index.giveBack(wish.request.customer)
        settle(wish.account, .failure(failure))
    }

    private func start(_ wish: Wish, _ claim: FeedGuard.Claim?, _ plans: [ContentPlan]) throws(Failure) {
        let (request, now) = (wish.request, clock.now())
        let expires = min(now + Int64(request.lifetime), claim?.until ?? now + Int64(request.lifetime))
        guard expires > now else {
            throw Failure(.notEntitled, "what order \(request.order) allowed ended at \(expires)")
        }
        for plan in plans { try Self.check(plan, is: request.terms.manifests[plan.item]) }
        let origin = AccountRecord.Origin(
            trace: wish.trace, manifests: Dictionary(plans.map { ($0.item, $0.manifest) }) { first, _ in first },
            retailer: request.terms.retailer, level: request.terms.level, isMetered: request.terms.isMetered)
        let record = AccountRecord(
            account: wish.account, customer: request.customer, items: plans.map(\.item), created: now,
            expires: expires, policy: request.policy, order: request.order, request: wish.id, origin: origin,
            passwordDigest: .sha256(of: Array(credentials.password(for: wish.id, created: now).utf8)),
            fileCount: plans.reduce(0) { $0 + $1.fileCount }, bytes: plans.reduce(0) { $0 + $1.bytes })
        recorder?.begin(record)
        do throws(Failure) { try build(record, claim, plans) } catch {
            recorder?.end(record)
            throw error
        }
    }

    /// Refuses a content other than the one that was ordered.
    private static func check(_ plan: ContentPlan, is ordered: ContentDigest?) throws(Failure) {
        guard let ordered, ordered != plan.manifest else { return }
        throw Failure(
            .notFound,
            "this storage host has \(plan.item.product) \(plan.item.version) with another content (manifest \(plan.manifest)) than was ordered (\(ordered)); publish the files that ffsauthd knows here as well (ffsctl product publish --replace)"
        )
    }

    static func gone(_ account: AccountID) -> Failure {
        Failure(.gone, "account \(account) has expired or was revoked; send a new request for a new account")
    }

    private func build(
        _ record: AccountRecord, _ claim: FeedGuard.Claim?, _ plans: [ContentPlan]
    ) throws(Failure) {
        let tree: BuildTree
        do throws(Failure) { tree = try builder.begin(record.account, plans) } catch {
            throw abandon(record.account, plans, error)
        }
        let chunks = plans.map { TreeBuilder.parts(of: $0) }
        let count = chunks.reduce(0) { $0 + $1.count }
        let job = BuildJob(
            record: record, plans: plans, tree: tree, chunks: max(count, 1), claim: claim, finish: finish)
        let all = chunks.enumerated().flatMap { plan, chunks in
            chunks.map { BuildChunk(job: job, plan: plan, parts: $0) }
        }
        // The first one here and now; small accounts have no other.
        scheduler.bulk(all.dropFirst().map { chunk in { [self] in link(chunk) } })
        if let first = all.first { link(first) }
    }

    /// One chunk; whoever does the last completes the tree.
    private func link(_ chunk: BuildChunk) {
        let job = chunk.job
        if job.failure.withLock({ $0 == nil }) {
            do throws(Failure) {
                try builder.link(chunk.parts, of: job.plans[chunk.plan], into: job.tree)
            } catch { job.fail(error) }
        }
        guard job.pending.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
        do throws(Failure) {
            if let failure = job.failure.withLock({ $0 }) { throw failure }
            committer.add(job, written: try builder.complete(job))
        } catch { job.finish(.failure(error)) }
    }

    /// Published and on disk, or not. Only what is recorded is answered for.
    private func finish(_ job: BuildJob, _ result: Result<Void, Failure>) {
        let (record, plans) = (job.record, job.plans)
        defer { recorder?.end(record) }
        var result = result
        if case .success = result {
            do throws(Failure) {
                try publisher.confirm(job)
                try recorder?.staged(record)
            } catch {
                publisher.takeBack(record)
                result = .failure(error)
            }
        }
        switch result {
        case .success:
            let password = credentials.password(for: record.request, created: record.created)
            settle(record.account, .success(reply(record, plans.lazy.flatMap(\.listing), password: password)))
        case .failure(let failure):
            index.giveBack(record.customer)
            settle(record.account, .failure(abandon(record.account, plans, failure)))
        }
    }

    /// Leaves nothing of a tree that could not be finished.
    private func abandon(_ account: AccountID, _ plans: [ContentPlan], _ failure: Failure) -> Failure {
        do throws(SystemError) {
            try store.discard(CPath(account.text), from: store.building)
            keeper.reaper.reapDiscarded()
        } catch {
            if error.errno != .noEntry {
                logger.error("cannot remove an unfinished tree: \(error)", metadata: ["account": "\(account)"])
            }
            // Published, and nobody could take that back: it is listed and ends like any other.
            if case .live(let record)? = try? store.find(account) { index.add(record) }
        }
        // A plan that named a missing object must not be used again once the repository is mended.
        if failure.code == .corrupt { for plan in plans { self.plans.forget(plan.item) } }
        return failure
    }
}
