import FFSModel
import Requests

/// What is known when somebody asks why a customer can, or cannot, have something.
struct WhyFacts: Sendable {
    let customer: CustomerName
    let product: ProductName
    /// The version asked about; nil for the newest that is published.
    let version: VersionName?
    let now: Timestamp
    /// nil: there is no such customer.
    var record: CustomerRecord?
    /// Every version of the product; empty: there is no such product.
    var versions: [ProductRecord] = []
    /// Every grant of the product to the customer, those that have ended as well.
    var grants: [EntitlementRecord] = []
    /// nil: this host has no repository, so nobody here can say.
    var isHere: Bool?
    /// Accounts of the customer that live now and hold the version; nil: nobody here can say.
    var accounts: [StageList.Row]?
}

/// One step of the decision.
struct Reason: Sendable, Hashable {
    enum Verdict: String, Sendable {
        /// This step lets the customer through, is why they are turned away, or does not decide.
        case yes, no, note
    }

    let verdict: Verdict
    let sentence: String

    init(_ verdict: Verdict, _ sentence: String) {
        self.verdict = verdict
        self.sentence = sentence
    }
}

extension WhyFacts {
    /// The version that is meant: the one asked about, else the newest that is published.
    var meant: ProductRecord? {
        guard let version else {
            return versions.filter { $0.status == .published }.max { $0.released < $1.released } ?? versions.last
        }
        return versions.first { $0.item.version == version }
    }

    /// The decision, step by step, in the order in which ffsauthd and ffsstaged take it.
    var reasons: [Reason] { decision + hostReasons }

    /// What ffsauthd goes by.
    private var decision: [Reason] { customerReasons + versionReasons + grantReasons }

    private var customerReasons: [Reason] {
        guard let record else {
            return [Reason(.no, "There is no customer \(customer); `ffsctl customer add \(customer)` makes one.")]
        }
        var reasons: [Reason] = []
        if record.status == .disabled {
            reasons.append(
                Reason(
                    .no,
                    "\(customer) is disabled: nobody signs in or orders under that name until `ffsctl customer enable \(customer)`."
                ))
        }
        if let expires = record.expires, expires <= now {
            reasons.append(
                Reason(
                    .no,
                    "\(customer) ended at \(expires); `ffsctl customer set \(customer) --expires never` lets them in again."
                ))
        }
        if record.passwordSet == nil {
            reasons.append(
                Reason(
                    .no,
                    "\(customer) has no password, so nobody can sign in; `ffsctl customer password \(customer)` sets one."
                ))
        }
        guard reasons.isEmpty else { return reasons }
        let end = record.expires.map { "until \($0)" } ?? "without an end"
        return [Reason(.yes, "\(customer) is an active customer, \(end).")]
    }

    private var versionReasons: [Reason] {
        guard let meant else {
            let what = version.map { "\(product) \($0)" } ?? "\(product)"
            return [
                Reason(.no, "ffsauthd knows no \(what); `ffsctl product publish` or `product register` makes it known.")
            ]
        }
        let item = "\(meant.item.product) \(meant.item.version)"
        guard meant.status == .published else {
            return [Reason(.no, "\(item) was withdrawn; publishing or registering the same again offers it again.")]
        }
        return [Reason(.yes, "\(item) has been published since \(meant.released).")]
    }

    private var grantReasons: [Reason] {
        guard record != nil, let meant else { return [] }
        guard !grants.isEmpty else {
            return [
                Reason(
                    .no,
                    "\(customer) was never granted \(product); `ffsctl entitlement grant \(customer) \(product)` does it."
                )
            ]
        }
        let looked = grants.map { (grant: $0, obstacle: obstacle(to: $0, meant.item.version)) }
        if let open = looked.first(where: { $0.obstacle == nil })?.grant {
            let what = open.version.map { "version \($0)" } ?? "all versions"
            let end = open.until.map { "until \($0)" } ?? "without an end"
            let orders = open.orderLimit.map { ", \(open.orders) of \($0) orders used" } ?? ""
            return [Reason(.yes, "Entitlement \(open.id) lets \(customer) order it: \(what), \(end)\(orders).")]
        }
        return looked.map { Reason(.no, "Entitlement \($0.grant.id) does not: \($0.obstacle ?? "").") }
    }

    /// Why a grant does not let the customer order that version now; nil: it does.
    private func obstacle(to grant: EntitlementRecord, _ version: VersionName) -> String? {
        if let only = grant.version, only != version { return "it is for version \(only) alone" }
        if let revoked = grant.revoked { return "it was revoked at \(revoked)" }
        if grant.from > now { return "it begins at \(grant.from)" }
        if let until = grant.until, until <= now { return "it ended at \(until)" }
        if let limit = grant.orderLimit, grant.orders >= limit { return "its \(counted(limit, "order")) are used up" }
        return nil
    }

    private var hostReasons: [Reason] {
        var reasons: [Reason] = []
        if let meant, let isHere {
            let item = "\(meant.item.product) \(meant.item.version)"
            reasons.append(
                isHere
                    ? Reason(.yes, "This host's repository holds \(item).")
                    : Reason(.no, "This host's repository does not hold \(item), so it cannot stage it."))
        }
        for account in accounts ?? [] {
            reasons.append(Reason(.note, "Account \(account.account) holds it until \(account.expires)."))
        }
        return reasons
    }

    /// The answer in one sentence, and whether it is yes.
    var answer: (isYes: Bool, sentence: String) {
        let what = meant.map { "\($0.item.product) \($0.item.version)" } ?? "\(product)"
        guard !decision.contains(where: { $0.verdict == .no }) else {
            return (false, "No: \(customer) cannot order \(what) now.")
        }
        return isHere == false
            ? (false, "No: \(customer) may order \(what), but this host cannot stage it.")
            : (true, "Yes: \(customer) can order \(what) now.")
    }
}
