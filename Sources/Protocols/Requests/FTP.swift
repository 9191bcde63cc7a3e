package import FFSModel
package import Tobj

/// One session of ffsftpd, or one of several downloads that run on a connection of its HTTPS side.
package struct FTPSession: Sendable, Hashable {
    package enum Service: String, Sendable { case ftp, https }

    /// `<worker>-<number>`, for HTTPS `<worker>-h<number>`; what `ftp.kick` takes.
    package let id: String
    package let service: Service
    /// The client's address and port.
    package let peer: String
    /// How long the session is there.
    package let seconds: Int
    /// nil before sign-in.
    package let account: String?
    /// TLS version and cipher of the control connection; nil in clear.
    package let tls: String?
    /// Bytes of the running transfer so far; nil when none runs.
    package let bytes: Int?
    /// Bytes a second of the running transfer since it began.
    package let rate: Int?
    package let path: RelativePath?

    package init(
        id: String, service: Service, peer: String, seconds: Int, account: String?, tls: String?, bytes: Int?,
        rate: Int?, path: RelativePath?
    ) {
        self.id = id
        self.service = service
        self.rate = rate
        self.peer = peer
        self.seconds = seconds
        self.account = account
        self.tls = tls
        self.bytes = bytes
        self.path = path
    }

    package init(_ element: Element) throws(Failure) {
        let fields = Fields(element.children, of: "session")
        id = try fields.text("id")
        service = try fields.value("service") { Service(rawValue: $0) }
        peer = try fields.text("peer")
        seconds = try fields.integer("seconds", in: 0...Int.max)
        account = try fields.optionalText("account")
        tls = try fields.optionalText("tls")
        bytes = fields.optional("bytes") == nil ? nil : try fields.integer("bytes", in: 0...Int.max)
        rate = fields.optional("rate") == nil ? nil : try fields.integer("rate", in: 0...Int.max)
        path = fields.optional("path").flatMap { try? RelativePath(bytes: $0.text) }
    }

    package var element: Element {
        var children: [Element] = [
            .field("id", id), .field("service", service.rawValue), .field("peer", peer),
            .field("seconds", seconds, unit: "s"),
        ]
        if let account { children.append(.field("account", account)) }
        if let tls { children.append(.field("tls", tls)) }
        if let bytes { children.append(.field("bytes", bytes, unit: "byte")) }
        if let rate { children.append(.field("rate", rate, unit: "byte/s")) }
        if let path { children.append(Element("path", text: path.bytes)) }
        return Element("session", children: children)
    }
}

/// `ftp.list`: sessions of all workers, in the order of their names, a page at a time.
///
///     <account>k5zq…</account>? <address>192.0.2.0/24</address>? <after>0-17</after>? <limit>100</limit>
package struct FTPWho: RequestMessage {
    package static var type: RequestType { .ftpWho }

    package struct Reply: ReplyMessage {
        /// All rows of some sessions: an HTTPS connection has one for each download that runs on it.
        package let sessions: [FTPSession]
        /// Sessions there are, and those of them that the request asks for, on whatever page.
        package let total: Int
        package let matching: Int
        /// Whether another page follows; asked for with `after` = the last row's id.
        package let more: Bool

        package init(sessions: [FTPSession], total: Int, matching: Int, more: Bool) {
            self.sessions = sessions
            self.total = total
            self.matching = matching
            self.more = more
        }

        package init(fields: Fields) throws(Failure) {
            sessions = try fields.all("session").map { element throws(Failure) in try FTPSession(element) }
            total = try fields.integer("total", in: 0...Int.max)
            matching = try fields.integer("matching", in: 0...Int.max)
            more = fields.flag("more")
        }

        package var body: [Element] {
            [.field("total", total), .field("matching", matching)] + sessions.map(\.element)
                + (more ? [Element("more")] : [])
        }
    }

    /// nil: of every account, from everywhere, from the first on.
    package let account: AccountID?
    package let address: IPNetwork?
    package let after: String?
    package let limit: Int

    package init(
        account: AccountID? = nil, address: IPNetwork? = nil, after: String? = nil,
        limit: Int = PageBudget.limits.upperBound
    ) {
        self.account = account
        self.address = address
        self.after = after
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["account", "address", "after", "limit"])
        account = try fields.optionalName("account")
        address =
            fields.optional("address") == nil
            ? nil : try fields.value("address") { IPNetwork(text: $0.utf8) }
        after = try fields.optionalText("after")
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        var body: [Element] = []
        if let account { body.append(.field("account", account)) }
        if let address { body.append(.field("address", "\(address)")) }
        if let after { body.append(.field("after", after)) }
        return body + [.field("limit", limit)]
    }
}

/// `ftp.kick`: ends one session, or all of an account, at once.
package struct FTPKick: RequestMessage {
    package static var type: RequestType { .ftpKick }

    package enum Target: Sendable, Hashable {
        case session(String)
        case account(AccountID)
    }

    package struct Reply: ReplyMessage {
        /// Sessions that were ended.
        package let count: Int
        package init(count: Int) { self.count = count }
        package init(fields: Fields) throws(Failure) { count = try fields.integer("count", in: 0...Int.max) }
        package var body: [Element] { [.field("count", count)] }
    }

    package let target: Target
    package init(_ target: Target) { self.target = target }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["session", "account"])
        switch (try fields.optionalText("session"), fields.optional("account")) {
        case (let session?, nil): target = .session(session)
        case (nil, .some): target = .account(try fields.name("account"))
        default: throw Failure(.badRequest, "ftp.kick wants either a <session> or an <account>")
        }
    }

    package var body: [Element] {
        switch target {
        case .session(let session): [.field("session", session)]
        case .account(let account): [.field("account", account)]
        }
    }
}

/// `ftp.drain`: `on` turns new sessions away with 421 until `off`; those there go on.
package struct FTPDrain: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .ftpDrain }
    package let on: Bool
    package init(on: Bool) { self.on = on }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["state"])
        on = try fields.value("state") { $0 == "on" ? true : $0 == "off" ? false : nil }
    }

    package var body: [Element] { [.field("state", on ? "on" : "off")] }
}

/// `ftp.restart`: fresh workers take over; transfers that run end at the old ones. Answered once the new ones serve.
package struct FTPRestart: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .ftpRestart }
    package init() {}
    package init(fields: Fields) throws(Failure) { try fields.allowOnly([]) }
    package var body: [Element] { [] }
}

/// `ftp.status`: the limits in force.
package struct FTPLimits: RequestMessage {
    package static var type: RequestType { .ftpLimits }

    package struct Reply: ReplyMessage {
        /// Option and its value, in the order of ffs.yaml(5).
        package let limits: [(option: String, value: String)]
        /// Sessions there are now.
        package let sessions: Int

        package init(limits: [(option: String, value: String)], sessions: Int) {
            self.limits = limits
            self.sessions = sessions
        }

        package init(fields: Fields) throws(Failure) {
            sessions = try fields.integer("sessions", in: 0...Int.max)
            limits = fields.all("limit").map {
                (String(decoding: $0.attribute("option") ?? [], as: UTF8.self), $0.string)
            }
        }

        package var body: [Element] {
            [.field("sessions", sessions)]
                + limits.map { Element("limit", [.init("option", $0.option.utf8)], text: $0.value) }
        }
    }

    package init() {}
    package init(fields: Fields) throws(Failure) { try fields.allowOnly([]) }
    package var body: [Element] { [] }
}
