import ChangeFeed
import FFSModel
import Requests
import Synchronization

/// The hosts that follow the change feed, as far as they have asked since this process started. A host that is not heard of for
/// ``lifetime`` is no longer waited for: it will find its rows gone and begin anew.
final class FeedHosts: Sendable {
    /// Nanoseconds.
    static let lifetime: Int64 = 3_600_000_000_000
    static let most = 4_096

    private struct Host {
        var heard: Int64
        var number = 0
        var leaseEnd: Int64 = 0
        /// Of its question that waits.
        var wait: Int?
    }

    private let hosts = Mutex<[NodeName: Host]>([:])
    private let started: Int64

    init(now: Int64) { started = now }

    /// The node asks, or acknowledges. Throws `busy` when the table is full of hosts that live.
    func hear(_ node: NodeName, now: Int64) throws(Failure) {
        let isThere = hosts.withLock { hosts in
            if hosts[node] == nil, hosts.count >= Self.most {
                hosts = hosts.filter { now - $0.value.heard < Self.lifetime }
                guard hosts.count < Self.most else { return false }
            }
            hosts[node, default: Host(heard: now)].heard = now
            return true
        }
        guard isThere else {
            throw Failure(.busy, "\(Self.most) hosts follow the change feed already; node names must be fixed ones")
        }
    }

    /// Notes that the node's question waits; returns the wait that it had before.
    func waits(_ node: NodeName, as id: Int) -> Int? {
        hosts.withLock { hosts in
            defer { hosts[node]?.wait = id }
            return hosts[node]?.wait
        }
    }

    /// Whether no later question of the node has taken the place of this one.
    func isWaiting(_ node: NodeName, as id: Int) -> Bool { hosts.withLock { $0[node]?.wait == id } }

    func acknowledge(_ message: FeedAcknowledge, now: Int64) {
        hosts.withLock { hosts in
            hosts[message.node]?.number = message.position.number
            hosts[message.node]?.leaseEnd = now + Int64(message.lease) * 1_000_000
        }
    }

    /// What live hosts have applied; nil as long as this process is too young to know them all.
    func acknowledged(now: Int64) -> [Int]? {
        guard now - started >= Self.lifetime else { return nil }
        return hosts.withLock { $0.values.filter { now - $0.heard < Self.lifetime }.map(\.number) }
    }

    func status(head: Int, now: Int64) -> [FeedStatus.Host] {
        hosts.withLock { hosts in
            hosts.sorted { $0.key < $1.key }.map { node, host in
                FeedStatus.Host(
                    node: node, number: host.number, lag: max(0, head - host.number),
                    silent: Int((now - host.heard) / 1_000_000_000),
                    lease: Int(max(0, host.leaseEnd - now) / 1_000_000_000))
            }
        }
    }
}
