import DaemonKit

typealias Role = HostRole

extension Role {
    var daemons: [DaemonName] {
        switch self {
        case .web: [.ffspiped, .ffswebd]
        case .internal: [.ffsauthd, .ffspiped]
        case .storage: [.ffspiped, .ffsstaged, .ffsftpd]
        }
    }
}

extension OperatorCommand {
    /// This host's roles.
    func roles() throws -> Set<Role> { try Role.ofThisHost(configuration: global.config) }

    /// The daemons that were named, else those of this host, in the order in which they start.
    func chosen(_ named: [DaemonName]) throws -> [DaemonName] {
        if !named.isEmpty { return named }
        let here = try roles().flatMap(\.daemons)
        return DaemonName.allCases.filter(here.contains)
    }
}
