import ArgumentParser
import FFSModel
import Logging
import Repository
import Requests
import StagingService
import SystemSupport

/// Measures staging inside the engine of ffsstaged(8), durable, and over the commlink. `stage.c` is
/// the floor to compare with, in turn with it on one file system.
@main struct StagingBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-staging", abstract: "Measure staging.",
        subcommands: [Tree.self, One.self, Rate.self, Many.self, Latency.self])
}

/// Where the benchmark works, and how often.
struct Place: ParsableArguments {
    @Option(help: "A directory on the file system to measure; made, and its content is reused.")
    var directory: String

    @Option(help: "Measurements.") var rounds = 7

    /// An engine on `directory`.
    func engine(_ change: (inout StagingSettings) -> Void = { _ in }) throws -> StagingEngine {
        let parent = try Descriptor.open(CPath(directory), [.read, .directory])
        for name in ["repository", "accounts", "state"] {
            _ = try parent.ensureDirectory(CPath(name), permissions: 0o755).release()
        }
        Privileges.setCreationMask(0o022)
        var settings = StagingSettings(
            repository: "\(directory)/repository", accounts: "\(directory)/accounts",
            stateDirectory: "\(directory)/state", owner: "root")
        settings.reapRate = 10_000_000
        settings.queue = 65_536
        settings.accountsPerCustomer = 0
        settings.accountsPerHour = 0
        change(&settings)
        var logger = Logger(label: "benchmark")
        logger.logLevel = .error
        return try StagingEngine(settings: settings, logger: logger)
    }

    /// Publishes `path` as `product` unless a former run did.
    func publish(_ path: String, as product: String) throws -> Item {
        let item = Item(product: try ProductName(product), version: try VersionName("1"))
        let repository = try Repository(path: "\(directory)/repository", owner: nil)
        if try repository.versionStatus(item) == nil {
            _ = try repository.publish(try SourceTree(path: path), as: item)
        }
        return item
    }
}

/// Milliseconds that `body` takes.
func milliseconds(_ body: () async throws -> Void) async rethrows -> Double {
    let start = SystemClock.monotonic()
    try await body()
    return Double(SystemClock.monotonic() - start) / 1e6
}

/// `{"what": …, "n": …, "p50": …}`: one line a result, times in milliseconds.
func report(_ what: String, _ times: [Double], _ extra: [(String, Double)] = []) {
    let sorted = times.sorted()
    func percentile(_ share: Double) -> Double { sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))] }
    var fields = "\"what\":\"\(what)\",\"n\":\(sorted.count)"
    if !sorted.isEmpty {
        for (name, value) in [
            ("min", sorted[0]), ("p50", percentile(0.5)), ("p99", percentile(0.99)), ("max", sorted[sorted.count - 1]),
        ] { fields += ",\"\(name)\":\(rounded(value))" }
    }
    for (name, value) in extra { fields += ",\"\(name)\":\(rounded(value))" }
    print("{\(fields)}")
}

func rounded(_ value: Double) -> Double { (value * 1_000).rounded() / 1_000 }

/// A request for `items`.
func stageRequest(_ items: [Item], lifetime: Int = 3_600) throws -> StageCreate {
    StageCreate(customer: try CustomerName("benchmark"), items: items, lifetime: lifetime)
}
