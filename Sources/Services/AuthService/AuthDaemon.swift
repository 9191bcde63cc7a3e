import CommlinkTransport
package import ConfigurationSchema
package import DaemonKit
import Databases
import FFSModel
import Logging
package import Requests
package import ServiceLifecycle
import SystemSupport

/// ffsauthd(8): the AuthService on its database, behind the web-internal link and the control socket.
package struct AuthDaemon: Daemon {
    package static let name = "ffsauthd"
    package static var user: ConfigurationSchema.Option<String>? { Options.Auth.user }

    package let requestTable: RequestTable
    package let services: [any Service]
    private let service: AuthService
    private let commlink: CommlinkService

    /// Makes the database's directory while still root, as its parent is root's.
    package static func prepare(_ environment: DaemonEnvironment) throws {
        let path = databasePath(environment.configuration)
        try PrivateFile.createDirectory(SQLiteFile.directory(of: path), owner: try owner(environment))
    }

    package static func check(_ environment: DaemonEnvironment) async -> [CheckFinding] {
        [checkDatabase(environment), environment.checkKeyBag(of: .webInternal, isServer: true)]
    }

    package init(_ environment: DaemonEnvironment) async throws {
        let configuration = environment.configuration
        let logger = environment.logger
        let settings = SignInSettings(configuration)
        let database = try SQLiteMasterDatabase(
            path: Self.databasePath(configuration), owner: try Self.owner(environment))
        let hasher = try PasswordHasher(
            cost: settings.hashCost, threads: Self.hashThreads(configuration),
            queue: configuration[Options.Auth.hashQueue])
        service = AuthService(
            database: database, hasher: hasher, settings: settings, logger: logger, clock: SystemClock.now)
        requestTable = service.requestTable(daemon: Self.name, version: ffsVersion)
        let first = configuration[Options.Auth.basePort]
        commlink = try CommlinkService(
            environment, link: .webInternal, address: configuration[Options.Auth.address],
            ports: first...(first + configuration[Options.Auth.portCount] - 1), table: requestTable)
        // Ended in reverse order: the database closes when nobody can ask any more.
        services = [
            Housekeeping(service: service, database: database, hasher: hasher, logger: logger), commlink,
            try Self.pipeSocket(environment, requestTable), Watching(watch: service.watch),
        ]
    }

    package func reload(_ environment: DaemonEnvironment) async throws {
        try commlink.reload()
        try service.apply(SignInSettings(environment.configuration))
    }

    package func prove() async { await service.prove() }

    package var counts: [DaemonStatus.Reply.Value] { service.counts }
}

extension AuthDaemon {
    static func databasePath(_ configuration: Configuration) -> String {
        let path = configuration[Options.Auth.database]
        return path.utf8.first == UInt8(ascii: "/") ? path : configuration[Options.Common.stateDirectory] + "/" + path
    }

    /// The user whose the database is: auth.user when root will become that user, else who runs this.
    private static func owner(_ environment: DaemonEnvironment) throws(Failure) -> SystemUser {
        do {
            guard SystemUser.isRoot else {
                if let user = try SystemUser(number: SystemUser.effectiveNumber) { return user }
                throw Failure(
                    .configuration, "user \(SystemUser.effectiveNumber) has no name; add it to the user database")
            }
            let name = environment.configuration[Options.Auth.user]
            if let user = try SystemUser(named: name) { return user }
            throw Failure(
                .configuration, "there is no user \(name); create it (install.sh install does) or set auth.user")
        } catch let failure as Failure { throw failure } catch let error as SystemError {
            throw error.failure("cannot look up ffsauthd's user", .configuration)
        } catch { throw Failure(.internal, "cannot look up ffsauthd's user", cause: "\(error)") }
    }

    private static func hashThreads(_ configuration: Configuration) -> Int {
        let wanted = configuration[Options.Auth.hashThreads]
        return wanted > 0 ? wanted : max(1, processorCount() / 2)
    }

    /// The group of those at the two ends of ``pipeSocket``: of ffsauthd's user, who could not give the socket to a group
    /// that is not theirs, and of ffspiped's.
    private static let outboxGroup = "ffs-outbox"

    /// Where the pipeline of this host fetches events.
    private static func pipeSocket(
        _ environment: DaemonEnvironment, _ table: RequestTable
    ) throws(Failure) -> ControlService {
        let configuration = environment.configuration
        let reader: SystemUser?
        do { reader = try SystemUser(named: configuration[Options.Pipeline.user]) } catch {
            throw error.failure("cannot look up pipeline.user", .configuration)
        }
        return ControlService(
            ControlServer(
                path: configuration[Options.Common.runDirectory] + "/" + Options.Auth.pipeSocket, link: .pipe,
                group: SystemGroup(named: outboxGroup)?.number ?? reader?.group, table: table,
                logger: environment.logger))
    }

    /// Looks and does not open: SQLite would leave files of whoever looks.
    private static func checkDatabase(_ environment: DaemonEnvironment) -> CheckFinding {
        let path = databasePath(environment.configuration)
        do {
            let exists = try SQLiteFile.verify(path, owner: try owner(environment))
            return CheckFinding(.ok, "auth.database", exists ? path : "\(path) will be made")
        } catch { return CheckFinding(.error, "auth.database", error.text) }
    }
}

extension SignInSettings {
    init(_ configuration: Configuration) {
        self.init(
            hashCost: configuration[Options.Auth.hashCost],
            lockOut: LockOut.Limits(
                freeAttempts: configuration[Options.Auth.lockoutAttempts],
                longestWait: .seconds(configuration[Options.Auth.lockoutMaximum])),
            refusalStep: .milliseconds(configuration[Options.Auth.refusalTime]),
            passwordMinimum: configuration[Options.Auth.passwordMinimum])
    }
}

/// Looks for commits. Ended first: whoever waits for one is answered at once, so that the links drain.
private struct Watching: Service {
    let watch: CommitWatch

    func run() async throws {
        await cancelWhenGracefulShutdown { await watch.run() }
        watch.stop()
    }
}

/// Looks for broken references once, beside the first requests, and forgets old replies and changes every hour; at the
/// end stops the hash threads and closes the database.
private struct Housekeeping: Service {
    let service: AuthService
    let database: SQLiteMasterDatabase
    let hasher: PasswordHasher
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await reportBrokenReferences()
            while !Task.isCancelled {
                do {
                    try await service.forgetOldReplies()
                    try await service.forgetOldChanges()
                    try await service.forgetOldEvents()
                } catch { logger.warning("old replies, changes and events could not be dropped: \(error)") }
                try? await Task.sleep(for: .seconds(3_600))
            }
        }
        hasher.stop()
        try await service.database.close()
    }

    private func reportBrokenReferences() async {
        do {
            let broken = try await database.brokenReferences()
            guard broken > 0 else { return }
            logger.warning(
                "rows of the master database refer to rows that are gone, as SQL without foreign keys leaves them; PRAGMA foreign_key_check lists them",
                metadata: ["rows": "\(broken)"])
        } catch { logger.warning("references in the master database could not be checked: \(error)") }
    }
}
