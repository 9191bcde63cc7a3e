/// What kind of thing happened. A name rather than an enumeration: what a newer host records is carried and kept by older
/// ones as an opaque row.
package struct EventType: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    /// Lower-case words joined by dots and hyphens, 1 to 40 bytes.
    package let rawValue: String

    /// nil for what is not such a name.
    package init?(rawValue: String) {
        let bytes = rawValue.utf8
        guard (1...Self.longest).contains(bytes.count),
            bytes.allSatisfy({ (0x61...0x7A).contains($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else { return nil }
        self.rawValue = rawValue
    }

    private init(known: String) { rawValue = known }

    /// Bytes in a name.
    package static let longest = 40

    package var description: String { rawValue }

    /// Whether this release knows what the type's fields mean.
    package var isKnown: Bool { Self.rows[self] != nil }

    // At the web front and at ffsauthd.

    /// A customer's name and password were asked about; outcome `ok` or `refused`, with the reason.
    package static let signIn = EventType(known: "sign-in")
    /// ffsauthd authorised items: one event for each item of the order.
    package static let orderPlaced = EventType(known: "order.placed")
    /// A customer accepted the licence of a version.
    package static let licenceAccepted = EventType(known: "licence.accepted")
    /// Somebody changed something in the master database through ffsauthd: who, what, which.
    package static let changeMade = EventType(known: "change.made")
    /// A token was made, used up or revoked.
    package static let tokenChanged = EventType(known: "token.changed")

    // At ffsstaged.

    package static let accountStaged = EventType(known: "account.staged")
    package static let accountExtended = EventType(known: "account.extended")
    package static let accountRevoked = EventType(known: "account.revoked")
    package static let accountExpired = EventType(known: "account.expired")
    package static let contentPublished = EventType(known: "content.published")
    package static let contentWithdrawn = EventType(known: "content.withdrawn")
    /// The cache update agent applied a row of the change feed.
    package static let changeApplied = EventType(known: "change.applied")
    /// An object came from another host.
    package static let peerFetched = EventType(known: "peer.fetched")

    // At ffsftpd.

    /// A login to an account, over FTP, FTPS or HTTPS.
    package static let login = EventType(known: "login")
    /// Recorded for transfers that last; short ones are one record, at their end.
    package static let downloadStarted = EventType(known: "download.started")
    package static let downloadCompleted = EventType(known: "download.completed")
    package static let downloadAborted = EventType(known: "download.aborted")

    // Anywhere.

    /// Keys were made, staged, activated or retired.
    package static let keyChanged = EventType(known: "key.changed")
    /// `count` events were not recorded, from `begun` to the event's time: a full disk, a failed sync.
    package static let journalLoss = EventType(known: "journal.loss")
    /// Bytes of a journal could not be read as records.
    package static let journalGap = EventType(known: "journal.gap")

    /// What the log keeps of itself: an origin that follows another, records that retention has cut.
    package static let logOrigin = EventType(known: "log.origin")
    package static let logRetained = EventType(known: "log.retained")
}

extension EventType {
    /// The fields of a type beyond those that every event may have (``always``).
    package struct Row: Sendable {
        package let required: Set<EventField>
        package let optional: Set<EventField>
    }

    /// Fields that any event may carry.
    package static let always: Set<EventField> = [.trace, .customer, .retailer, .host, .detail]

    /// The catalogue: what this release knows; ffs-pipeline(7) lists the same.
    package static let rows: [EventType: Row] = [
        .signIn: Row(required: [.customer, .outcome], optional: [.reason, .peer, .service, .actor]),
        .orderPlaced: Row(
            required: [.customer, .product, .version, .content, .order], optional: [.peer, .expires, .items]),
        .licenceAccepted: Row(required: [.customer, .product, .version], optional: [.peer, .content]),
        .changeMade: Row(
            required: [.entity, .outcome], optional: [.actor, .product, .version, .content, .reason, .link]),
        .tokenChanged: Row(required: [.outcome], optional: [.actor, .token, .expires, .reason]),
        .accountStaged: account, .accountExtended: account, .accountRevoked: account, .accountExpired: account,
        .contentPublished: Row(required: [.product, .version, .content], optional: [.bytes, .count, .actor]),
        .contentWithdrawn: Row(required: [.product, .version], optional: [.content, .actor, .reason]),
        .changeApplied: Row(
            required: [.change, .entity, .outcome], optional: [.product, .version, .content, .count, .reason]),
        .peerFetched: Row(
            required: [.digest, .from, .to, .outcome], optional: [.source, .duration, .reason, .content]),
        .login: Row(
            required: [.account, .outcome],
            // A refused one may stand for `count` of its kind.
            optional: [.peer, .service, .tls, .reason, .order, .session, .content, .product, .version, .count]),
        .downloadStarted: transfer, .downloadCompleted: transfer, .downloadAborted: transfer,
        .keyChanged: Row(required: [.outcome], optional: [.link, .key, .actor, .reason]),
        .journalLoss: Row(required: [.count], optional: [.begun, .stream, .reason]),
        .journalGap: Row(required: [.stream, .from, .to], optional: [.reason]),
        .logOrigin: Row(required: [.reason], optional: [.digest, .count]),
        .logRetained: Row(required: [.count], optional: [.actor, .reason, .expires]),
    ]

    private static let account = Row(
        required: [.account],
        optional: [
            .product, .version, .content, .order, .items, .expires, .bytes, .count, .outcome, .reason, .level, .actor,
            .duration,
        ])
    private static let transfer = Row(
        required: [.account, .path, .from, .to],
        optional: [
            .size, .outcome, .reason, .duration, .peer, .service, .session, .tls, .digest, .content, .product,
            .version, .order, .level, .flags, .bytes,
        ])
}
