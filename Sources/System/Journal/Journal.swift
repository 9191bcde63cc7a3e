package import ConfigurationSchema
package import Events
package import FFSModel
import SystemSupport

/// The journal of a daemon that owns and writes it itself: ffsstaged, ffswebd. A thread of its own makes the next
/// segment in time, seals the old one, and syncs for all who wait.
package final class Journal: Sendable {
    private let stream: JournalStream
    private let writer: JournalWriter
    private let settings: JournalSettings
    private let work: Monitor<Work>
    private let report: @Sendable (Failure) -> Void

    private struct Work {
        var isRollWanted = false
        var isStopped = false
        var hasEnded = false
        /// Why the last segment could not be made; nil when it could.
        var failure: Failure?
        var syncs: Syncs = []
    }
    private typealias Syncs = [(RecordNumber, CheckedContinuation<JournalError?, Never>)]

    /// Opens the journal, seals what a run before this left, and starts its thread.
    ///
    /// - Parameter report: told once of each loss, and of each new reason for it.
    package init(
        directory: String, stream: String, settings: JournalSettings, calls: JournalCalls = .system,
        report: @escaping @Sendable (Failure) -> Void = { _ in }
    ) throws(Failure) {
        let stream = try JournalStream(directory: directory, stream: stream, settings: settings)
        let segment = try stream.create()
        self.stream = stream
        self.settings = settings
        self.report = report
        do throws(JournalError) { writer = try JournalWriter(segment: segment, calls: calls) } catch {
            throw error.failure
        }
        work = Monitor(Work())
        do throws(SystemError) { try SystemThread(name: "journal") { [self] in run() }.detach() } catch {
            throw error.failure("cannot start the journal's thread")
        }
    }

    /// From the configuration's `pipeline.` options.
    package convenience init(
        stream: String, configuration: Configuration, report: @escaping @Sendable (Failure) -> Void
    ) throws(Failure) {
        try self.init(
            directory: configuration[Options.Pipeline.journals], stream: stream,
            settings: JournalSettings(configuration), report: report)
    }

    /// Throws why nothing new should begin that would have to be recorded: under the policy `refuse`, when a new segment
    /// cannot be made and only the reserve is left.
    package func admit() throws(Failure) {
        guard !settings.serveWhenFull, writer.isInReserve else { return }
        throw work.withLock { $0.failure } ?? JournalError.full.failure
    }

    /// Records what happened. Under the policy `serve`, what cannot be recorded is counted instead.
    @discardableResult
    package func record(_ event: Event) throws(Failure) -> RecordNumber? {
        let failure: JournalError
        do throws(JournalError) {
            let number = try writer.append(event.record)
            if writer.wantsRoll { wantRoll() }
            return number
        } catch { failure = error }
        wantRoll()
        if settings.serveWhenFull { return nil }
        throw failure.failure
    }

    /// Records what happened, and returns when it survives a power failure.
    package func recordDurably(_ event: Event) async throws(Failure) {
        guard let number = try record(event) else { return }
        let error = await withCheckedContinuation { continuation in
            let isStopped = work.withLock(wake: .all) { work in
                if !work.hasEnded { work.syncs.append((number, continuation)) }
                return work.hasEnded
            }
            if isStopped { continuation.resume(returning: .full) }
        }
        if let error, !settings.serveWhenFull { throw error.failure }
    }

    /// Returns when everything recorded so far survives a power failure. Blocks.
    package func sync() throws(Failure) {
        if let error = syncError(RecordNumber(segment: writer.segment, offset: .max - 1)) { throw error.failure }
    }

    /// Syncs and seals; later records are refused. Blocks: at the end of a daemon.
    package func stop() {
        work.withLock(wake: .all) { $0.isStopped = true }
        work.wait { $0.hasEnded ? () : nil }
    }

    private func wantRoll() { work.withLock(wake: .all) { $0.isRollWanted = true } }

    private func run() {
        var retryAt: Int64 = 0
        while true {
            let woken: (Syncs, Bool)? = work.wait(timeout: 1_000_000_000) { work in
                guard work.isStopped || !work.syncs.isEmpty || work.isRollWanted && SystemClock.monotonic() >= retryAt
                else { return nil }
                defer { work.syncs = [] }
                return (work.syncs, work.isStopped)
            }
            let (syncs, isStopped) = woken ?? ([], false)
            // The newest record's sync covers the others.
            for (number, continuation) in syncs.reversed() { continuation.resume(returning: syncError(number)) }
            if isStopped { return end() }
            guard writer.wantsRoll, SystemClock.monotonic() >= retryAt else { continue }
            if !roll() { retryAt = SystemClock.monotonic() + 1_000_000_000 }
        }
    }

    private func syncError(_ number: RecordNumber) -> JournalError? {
        do throws(JournalError) { try writer.sync(through: number) } catch { return error }
        return nil
    }

    private func roll() -> Bool {
        do throws(Failure) {
            let lost = writer.lost
            let next = try stream.create()
            let old: ID128
            do throws(JournalError) { old = try writer.take(next: next) } catch { throw error.failure }
            work.withLock { work in
                work.isRollWanted = false
                work.failure = nil
            }
            if lost > 0 {
                report(
                    Failure(.internal, "\(lost) events of \(stream.stream) were not recorded; journal.loss says when"))
            }
            try stream.seal(old)
            return true
        } catch {
            let isNew = work.withLock { work in
                defer { work.failure = error }
                return work.failure?.text != error.text
            }
            if isNew { report(error) }
            return false
        }
    }

    private func end() {
        let segment = writer.segment
        _ = syncError(RecordNumber(segment: segment, offset: .max - 1))
        do throws(Failure) { try stream.seal(segment) } catch { report(error) }
        let late = work.withLock(wake: .all) { work in
            work.hasEnded = true
            defer { work.syncs = [] }
            return work.syncs
        }
        for (number, continuation) in late { continuation.resume(returning: syncError(number)) }
    }
}

extension JournalSettings {
    package init(_ configuration: Configuration) {
        self.init(
            segmentSize: configuration[Options.Pipeline.segmentSize] * 1_024,
            reserve: configuration[Options.Pipeline.reserve] * 1_024,
            serveWhenFull: configuration[Options.Pipeline.onFull] == .serve)
    }
}
