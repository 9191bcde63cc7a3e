package import FFSModel
package import Tobj

/// A host of the installation; the reply to `node.register`, a row of `node.list`.
package struct NodeRecord: PageRow, ReplyMessage, Hashable {
    package enum Role: String, Sendable, CaseIterable {
        /// Runs ffsstaged and ffsftpd.
        case storage
        /// Runs ffswebd.
        case web
        /// Runs ffsauthd.
        case `internal`
    }

    package let node: NodeName
    package let role: Role
    /// Where its daemons are reached: a host name or an address, without a port.
    package let address: String
    package let registered: Timestamp

    /// Bytes in an address.
    package static let addressBytes = 1...255

    package init(node: NodeName, role: Role, address: String, registered: Timestamp) {
        self.node = node
        self.role = role
        self.address = address
        self.registered = registered
    }

    package init(fields: Fields) throws(Failure) {
        node = try fields.name("node")
        role = try fields.value("role", Role.init)
        address = try fields.text("address")
        registered = try fields.timestamp("registered")
    }

    package var body: [Element] {
        [
            .field("node", node), .field("role", role.rawValue), .field("address", address),
            .field("registered", registered),
        ]
    }
}

/// `node.register`: makes a host known, or changes the role and address of one that is.
///
///     <node>storage-1</node> <role>storage</role> <address>storage-1.example.net</address>
package struct NodeRegister: RequestMessage {
    package typealias Reply = NodeRecord
    package static var type: RequestType { .nodeRegister }
    package let node: NodeName
    package let role: NodeRecord.Role
    package let address: String

    package init(node: NodeName, role: NodeRecord.Role, address: String) {
        self.node = node
        self.role = role
        self.address = address
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["node", "role", "address"])
        node = try fields.name("node")
        role = try fields.value("role", NodeRecord.Role.init)
        address = try fields.line("address", bytes: NodeRecord.addressBytes)
        guard address.utf8.allSatisfy({ $0.isASCIILetterOrDigit || ".-:_".utf8.contains($0) }) else {
            throw Failure(.badRequest, "\(fields.context): <address> is a host name, an IPv4 or an IPv6 address")
        }
    }

    package var body: [Element] {
        [.field("node", node), .field("role", role.rawValue), .field("address", address)]
    }
}

/// `node.list`: hosts in order of name.
package struct NodeList: RequestMessage {
    package typealias Reply = Page<NodeRecord>
    package static var type: RequestType { .nodeList }
    package let after: NodeName?
    package let limit: Int

    package init(after: NodeName? = nil, limit: Int = 100) {
        self.after = after
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["after", "limit"])
        after = try fields.optionalName("after")
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        (after.map { [.field("after", $0)] } ?? []) + [.field("limit", limit)]
    }
}
