import ArgumentParser
import Commlink
import CommlinkTransport
import FFSModel
import Logging
import Requests
import Clients
import SystemSupport

/// Requests at a steady pace to a running ffsstaged over its commlink: what the web front sees.
struct Latency: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stage over the commlink at a steady pace.")
    @Option(help: "The key bag directory.") var keys: String
    @Option(help: "ffsstaged's first port.") var port = 7650
    @Option(help: "How many ports.") var ports = 8
    @Option(help: "product@version.") var item: String
    @Option(help: "Requests a second.") var pace = 100
    @Option(help: "Seconds.") var seconds = 10

    func run() async throws {
        var logger = Logger(label: "benchmark")
        logger.logLevel = .error
        let bags = try KeyBagStore(directory: keys, link: .webStorage, allowTestKeys: false, logger: logger)
        let client = CommlinkClient(
            link: .webStorage, host: "127.0.0.1", ports: port...(port + ports - 1), bags: bags,
            settings: CommlinkSettings(), logger: logger)
        let staging = StagingClient(client)
        let parts = item.split(separator: "@").map(String.init)
        guard parts.count == 2 else { throw ValidationError("--item is product@version") }
        let request = try stageRequest(
            [Item(product: try ProductName(parts[0]), version: try VersionName(parts[1]))], lifetime: 60)
        for _ in 0..<ports { _ = try await staging.create(request, id: .random()) }
        let interval = 1_000_000_000 / Int64(pace)
        let start = SystemClock.monotonic()
        let times = try await withThrowingTaskGroup(of: Double.self) { group in
            for number in 0..<pace * seconds {
                // From the moment it was due: a late start counts as waiting.
                let due = start + Int64(number) * interval
                let wait = due - SystemClock.monotonic()
                if wait > 0 { try await Task.sleep(for: .nanoseconds(wait)) }
                group.addTask {
                    let begun = SystemClock.monotonic()
                    _ = try await staging.create(request, id: .random())
                    return Double(SystemClock.monotonic() - begun) / 1e6
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        report("latency at \(pace)/s", times)
        await client.close()
    }
}
