import Synchronization
import SystemSupport

/// A progress bar on standard error, redrawn at most ten times a second:
///
///     Publishing  [#############-------]  64 %  1.3 GiB of 2.0 GiB  812.0 MiB/s  1 s left
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

    /// The bar takes what the words leave of the line, 20 cells at most; rate and time left wait until they mean
    /// something.
    private func draw(_ done: Int, elapsed: Duration) {
        let seconds = elapsed / .seconds(1)
        let share = total > 0 ? min(1, Double(done) / Double(total)) : 1
        let percent = "\(Int(share * 100)) %"
        var words = String(repeating: " ", count: max(0, 5 - percent.count)) + percent
        words += "  \(humanBytes(done)) of \(humanBytes(total))"
        if seconds >= 0.5 {
            let rate = Double(done) / seconds
            words += "  \(humanBytes(Int(rate)))/s"
            if rate > 0, done < total { words += "  \(humanSeconds(Int(Double(total - done) / rate) + 1)) left" }
        }
        let width = (Terminal.width(of: .error) ?? 80) - 1
        let cells = min(20, width - title.count - words.count - 5)
        let full = Int(share * Double(max(0, cells)))
        let bar =
            cells < 3 ? "" : "[\(String(repeating: "#", count: full))\(String(repeating: "-", count: cells - full))] "
        Terminal.write("\r" + String("\(title)  \(bar)\(words)".prefix(width)) + "\u{1B}[K", to: .error)
    }
}
