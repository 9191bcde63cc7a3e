import FFSModel
import Synchronization
import SystemSupport

/// A thread that sends files for the sessions of its worker: an event loop of its own, so that a slow disk or a cipher
/// never delays a command.
package final class DataThread: Sendable {
    package let mailbox: Mailbox
    private let running = Atomic<Int>(0)

    /// Transfers given to it and not ended; the next one goes to the thread with the fewest.
    package var load: Int { running.load(ordering: .relaxed) }

    package init(index: Int) throws {
        let started = Monitor<Result<Mailbox, SystemError>?>(nil)
        let thread = try SystemThread(name: "data-\(index)") {
            let loop: PollLoop
            do throws(SystemError) { loop = try PollLoop() } catch {
                return started.withLock(wake: .all) { $0 = .failure(error) }
            }
            let mailbox = loop.mailbox
            started.withLock(wake: .all) { $0 = .success(mailbox) }
            do { try loop.run() } catch { preconditionFailure("epoll_wait failed: \(error)") }
        }
        thread.detach()
        mailbox = try started.wait { $0 }.get()
    }

    /// Runs `transfer` here; its `onEnd` is called on this thread.
    package func run(_ transfer: Transfer) {
        running.wrappingAdd(1, ordering: .relaxed)
        let handoff = Handoff(transfer)
        mailbox.post { loop in handoff.value.start(on: loop) }
    }

    /// To be called for each transfer that was given, once it has ended.
    package func ended() { running.wrappingSubtract(1, ordering: .relaxed) }

    package func abort(_ transfer: Transfer) {
        let handoff = Handoff(transfer)
        mailbox.post { _ in handoff.value.abort() }
    }
}
