package import FFSModel
import Logging
package import Requests
import Repository
import StoredFormats
import SystemSupport

/// Requests about accounts that exist.
extension StagingEngine {
    /// `stage.status`.
    package func status(_ account: AccountID) async throws(Failure) -> StagedAccount {
        try await scheduler.run { [self] () throws(Failure) in reply(try living(account), password: nil) }
    }

    /// `stage.extend`.
    package func extend(_ account: AccountID, lifetime: Int) async throws(Failure) -> StagedAccount {
        try check(lifetime: lifetime)
        return try await scheduler.run { [self] () throws(Failure) in
            let record = try keeper.changing { () throws(Failure) in
                let record = try living(account).extended(to: clock.now() + Int64(lifetime), at: clock.now())
                do throws(SystemError) { try store.rewrite(record) } catch {
                    // The new record may be in place and only not known to be on disk.
                    if case .live(let present)? = try? store.find(account) { index.add(present) }
                    throw error.failure("cannot extend account \(account)")
                }
                index.add(record)
                recorder?.extended(record)
                return record
            }
            logger.info("account extended", metadata: ["account": "\(account)", "expires": "\(record.expires)"])
            return reply(record, password: nil)
        }
    }

    /// `stage.revoke`.
    ///
    /// - Parameter actor: who did it on this host, `uid 0`; nil for the customer.
    package func revoke(_ account: AccountID, policy: ExpiryPolicy?, actor: String? = nil) async throws(Failure) {
        try await scheduler.run { [self] () throws(Failure) in
            try keeper.changing { () throws(Failure) in
                let living = try living(account)
                let record = living.withdrawn(at: clock.now(), policy: policy ?? living.policy)
                try keeper.withdraw(record, rewrite: true)
                recorder?.revoked(record, actor: actor)
            }
            logger.info("account revoked", metadata: ["account": "\(account)"])
        }
    }

    /// `stage.list`.
    package func list(_ request: StageList) async throws(Failure) -> StageList.Reply {
        try await scheduler.run { [self] () throws(Failure) in
            guard let page = index.page(customer: request.customer, after: request.after, limit: request.limit + 1)
            else { throw Failure(.busy, "the account area is still being read; repeat in a second", retryAfter: 1) }
            var rows: [StageList.Row] = []
            let (accounts, count) = page
            // A document may have 4,096 elements.
            var room = 4_000
            for account in accounts {
                // Withdrawn since the page was taken.
                guard case .live(let record) = try? store.find(account) else { continue }
                room -= 5 + record.items.count
                guard rows.count < request.limit, room > 0 else {
                    return StageList.Reply(rows: rows, more: true, count: count)
                }
                rows.append(
                    StageList.Row(
                        account: account, customer: record.customer, items: record.items, created: record.created,
                        expires: record.expires))
            }
            return StageList.Reply(rows: rows, more: accounts.count > request.limit, count: count)
        }
    }

    /// The record of an account that may still be used; throws `gone` or `not-found`.
    private func living(_ account: AccountID) throws(Failure) -> AccountRecord {
        switch try store.find(account) {
        case .live(let record) where record.isLive(at: clock.now()): return record
        case .live, .withdrawn: throw Self.gone(account)
        case nil: throw Failure(.notFound, "there is no account \(account) on this storage host")
        }
    }

    /// The reply for a record; files are listed as far as their versions are still published.
    func reply(_ record: AccountRecord, password: String?) -> StagedAccount {
        reply(record, record.items.lazy.flatMap { [plans] in plans.listing(of: $0) }, password: password)
    }

    func reply(_ record: AccountRecord, _ listing: some Sequence<StagedFile>, password: String?) -> StagedAccount {
        var files: [StagedFile] = []
        var room = 700_000
        for file in listing.lazy.prefix(StagedAccount.listedFiles) {
            room -= 200 + 10 * file.path.bytes.count
            guard room > 0 || record.items.count == 1 else { break }
            files.append(file)
        }
        return StagedAccount(
            account: record.account, password: password, customer: record.customer, items: record.items,
            created: record.created, expires: record.expires, policy: record.policy, order: record.order,
            fileCount: record.fileCount, bytes: record.bytes, files: files,
            link: record.link(until: clock.now() + Int64(settings.linkLifetime)).text,
            certificate: selfSignedCertificate)
    }

    /// Read anew each time, as the download server may have got another; nil where this daemon may not read it.
    private var selfSignedCertificate: String? {
        guard let text = try? Descriptor.open(CPath(settings.certificate), .read).readAll(limit: 1 << 20),
            let der = PEM.leaf(text), X509Names.areEqual(in: der)
        else { return nil }
        return String(decoding: PEM.encode(der), as: UTF8.self)
    }
}
