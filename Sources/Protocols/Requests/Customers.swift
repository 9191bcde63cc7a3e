package import FFSModel
package import Tobj

/// A date that may be lifted: `never`, or a moment (`2026-12-31T00:00:00Z`, or `2026-12-31` for its midnight).
package enum Deadline: Sendable, Hashable, CustomStringConvertible {
    case never
    case at(Timestamp)

    package init(_ timestamp: Timestamp?) { self = timestamp.map(Self.at) ?? .never }

    package init?(_ text: String) {
        if text == "never" {
            self = .never
        } else {
            guard let timestamp = Timestamp(text) else { return nil }
            self = .at(timestamp)
        }
    }

    package var timestamp: Timestamp? { if case .at(let timestamp) = self { timestamp } else { nil } }
    package var description: String { timestamp?.description ?? "never" }
}

/// A customer as the operator sees one; the reply to `customer.create` and `customer.update`, a row of `customer.list`.
package struct CustomerRecord: PageRow, ReplyMessage, Hashable {
    package enum Status: String, Sendable, CaseIterable {
        case active
        /// May not sign in or order until an operator says otherwise.
        case disabled
    }

    package let customer: CustomerName
    package let displayName: String
    package let status: Status
    /// From when on they may not sign in or order; nil for never.
    package let expires: Timestamp?
    package let created: Timestamp
    /// When the password was last set; nil when there is none, so that nobody can sign in.
    package let passwordSet: Timestamp?

    package init(
        customer: CustomerName, displayName: String, status: Status, expires: Timestamp?, created: Timestamp,
        passwordSet: Timestamp?
    ) {
        self.customer = customer
        self.displayName = displayName
        self.status = status
        self.expires = expires
        self.created = created
        self.passwordSet = passwordSet
    }

    package init(fields: Fields) throws(Failure) {
        customer = try fields.name("customer")
        displayName = try fields.text("display-name")
        status = try fields.value("status", Status.init)
        expires = try fields.optionalTimestamp("expires")
        created = try fields.timestamp("created")
        passwordSet = try fields.optionalTimestamp("password-set")
    }

    package var body: [Element] {
        var body: [Element] = [
            .field("customer", customer), .field("display-name", displayName), .field("status", status.rawValue),
        ]
        if let expires { body.append(.field("expires", expires)) }
        body.append(.field("created", created))
        if let passwordSet { body.append(.field("password-set", passwordSet)) }
        return body
    }
}

/// `customer.create`: refused as `exists` when there is one of that name.
///
///     <customer>acme</customer> <display-name>ACME GmbH</display-name>? <expires>2027-01-01T00:00:00Z</expires>?
///     <password>…</password>?
package struct CustomerCreate: RequestMessage {
    package typealias Reply = CustomerRecord
    package static var type: RequestType { .customerCreate }
    package let customer: CustomerName
    /// nil takes the name.
    package let displayName: String?
    package let expires: Timestamp?
    /// UTF-8 bytes; nil makes a customer who cannot sign in until a password is set.
    package let password: [UInt8]?

    /// Bytes of UTF-8 in a display name.
    package static let displayNameBytes = 1...200

    package init(
        customer: CustomerName, displayName: String? = nil, expires: Timestamp? = nil, password: [UInt8]? = nil
    ) {
        self.customer = customer
        self.displayName = displayName
        self.expires = expires
        self.password = password
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "display-name", "expires", "password"])
        customer = try fields.name("customer")
        displayName = try fields.optionalLine("display-name", bytes: Self.displayNameBytes)
        expires = try fields.optionalTimestamp("expires")
        password = try fields.optionalPassword("password")
    }

    package var body: [Element] {
        var body: [Element] = [.field("customer", customer)]
        if let displayName { body.append(.field("display-name", displayName)) }
        if let expires { body.append(.field("expires", expires)) }
        if let password { body.append(Element("password", text: password)) }
        return body
    }
}

/// `customer.update`: sets what is given and leaves the rest.
///
///     <customer>acme</customer> <display-name>…</display-name>? <status>active|disabled</status>?
///     <expires>never | timestamp</expires>? <password>…</password>?
package struct CustomerUpdate: RequestMessage {
    package typealias Reply = CustomerRecord
    package static var type: RequestType { .customerUpdate }
    package let customer: CustomerName
    package let displayName: String?
    package let status: CustomerRecord.Status?
    package let expires: Deadline?
    /// Set without asking for the old one; ends every lock-out of the customer.
    package let password: [UInt8]?

    package init(
        customer: CustomerName, displayName: String? = nil, status: CustomerRecord.Status? = nil,
        expires: Deadline? = nil, password: [UInt8]? = nil
    ) {
        self.customer = customer
        self.displayName = displayName
        self.status = status
        self.expires = expires
        self.password = password
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "display-name", "status", "expires", "password"])
        customer = try fields.name("customer")
        displayName = try fields.optionalLine("display-name", bytes: CustomerCreate.displayNameBytes)
        status = fields.optional("status") == nil ? nil : try fields.value("status", CustomerRecord.Status.init)
        expires = fields.optional("expires") == nil ? nil : try fields.value("expires") { Deadline($0) }
        password = try fields.optionalPassword("password")
    }

    package var body: [Element] {
        var body: [Element] = [.field("customer", customer)]
        if let displayName { body.append(.field("display-name", displayName)) }
        if let status { body.append(.field("status", status.rawValue)) }
        if let expires { body.append(.field("expires", expires)) }
        if let password { body.append(Element("password", text: password)) }
        return body
    }
}

/// `customer.list`: customers in order of name, or the one that is named.
package struct CustomerList: RequestMessage {
    package typealias Reply = Page<CustomerRecord>
    package static var type: RequestType { .customerList }
    /// Only this one; `not-found` when there is none.
    package let customer: CustomerName?
    package let after: CustomerName?
    package let limit: Int

    package init(customer: CustomerName? = nil, after: CustomerName? = nil, limit: Int = 100) {
        self.customer = customer
        self.after = after
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "after", "limit"])
        customer = try fields.optionalName("customer")
        after = try fields.optionalName("after")
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        var body: [Element] = []
        if let customer { body.append(.field("customer", customer)) }
        if let after { body.append(.field("after", after)) }
        return body + [.field("limit", limit)]
    }
}

/// `customer.delete`: removes the customer and their entitlements. Orders stay, with the name, as history.
package struct CustomerDelete: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .customerDelete }
    package let customer: CustomerName

    package init(customer: CustomerName) { self.customer = customer }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer"])
        customer = try fields.name("customer")
    }

    package var body: [Element] { [.field("customer", customer)] }
}
