import FFSModel

/// What a host is for, and so which daemons it runs.
package enum HostRole: String, CaseIterable, Sendable {
    case web, `internal`, storage

    /// The roles of the host whose configuration file is `configuration`: the words of the file `roles` beside it,
    /// which install.sh writes; all where there is none. Throws `configuration` for a word that is no role.
    package static func ofThisHost(configuration: String) throws -> Set<HostRole> {
        let directory = configuration.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(configuration[..<$0]) } ?? "."
        let path = "\(directory)/roles"
        guard let text = try readConfigurationFile(path) else { return Set(allCases) }
        let words = text.utf8.split { $0 == UInt8(ascii: ",") || $0 <= 0x20 }.map {
            String(decoding: $0, as: UTF8.self)
        }
        var roles: Set<HostRole> = []
        for word in words {
            guard let role = HostRole(rawValue: word) else {
                throw Failure(
                    .configuration,
                    "\(path) names \(printable(word.utf8)), which is no role; it takes web, internal and storage, with commas between"
                )
            }
            roles.insert(role)
        }
        guard !roles.isEmpty else {
            throw Failure(.configuration, "\(path) names no role; write web, internal or storage into it, or remove it")
        }
        return roles
    }
}
