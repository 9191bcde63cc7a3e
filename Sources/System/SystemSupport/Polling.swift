import CLinux
import Glibc

/// Which readiness is waited for, and which came; epoll_ctl(2).
package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static var none: Readiness { Readiness(rawValue: 0) }
    package static var input: Readiness { Readiness(rawValue: 0x001) }
    package static var output: Readiness { Readiness(rawValue: 0x004) }
    /// Reported unasked.
    package static var error: Readiness { Readiness(rawValue: 0x008) }
    package static var inputAndOutput: Readiness { Readiness(rawValue: 0x005) }
    /// A listener's that several loops share: a connection wakes one of them.
    package static var exclusiveInput: Readiness { Readiness(rawValue: 0x001 | 1 << 28) }

    /// Whether a read would tell something: bytes, an error or a hang-up (EPOLLIN, EPOLLERR, EPOLLHUP).
    package var mayRead: Bool { rawValue & 0x019 != 0 }
}

/// An epoll(7) instance, level-triggered. Tokens are the caller's.
package struct Poller: ~Copyable {
    private let epoll: Descriptor
    private let events: UnsafeMutablePointer<ffs_event>
    private static let batch = 128

    package init() throws(SystemError) {
        epoll = Descriptor(owning: try check(ffs_epoll_create(), "epoll_create1", nil))
        events = .allocate(capacity: Self.batch)
    }

    deinit { events.deallocate() }

    /// Watches a descriptor from now on.
    package func add(_ number: Int32, _ interest: Readiness, token: UInt64) throws(SystemError) {
        try check(ffs_epoll_add(epoll.rawValue, number, interest.rawValue, token), "epoll_ctl", nil)
    }

    /// Watches a descriptor for something else.
    package func modify(_ number: Int32, _ interest: Readiness, token: UInt64) throws(SystemError) {
        try check(ffs_epoll_modify(epoll.rawValue, number, interest.rawValue, token), "epoll_ctl", nil)
    }

    /// Watches it no more; closing it does the same.
    package func remove(_ number: Int32) { _ = ffs_epoll_remove(epoll.rawValue, number) }

    /// Waits up to `milliseconds` (-1: for ever, 0: not at all) and returns how many events ``event(_:)`` holds.
    package func wait(milliseconds: Int32) throws(SystemError) -> Int {
        Int(
            try check(
                ffs_epoll_wait(epoll.rawValue, events, Int32(Self.batch), milliseconds), "epoll_wait", nil))
    }

    /// One of the events that the last wait brought.
    package func event(_ index: Int) -> (token: UInt64, readiness: Readiness) {
        (events[index].token, Readiness(rawValue: events[index].events))
    }
}

/// An eventfd(2): any thread wakes the loop that polls it.
package struct WakeUp: ~Copyable, Sendable {
    private let descriptor: Descriptor

    package init() throws(SystemError) { descriptor = Descriptor(owning: try check(ffs_eventfd(), "eventfd", nil)) }

    package var number: Int32 { descriptor.rawValue }

    /// From any thread.
    package func signal() {
        var one: UInt64 = 1
        _ = Glibc.write(descriptor.rawValue, &one, 8)
    }

    /// By the loop that was woken.
    package func clear() {
        var count: UInt64 = 0
        _ = Glibc.read(descriptor.rawValue, &count, 8)
    }
}
