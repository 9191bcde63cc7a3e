import FFSModel
import StoredFormats
import SystemSupport

/// The threads of one publication: each copies and hashes with an ``IncomingSession`` of its own and, once all bytes
/// are on disk, gives names to what it copied.
///
///     copying ──▶ copied ──(syncfs)──▶ naming ──▶ named ──(syncfs)──▶ ended
///        └── a failure, or the operator's stop, at any point ───────────┘
final class PublishWorkers: Sendable {
    private enum Phase { case copying, copied, naming, named, ended }

    private struct State {
        var phase = Phase.copying
        /// Threads that have not ended.
        var alive = 0
        /// Threads that have not finished copying, or naming.
        var working: Int
        /// The place in `order` of the next file to copy.
        var next = 0
        var digests: [ContentDigest?]
        var bytes = 0
        var files = 0
        var added = (files: 0, bytes: 0)
        var failure: Failure?
    }

    private let repository: Repository
    private let item: Item
    private let source: SourceTree
    /// What the version holds already.
    private let expected: [RelativePath: ContentDigest]
    private let method: PublishMethod
    /// Large files first, so that no thread starts one when the others are done.
    private let order: [Int]
    private let threadCount: Int
    private let monitor: Monitor<State>

    private static let largeSize = 16 << 20
    /// Nanoseconds between two reports of progress.
    private static let reportInterval: Int64 = 100_000_000

    /// - Parameter existing: the version's manifest, when it is published already: files that the repository holds
    ///   are then only read, and the first that differs ends the publication with `exists`.
    init(
        _ source: SourceTree, as item: Item, expecting existing: Manifest?, method: PublishMethod,
        into repository: Repository
    ) {
        self.repository = repository
        self.item = item
        self.source = source
        let files = existing.map { manifest in manifest.rows.indices.map(manifest.file) } ?? []
        expected = Dictionary(uniqueKeysWithValues: files.map { ($0.path, $0.digest) })
        self.method = method
        let isLarge = { (index: Int) in source.files[index].status.size >= Self.largeSize }
        order =
            source.files.indices.filter(isLarge).sorted { source.files[$0].status.size > source.files[$1].status.size }
            + source.files.indices.filter { !isLarge($0) }
        threadCount = max(1, min(processorCount(), 8, source.fileCount))
        monitor = Monitor(State(working: threadCount, digests: Array(repeating: nil, count: source.fileCount)))
    }

    /// Copies everything, and gives names to it when `mayName` does not object to the digests.
    ///
    /// - Parameter proceed: called ten times a second, on the calling thread; return false to stop.
    /// - Returns: contents and bytes that the repository did not hold, their names on disk; nil when it was stopped.
    func run(
        proceed: (PublishProgress) -> Bool, mayName: ([ContentDigest]) throws(Failure) -> Void
    ) throws(Failure) -> (files: Int, bytes: Int)? {
        defer { end() }
        try start()
        guard try wait(until: .copied, proceed) else { return nil }
        try mayName(monitor.withLock { $0.digests.compactMap { $0 } })
        try repository.bringToDisk(
            failing: { $0.failure("cannot bring the repository \(repository.path) to disk") },
            naming: { () throws(Failure) in
                monitor.withLock(wake: .all) { state in
                    state.phase = .naming
                    state.working = threadCount
                }
                _ = try wait(until: .named) { _ in true }
            })
        return monitor.withLock { $0.added }
    }

    private func start() throws(Failure) {
        for number in 0..<threadCount {
            monitor.withLock { $0.alive += 1 }
            do throws(SystemError) {
                try SystemThread(name: "publish-\(number)") { [self] in work() }.detach()
            } catch {
                monitor.withLock { $0.alive -= 1 }
                throw error.failure("cannot start threads")
            }
        }
    }

    /// Returns when the last thread has taken its leave, with what it had in `incoming/`.
    private func end() {
        monitor.withLock(wake: .all) { $0.phase = .ended }
        monitor.wait { state in state.alive == 0 ? () : nil }
    }

    /// false when `proceed` said to stop.
    private func wait(until phase: Phase, _ proceed: (PublishProgress) -> Bool) throws(Failure) -> Bool {
        while true {
            let isOver: Void? = monitor.wait(timeout: Self.reportInterval) { state in
                state.phase == phase || state.failure != nil ? () : nil
            }
            let (failure, bytes, files) = monitor.withLock { ($0.failure, $0.bytes, $0.files) }
            if let failure { throw failure }
            let progress = PublishProgress(
                bytes: bytes, totalBytes: source.size, files: files, totalFiles: source.fileCount)
            guard proceed(progress) else { return false }
            if isOver != nil { return true }
        }
    }

    // MARK: On the threads

    private func work() {
        do throws(Failure) { try copyAndName() } catch {
            monitor.withLock(wake: .all) { state in state.failure = state.failure ?? error }
        }
        monitor.withLock(wake: .all) { $0.alive -= 1 }
    }

    private func copyAndName() throws(Failure) {
        let session = try IncomingSession(in: repository)
        while let index = takeFile() {
            let digest = try source.put(
                index, expecting: expected[source.files[index].path], method: method, into: session
            ) { count in
                monitor.withLock { $0.bytes += count }
            }
            guard let digest else { throw Repository.holdsOther(item) }
            monitor.withLock { state in
                state.digests[index] = digest
                state.files += 1
            }
        }
        arrive(at: .copied)
        guard monitor.wait(for: { $0.phase == .naming || $0.phase == .ended ? $0.phase : nil }) == .naming else {
            return
        }
        do throws(SystemError) { try session.giveNames() } catch { throw source.explain(error, method) }
        monitor.withLock { state in
            state.added.files += session.added.files
            state.added.bytes += session.added.bytes
        }
        arrive(at: .named)
    }

    private func takeFile() -> Int? {
        monitor.withLock { state in
            guard state.phase == .copying, state.failure == nil, state.next < order.count else { return nil }
            defer { state.next += 1 }
            return order[state.next]
        }
    }

    private func arrive(at phase: Phase) {
        monitor.withLock(wake: .all) { state in
            state.working -= 1
            if state.working == 0, state.failure == nil, state.phase != .ended { state.phase = phase }
        }
    }
}
