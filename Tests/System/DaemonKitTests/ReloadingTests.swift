import NIOCore
import NIOPosix
import Synchronization
import SystemSupport
import Testing

@testable import DaemonKit

@Suite struct ReloadingTests {
    private final class Shared<Value: Sendable>: Sendable {
        let value: Mutex<Value>
        init(_ value: Value) { self.value = Mutex(value) }
    }

    /// Name of the calling thread, as ps(1) shows it.
    private static func threadName() -> String {
        let bytes = try? Descriptor.open("/proc/thread-self/comm", .read).readAll(limit: 64)
        return String(decoding: (bytes ?? []).prefix { $0 != 0x0A }, as: UTF8.self)
    }

    /// The control socket's handlers begin on an event loop.
    @Test func aReloadLeavesTheEventLoop() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let names = Shared<[String]>([])
        try await loop.submit {
            Task.immediate {
                try await ReloadThread.run {
                    names.value.withLock { $0.append(Self.threadName()) }
                    await Task.yield()
                    names.value.withLock { $0.append(Self.threadName()) }
                }
            }
        }.get().value
        #expect(names.value.withLock { $0 } == ["reload", "reload"])
    }

    @Test func reloadsComeOneAfterTheOther() async throws {
        let isReleased = Monitor(false)
        let steps = Shared<[Int]>([])
        @Sendable func note(_ step: Int) { steps.value.withLock { $0.append(step) } }
        let first = Task {
            try await ReloadThread.run {
                note(1)
                isReleased.wait { $0 ? () : nil }
                await Task.yield()
                note(2)
                throw CancellationError()
            }
        }
        while steps.value.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(1)) }
        let second = Task { try await ReloadThread.run { note(3) } }
        try await Task.sleep(for: .milliseconds(100))
        let early = steps.value.withLock { $0 }
        #expect(early == [1])
        isReleased.withLock(wake: .all) { $0 = true }
        await #expect(throws: CancellationError.self) { try await first.value }
        try await second.value
        let all = steps.value.withLock { $0 }
        #expect(all == [1, 2, 3])
    }

    @Test func aHangingEventLoopIsNotProven() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        await EventLoopProof.prove(group)
        let isReleased = Monitor(false)
        let isProven = Shared(false)
        let hanging = group.next()
        hanging.execute { _ = isReleased.wait { $0 ? true : nil } }
        let proof = Task {
            await EventLoopProof.prove(group)
            isProven.value.withLock { $0 = true }
        }
        // The other loop has answered by now; the hanging one cannot have.
        try await Task.sleep(for: .milliseconds(50))
        let early = isProven.value.withLock { $0 }
        #expect(!early)
        isReleased.withLock(wake: .all) { $0 = true }
        await proof.value
        let late = isProven.value.withLock { $0 }
        #expect(late)
        try await group.shutdownGracefully()
    }
}
