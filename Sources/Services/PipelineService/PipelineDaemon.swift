import CommlinkTransport
package import ConfigurationSchema
package import DaemonKit
import Databases
import FFSModel
import Logging
package import Requests
package import ServiceLifecycle
import Synchronization
import SystemSupport

/// ffspiped(8): on every host the client that forwards its journals; on the internal host also the log.
package struct PipelineDaemon: Daemon {
    package static let name = "ffspiped"
    package static var user: ConfigurationSchema.Option<String>? { Options.Pipeline.user }

    package let requestTable: RequestTable
    package let services: [any Service]
    private let client: PipelineClient
    private let keys: PipelineKeys
    private let current: CurrentSettings
    private let commlink: CommlinkService?
    private let relayBags: KeyBagStore?

    /// Makes the directories of its own while still root, as their parent is root's.
    package static func prepare(_ environment: DaemonEnvironment) throws {
        let owner = try owner(environment)
        try PrivateFile.createDirectory(ownDirectory(environment.configuration), owner: owner)
        guard try environment.roles().contains(.internal) else { return }
        try PrivateFile.createDirectory(
            SQLiteFile.directory(of: LogSettings(environment.configuration).path), owner: owner)
    }

    package init(_ environment: DaemonEnvironment) async throws {
        let configuration = environment.configuration
        let node = configuration.localNode
        let keys = PipelineKeys(directory: configuration[Options.Pipeline.keys])
        let current = CurrentSettings(LogSettings(configuration))
        let log = try await Self.log(environment, node: node)
        var table = RequestTable(daemon: Self.name, version: ffsVersion, clock: { SystemClock.now() })
        var services: [any Service] = []
        let target: any PushTarget
        if let log {
            let object = PipelineObject(database: log, keys: keys)
            object.add(to: &table)
            log.add(to: &table) { current.settings.fees }
            target = object
            let first = configuration[Options.Pipeline.basePort]
            let commlink = try CommlinkService(
                environment, link: .webPipe, address: configuration[Options.Pipeline.address],
                ports: first...(first + configuration[Options.Pipeline.portCount] - 1), table: table)
            self.commlink = commlink
            relayBags = nil
            let auth = ControlClient(
                path: configuration[Options.Common.runDirectory] + "/" + Options.Auth.pipeSocket,
                server: configuration[Options.Auth.user])
            let outbox = OutboxReader(auth: auth, database: log, logger: environment.logger)
            services = [
                LogKeeper(log, logger: environment.logger) { current.settings }, commlink,
                Working { await outbox.run() },
            ]
        } else {
            commlink = nil
            let relay = try Self.relay(environment)
            relayBags = relay?.bags
            target = relay.map { RelayTarget($0.client) } ?? NoTarget()
            if let relay { services = [CommlinkClients([relay.client])] }
        }
        let client = try PipelineClient(
            node: node, journals: configuration[Options.Pipeline.journals], directory: Self.ownDirectory(configuration),
            keys: keys, target: target, keep: configuration[Options.Pipeline.keep], logger: environment.logger)
        table.on(PipeStatus.self) { _, _ in
            PipeStatus.Reply(node: node, isObject: log != nil, streams: client.streams)
        }
        self.client = client
        self.keys = keys
        self.current = current
        self.services = services + [Working { await client.run() }]
        requestTable = table
    }

    package func reload(_ environment: DaemonEnvironment) async throws {
        keys.reload()
        try commlink?.reload()
        try relayBags?.reload()
        current.replace(LogSettings(environment.configuration))
        client.apply(keep: environment.configuration[Options.Pipeline.keep])
    }

    package static func check(_ environment: DaemonEnvironment) async -> [CheckFinding] {
        let configuration = environment.configuration
        var findings: [CheckFinding] = []
        let keys = configuration[Options.Pipeline.keys]
        do {
            _ = try PipelineKeys(directory: keys).key(of: configuration.localNode)
            findings.append(CheckFinding(.ok, "\(keys)/\(configuration.localNode)", "this host's pipeline key"))
        } catch {
            // Events wait for it; it is found as soon as it is there.
            findings.append(CheckFinding(.warning, "pipeline.key-directory", error.text))
        }
        do {
            if try environment.roles().contains(.internal) {
                findings.append(environment.checkKeyBag(of: .webPipe, isServer: true))
                let path = LogSettings(configuration).path
                let exists = try SQLiteFile.verify(path, owner: owner(environment))
                findings.append(CheckFinding(.ok, "pipeline.log-database", exists ? path : "\(path) will be made"))
            } else if relayHost(configuration).isEmpty {
                findings.append(
                    CheckFinding(
                        .warning, "pipeline.relay-host", "no relay is named, so events stay in the journals; set it"))
            } else {
                findings.append(environment.checkKeyBag(of: .storageWeb))
            }
        } catch { findings.append(CheckFinding(.error, "pipeline.log-database", "\(error)")) }
        return findings
    }
}

extension PipelineDaemon {
    /// The log, on the internal host.
    private static func log(_ environment: DaemonEnvironment, node: NodeName) async throws -> LogDatabase? {
        guard try environment.roles().contains(.internal) else { return nil }
        return try await LogDatabase.open(
            LogSettings(environment.configuration), owner: try owner(environment), node: node,
            logger: environment.logger)
    }

    private static func relay(
        _ environment: DaemonEnvironment
    ) throws(Failure) -> (client: CommlinkClient, bags: KeyBagStore)? {
        let configuration = environment.configuration
        let host = relayHost(configuration)
        guard !host.isEmpty else {
            environment.logger.warning("no relay is named (pipeline.relay-host): events stay in the journals")
            return nil
        }
        let bags = try environment.keyBags(of: .storageWeb)
        let first = configuration[Options.Web.relayBasePort]
        let client = CommlinkClient(
            link: .storageWeb, host: host, ports: first...(first + configuration[Options.Web.relayPortCount] - 1),
            bags: bags, settings: CommlinkSettings(configuration), logger: environment.logger)
        return (client, bags)
    }

    private static func relayHost(_ configuration: Configuration) -> String {
        [Options.Pipeline.relayHost, Options.FTP.relayHost, Options.Web.relayAddress].lazy.map { configuration[$0] }
            .first { !$0.isEmpty } ?? ""
    }

    private static func ownDirectory(_ configuration: Configuration) -> String {
        configuration[Options.Common.stateDirectory] + "/pipe"
    }

    /// The user whose files these are: pipeline.user when root will become that user, else who runs this.
    private static func owner(_ environment: DaemonEnvironment) throws -> SystemUser {
        let name = environment.configuration[Options.Pipeline.user]
        let user =
            SystemUser.isRoot
            ? try SystemUser(named: name) : try SystemUser(number: SystemUser.effectiveNumber)
        guard let user else {
            throw Failure(
                .configuration,
                "there is no user \(name); create it (install.sh install does) or set pipeline.user")
        }
        return user
    }
}

/// Where no relay is named.
private struct NoTarget: PushTarget {
    func push(_ message: PipePush) async throws(Failure) -> PipePush.Reply {
        throw Failure(.unreachable, "no relay is named: set pipeline.relay-host")
    }
}

/// Work that ends when the daemon does.
private struct Working: Service {
    let body: @Sendable () async -> Void

    init(_ body: @escaping @Sendable () async -> Void) { self.body = body }

    func run() async throws { await cancelWhenGracefulShutdown { await body() } }
}

/// The log's settings in force; a reload puts others in their place.
private final class CurrentSettings: Sendable {
    private let state: Mutex<LogSettings>

    init(_ settings: LogSettings) { state = Mutex(settings) }

    var settings: LogSettings { state.withLock { $0 } }

    func replace(_ settings: LogSettings) { state.withLock { $0 = settings } }
}
