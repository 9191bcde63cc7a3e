package import ConfigurationSchema
package import Logging
package import Requests
package import ServiceLifecycle

/// What a daemon starts from.
package struct DaemonEnvironment: Sendable {
    /// The program's name, such as `ffsauthd`.
    package let name: String
    package let configuration: Configuration
    /// The file that the configuration was read from; may be missing.
    package let configurationFile: String
    package let logger: Logger
    /// Whether key bags made for tests are accepted.
    package let allowTestKeys: Bool
    /// `--check`: an operator asks, and nothing is going to be served.
    package let isCheck: Bool

    package init(
        name: String, configuration: Configuration, logger: Logger, allowTestKeys: Bool, isCheck: Bool = false,
        configurationFile: String = defaultConfigurationFile
    ) {
        self.isCheck = isCheck
        self.configurationFile = configurationFile
        self.name = name
        self.configuration = configuration
        self.logger = logger
        self.allowTestKeys = allowTestKeys
    }
}

extension DaemonEnvironment {
    /// What this host is for; throws `configuration` for a word that is no role.
    package func roles() throws -> Set<HostRole> { try HostRole.ofThisHost(configuration: configurationFile) }
}

/// One result of `--check`.
package struct CheckFinding: Sendable, Hashable {
    package enum Severity: String, Sendable {
        case ok
        /// Works, but an operator should know.
        case warning
        /// The daemon refuses to start.
        case error
    }

    package let severity: Severity
    /// What was looked at, such as a path or an option.
    package let subject: String
    /// What was found and, unless ok, what to do about it.
    package let text: String

    package init(_ severity: Severity, _ subject: String, _ text: String) {
        self.severity = severity
        self.subject = subject
        self.text = text
    }
}

/// A daemon's own part; ``runDaemon(_:_:)`` is everything else.
package protocol Daemon: Sendable {
    static var name: String { get }
    /// The user to become when started as root; nil for a daemon that handles its privileges itself (ffsftpd).
    static var user: Option<String>? { get }
    /// Still with the privileges it was started with: whatever needs root.
    static func prepare(_ environment: DaemonEnvironment) throws
    /// Looks at everything the daemon needs, changes nothing. Runs before every start, too.
    static func check(_ environment: DaemonEnvironment) async -> [CheckFinding]
    /// After the privilege drop.
    init(_ environment: DaemonEnvironment) async throws
    /// Served to ffsctl(8) on the control socket, and on the daemon's commlink if it has one.
    var requestTable: RequestTable { get }
    /// Run until SIGTERM; a service that ends or throws ends the daemon.
    var services: [any Service] { get }
    /// SIGHUP: takes the new configuration, keys and certificates without dropping a session.
    /// When it throws, the old ones stay in force.
    func reload(_ environment: DaemonEnvironment) async throws
    /// Returns once each thread of the daemon's own, besides SwiftNIO's loops and Swift's pool, has shown that it works;
    /// asked for the service manager's watchdog.
    func prove() async
    /// What `ffsctl status` shows: a few numbers under their `/metrics` names.
    var counts: [DaemonStatus.Reply.Value] { get }
    /// Whether new customers are served now, for `/readyz`; asked only between start and drain.
    var isServing: Bool { get }
}

extension Daemon {
    package static var user: Option<String>? { nil }
    package static func prepare(_ environment: DaemonEnvironment) throws {}
    package static func check(_ environment: DaemonEnvironment) async -> [CheckFinding] { [] }
    package func reload(_ environment: DaemonEnvironment) async throws {}
    package func prove() async {}
    package var counts: [DaemonStatus.Reply.Value] { [] }
    package var isServing: Bool { true }
}

/// A service whose sockets open before the daemon says that it is ready; "port in use" then ends the start
/// with one sentence, instead of a daemon that claims to be up.
package protocol BindingService: Service {
    /// Throws ``Failure`` when an address cannot be bound.
    func bind() async throws
}

/// The release, shown by `--version`, `ping` and `/metrics`.
package let ffsVersion = "0.1.0"
