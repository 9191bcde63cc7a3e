import Synchronization
import SystemSupport

/// A progress bar on standard error, redrawn at most ten times a second:
///
///     Publishing  [#############-------]  64 %  1.3 GiB of 2.0 GiB  812.0 MiB/s  1 s
final class Progress: Sendable {
    private struct State {
        var done = 0
        var drawn: ContinuousClock.Instant?
    }

    private let title: String
    /// Bytes.
    private let total: Int
    private let shown: Bool
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    init(title: String, total: Int, shown: Bool) {
        self.title = title
        self.total = total
        self.shown = shown
    }

    /// `count` more bytes are done. From any thread.
    func advance(by count: Int) {
        guard shown else { return }
        state.withLock { state in
            state.done += count
            let now = ContinuousClock.now
            if let drawn = state.drawn, now - drawn < .milliseconds(100), state.done < total { return }
            state.drawn = now
            draw(state.done, elapsed: now - start)
        }
    }

    /// Takes the bar away, so that the result stands alone.
    func finish() {
        if shown { Terminal.write("\r\u{1B}[K", to: .error) }
    }

    private func draw(_ done: Int, elapsed: Duration) {
        let seconds = max(0.001, elapsed / .seconds(1))
        let rate = Double(done) / seconds
        let share = total > 0 ? min(1, Double(done) / Double(total)) : 1
        let cells = 20
        let full = Int(share * Double(cells))
        let bar = String(repeating: "#", count: full) + String(repeating: "-", count: cells - full)
        let left = rate > 0 && done < total ? humanSeconds(Int(Double(total - done) / rate)) : "0 s"
        let text =
            "\(title)  [\(bar)] \(Int(share * 100)) %  \(humanBytes(done)) of \(humanBytes(total))  "
            + "\(humanBytes(Int(rate)))/s  \(left)"
        let width = Terminal.width(of: .error) ?? 80
        Terminal.write("\r" + String(text.prefix(width - 1)) + "\u{1B}[K", to: .error)
    }
}
