package import FFSModel
import CLinux
import Glibc

/// The system's clocks.
package enum SystemClock {
    /// Wall time, whole seconds.
    package static func now() -> Timestamp { Timestamp(seconds: Int64(read(CLOCK_REALTIME).tv_sec)) }

    /// Wall time, and milliseconds of its second.
    package static func nowWithMilliseconds() -> (time: Timestamp, milliseconds: Int) {
        let time = read(CLOCK_REALTIME)
        return (Timestamp(seconds: Int64(time.tv_sec)), time.tv_nsec / 1_000_000)
    }

    /// Wall time, nanoseconds since 1970: the time of an event.
    package static func nanosecondsSince1970() -> Int64 { nanoseconds(CLOCK_REALTIME) }

    /// Nanoseconds on a clock that never steps and stands still while the machine sleeps.
    package static func monotonic() -> Int64 { nanoseconds(CLOCK_MONOTONIC) }

    /// Nanoseconds since boot, sleep included: what wall time is compared with to see it step.
    package static func sinceBoot() -> Int64 { nanoseconds(CLOCK_BOOTTIME) }

    /// Processor time of all threads of this process, nanoseconds.
    package static func processor() -> Int64 { nanoseconds(CLOCK_PROCESS_CPUTIME_ID) }

    private static func nanoseconds(_ clock: clockid_t) -> Int64 {
        let time = read(clock)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        clock_gettime(clock, &time)
        return time
    }

    /// Sleeps the calling thread. For dedicated threads only.
    package static func sleep(nanoseconds: Int64) {
        guard nanoseconds > 0 else { return }
        let end = monotonic() + nanoseconds
        var deadline = timespec(tv_sec: Int(end / 1_000_000_000), tv_nsec: Int(end % 1_000_000_000))
        while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nil) == EINTR {}
    }
}

/// `count` bytes from getrandom(2).
package func randomBytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        let result = ffs_random(buffer.baseAddress, count)
        precondition(result == 0, "getrandom(2) failed: \(Errno(-result))")
        initialized = count
    }
}
