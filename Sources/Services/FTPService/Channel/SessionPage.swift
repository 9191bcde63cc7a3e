package import FFSModel
package import Requests
import Tobj

/// A session or connection as lists show it.
package protocol ListedSession: AnyObject {
    /// `<worker>-<number>`, or `<worker>-h<number>` of the HTTPS side.
    var name: String { get }
    /// Where its client is.
    var address: IPAddress { get }
    /// Whether it is signed in to `account`, or a download of it runs there.
    func uses(_ account: AccountID) -> Bool
    var rows: [FTPSession] { get }
}

/// Where a session stands in lists: by worker, FTP before HTTPS, then in the order in which they came.
package struct SessionKey: Sendable, Hashable, Comparable {
    private let worker: Int
    private let isHTTPS: Bool
    private let number: Int

    /// nil for what is no session's name.
    package init?(_ name: String) {
        let parts = name.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count == 2, let worker = decimal(parts[0], atMost: 1 << 32) else { return nil }
        isHTTPS = parts[1].first == UInt8(ascii: "h")
        guard let number = decimal(isHTTPS ? parts[1].dropFirst() : parts[1], atMost: 1 << 62) else { return nil }
        self.worker = Int(worker)
        self.number = Int(number)
    }

    package static func < (a: SessionKey, b: SessionKey) -> Bool {
        if a.worker != b.worker { return a.worker < b.worker }
        if a.isHTTPS != b.isHTTPS { return b.isHTTPS }
        return a.number < b.number
    }
}

extension FTPWho {
    /// The page of `sessions` that is asked for. Only what stands on it is looked at closely: a full server has ten
    /// thousand.
    package func page(of sessions: [any ListedSession]) -> Reply {
        let matching = sessions.filter { session in
            (account.map(session.uses) ?? true) && (address?.contains(session.address) ?? true)
        }
        let start = after.flatMap(SessionKey.init)
        let next = matching.compactMap { session in SessionKey(session.name).map { (key: $0, session: session) } }
            .filter { entry in start.map { $0 < entry.key } ?? true }.sorted { $0.key < $1.key }
        let groups = next.lazy.map { rows(of: $0.session) }.filter { !$0.isEmpty }
        return Reply(groups, limit: limit, total: sessions.count, matching: matching.count)
    }

    private func rows(of session: any ListedSession) -> [FTPSession] {
        guard let account else { return session.rows }
        return session.rows.filter { $0.account == account.text }
    }

    /// One page of the pages of several workers.
    package func merged(_ pages: [Reply]) -> Reply {
        // Behind the last row of a page that goes on there may be others which come before those of the next worker.
        let end = pages.filter(\.more).compactMap { $0.sessions.last.flatMap { SessionKey($0.id) } }.min()
        var groups: [(key: SessionKey, rows: [FTPSession])] = []
        for page in pages {
            for row in page.sessions {
                guard let key = SessionKey(row.id), end.map({ key <= $0 }) ?? true else { continue }
                if groups.last?.key == key {
                    groups[groups.count - 1].rows.append(row)
                } else {
                    groups.append((key, [row]))
                }
            }
        }
        return Reply(
            groups.sorted { $0.key < $1.key }.map(\.rows), limit: limit, total: pages.reduce(0) { $0 + $1.total },
            matching: pages.reduce(0) { $0 + $1.matching }, goesOn: end != nil)
    }
}

extension FTPWho.Reply {
    /// The first `limit` sessions, each with all its rows, or fewer when the document would come near its limits.
    fileprivate init(
        _ groups: some Sequence<[FTPSession]>, limit: Int, total: Int, matching: Int, goesOn: Bool = false
    ) {
        let (fitting, more) = PageBudget.fit(groups, limit: limit) { Element("rows", children: $0.map(\.element)) }
        self.init(
            sessions: fitting.flatMap { $0 }, total: total, matching: matching, more: more || goesOn)
    }
}
