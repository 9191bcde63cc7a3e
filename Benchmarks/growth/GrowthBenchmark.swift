import ArgumentParser
import FFSModel
import Logging
import SystemSupport

/// What a question about one customer, product or account costs while everybody else's things grow: fills an empty
/// database or account area step by step and asks the same questions at each step. `plot.py` draws the curves.
@main struct GrowthBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-growth", abstract: "Measure how cost grows.",
        subcommands: [AuthGrowth.self, StagingGrowth.self, Reaping.self])
}

/// Where the benchmark works, and how far it goes.
struct Steps: ParsableArguments {
    @Option(help: "An empty directory on the file system to measure.") var directory: String
    @Option(help: "The largest number to fill to; the steps are powers of ten from 1,000 on.") var largest = 100_000
    @Option(help: "How often each question is asked.") var rounds = 100

    var sizes: [Int] { sequence(first: 1_000) { $0 * 10 }.prefix { $0 <= largest }.map(\.self) }
}

/// Prints one line of JSON for a question at a step; times in milliseconds.
func report(_ group: String, _ what: String, _ size: Int, _ times: [Double]) {
    let sorted = times.sorted()
    guard let last = sorted.last else { return }
    func percentile(_ share: Double) -> Double { sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))] }
    let values = [("p50", percentile(0.5)), ("p99", percentile(0.99)), ("max", last)]
        .map { "\"\($0)\":\(($1 * 1_000).rounded() / 1_000)" }.joined(separator: ",")
    print("{\"group\":\"\(group)\",\"what\":\"\(what)\",\"size\":\(size),\"n\":\(sorted.count),\(values)}")
}

/// Milliseconds that `body` takes.
func milliseconds(_ body: () async throws -> Void) async rethrows -> Double {
    let start = SystemClock.monotonic()
    try await body()
    return Double(SystemClock.monotonic() - start) / 1e6
}

/// Says nothing but errors.
var quiet: Logger {
    var logger = Logger(label: "benchmark")
    logger.logLevel = .error
    return logger
}
