import CLinux

/// Which congestion control sends bulk data, tcp(7): the system's own to far peers, Reno to near ones where the system's
/// own paces.
///
/// BBR spreads segments over time. On paths shorter than its timers — the same machine, the same rack — there is nothing
/// to spread them for, and it halves the throughput and doubles the processor time (docs/benchmarks.md). Reno is in every
/// kernel and open to every process.
package struct CongestionControl: Sendable {
    /// The system's choice; nil where it does not pace, and there is nothing to choose.
    private let pacing: String?

    /// Microseconds there and back below which a path is near.
    private static let near = 1_000

    /// Looks at what new sockets get here.
    package init() {
        let usual = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16) { name in
            ffs_usual_congestion_control(name.baseAddress) == 0
                ? String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
        }
        pacing = usual.hasPrefix("bbr") ? usual : nil
    }

    /// Connections begin as near ones: pacing, once begun, does not end with the congestion control.
    package func prepare(listener: borrowing Descriptor) {
        if pacing != nil { _ = ffs_set_congestion_control(listener.rawValue, "reno") }
    }

    /// Chooses for a connection that will carry much; true when its segments are not paced.
    package func settle(_ connection: borrowing Descriptor) -> Bool {
        guard let pacing else { return true }
        let time = ffs_round_trip(connection.rawValue)
        let isNear = time >= 0 && time < Self.near
        return ffs_set_congestion_control(connection.rawValue, isNear ? "reno" : pacing) == 0 && isNear
    }
}
