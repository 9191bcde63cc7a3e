package import FFSModel
import Journal
package import Logging
package import Requests
import ServiceLifecycle
import Synchronization
import SystemSupport

/// Forwards all journals of this host: finds new ones, runs a ``StreamForwarder`` for each, and removes what was forwarded
/// and is old enough.
package final class PipelineClient: Sendable {
    private let area: JournalArea
    private let pusher: Pusher
    private let log: LogName
    private let logger: Logger
    /// Seconds.
    private let keep: Atomic<Int>
    private let forwarders = Mutex<[String: StreamForwarder]>([:])

    /// - Parameter directory: of ffspiped's own files.
    package init(
        node: NodeName, journals: String, directory: String, keys: PipelineKeys, target: any PushTarget, keep: Int,
        logger: Logger
    ) throws(Failure) {
        area = JournalArea(directory: journals)
        pusher = Pusher(node: node, keys: keys, target: target)
        log = try LogName(directory: directory, area: area, logger: logger)
        self.keep = Atomic(keep)
        self.logger = logger
    }

    package func apply(keep: Int) { self.keep.store(keep, ordering: .relaxed) }

    /// Until the task is cancelled.
    package func run() async {
        await withDiscardingTaskGroup { group in
            var complaint: String?
            var sweepAt: Int64 = 0
            while !Task.isCancelled {
                do throws(Failure) {
                    for stream in try area.streams() {
                        guard let forwarder = begin(stream) else { continue }
                        group.addTask { await forwarder.run() }
                    }
                    if SystemClock.monotonic() >= sweepAt {
                        try sweep()
                        sweepAt = SystemClock.monotonic() + 30_000_000_000
                    }
                    complaint = nil
                } catch {
                    if complaint != error.text { logger.error("\(error)") }
                    complaint = error.text
                }
                try? await Task.sleep(for: .seconds(1))
            }
            group.cancelAll()
        }
    }

    private func begin(_ stream: String) -> StreamForwarder? {
        forwarders.withLock { forwarders in
            guard forwarders[stream] == nil else { return nil }
            let forwarder = StreamForwarder(stream: stream, area: area, pusher: pusher, log: log, logger: logger)
            forwarders[stream] = forwarder
            return forwarder
        }
    }

    /// What is wholly in the log and older than `pipeline.keep`.
    private func sweep() throws(Failure) {
        let old = SystemClock.nanosecondsSince1970() - Int64(keep.load(ordering: .relaxed)) * 1_000_000_000
        for stream in try area.streams() {
            for segment in try area.segments(stream, [.done]) where segment.state == .done && segment.made < old {
                try area.remove(stream, segment.id, .done)
            }
        }
    }

    package var streams: [PipeStatus.Stream] {
        forwarders.withLock { Array($0.values) }.map(\.status).sorted { $0.stream < $1.stream }
    }
}
