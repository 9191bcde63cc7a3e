import FFSModel
import SystemSupport
import TestSupport

@testable import FTPService

extension PollLoop {
    /// Runs until something is so; throws with `what` when that is not within a minute.
    func run(until what: String, _ isDone: @escaping () -> Bool) throws {
        let watch = Watch(self, isDone)
        try add(watch, -1, [])
        wake(watch, after: 0)
        try run()
        remove(watch)
        guard isDone() else { throw TestFailure("\(what): not within a minute") }
    }

    private final class Watch: Source {
        private unowned let loop: PollLoop
        private let isDone: () -> Bool
        private let end = SystemClock.monotonic() + 60_000_000_000

        init(_ loop: PollLoop, _ isDone: @escaping () -> Bool) {
            self.loop = loop
            self.isDone = isDone
        }

        override func woken() {
            if isDone() || SystemClock.monotonic() > end { return loop.stop() }
            loop.wake(self, after: 5_000_000)
        }
    }
}
