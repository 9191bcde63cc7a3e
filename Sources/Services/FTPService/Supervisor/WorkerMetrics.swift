import CoreMetrics
import Requests
import Synchronization
import SystemSupport

/// Brings what workers count in their shared memory before operators: `/metrics` and `ffsctl status`.
final class WorkerMetrics: Sendable {
    private let counters: SharedCounters
    /// What `/metrics` has of each ``Statistic``.
    private let published = Mutex([Int](repeating: 0, count: SharedCounters.places))
    private let serving = Mutex<[Confinement]>([])
    private let restarts = Atomic<Int>(0)

    init(_ counters: SharedCounters) {
        self.counters = counters
        publish(confinements: [])
    }

    /// Sessions at all workers, FTP and HTTPS.
    var sessions: Int { Ledger.sessions(counters) }

    /// Workers that serve.
    var workers: Int { serving.withLock { $0.count } }

    /// A worker died and is replaced.
    func countRestart(of worker: Int) {
        restarts.wrappingAdd(1, ordering: .relaxed)
        Counter(label: "ffs_ftp_worker_restarts_total", dimensions: [("worker", "\(worker)")]).increment()
    }

    /// To be called once a second, with what the workers that serve are confined by.
    func publish(confinements: [Confinement]) {
        serving.withLock { $0 = confinements }
        Gauge(label: "ffs_ftp_workers").record(confinements.count)
        published.withLock { published in
            for statistic in Statistic.allCases {
                let total = counters.total(place: statistic.rawValue)
                if statistic.isGauge {
                    Gauge(label: statistic.name, dimensions: statistic.labels).record(total)
                } else {
                    Counter(label: statistic.name, dimensions: statistic.labels).increment(
                        by: total - published[statistic.rawValue])
                    published[statistic.rawValue] = total
                }
            }
        }
    }

    /// The main ones, for `ffsctl status`.
    var counts: [DaemonStatus.Reply.Value] {
        func sum(_ statistics: Statistic...) -> Int {
            statistics.reduce(0) { $0 + counters.total(place: $1.rawValue) }
        }
        let confinements = serving.withLock { $0 }
        return [
            .init("workers", confinements.count),
            .init("workers under Landlock", confinements.count(where: \.restrictsFiles)),
            .init("workers under seccomp", confinements.count(where: \.restrictsSystemCalls)),
            .init("ftp sessions", sum(.ftpSessions)),
            .init("https sessions", sum(.httpsSessions)),
            .init("transfers running", sum(.ftpTransfers, .httpsTransfers)),
            .init("transfers complete", sum(.ftpComplete, .ftpsComplete, .httpsComplete)),
            .init("transfers broken", sum(.ftpBroken, .ftpsBroken, .httpsBroken)),
            .init("bytes sent", sum(.ftpBytes, .ftpsBytes, .httpsBytes)),
            .init("logins ok", sum(.ftpSignIns, .httpsSignIns)),
            .init("logins refused", sum(.ftpSignInsRefused, .httpsSignInsRefused)),
            .init("worker restarts", restarts.load(ordering: .relaxed)),
        ]
    }
}
