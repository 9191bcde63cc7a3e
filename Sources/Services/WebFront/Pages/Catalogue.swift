import Clients
import FFSModel
import Requests

/// What a customer may have, to choose from.
extension WebFront {
    func catalogue(_ visit: Visit, _: AccountID?) async throws -> WebResponse {
        guard let session = visit.session else { throw Failure(.denied, "the catalogue needs a session") }
        let all = try await auth.entitlements(of: session.customer, trace: visit.trace)
        let notice = sessions.takeNotice(for: visit.token).map(Self.sentence)
        return cataloguePage(visit, all, chosen: Set(visit.request.query.all("item")), notice: notice)
    }

    /// The page with `chosen` ticked; items are named `product/version`, and no name holds a `/`.
    func cataloguePage(
        _ visit: Visit, _ entitlements: [Entitlement], chosen: Set<String>, notice: String? = nil,
        problem: String? = nil, status: Int = 200
    ) -> WebResponse {
        let search = Search(visit.request.query["q"] ?? "")
        let products = Product.group(entitlements)
        let shown = products.compactMap { $0.matching(search, or: chosen) }
        var model: Model = [
            "query": search.text, "has-query": !search.text.isEmpty,
            "products": shown.map { product in
                product.model(
                    now: clocks.now(), chosen: chosen, opened: !search.text.isEmpty,
                    // A long catalogue shows the newest of each; a short one has room for more.
                    visible: shown.count > Self.longCatalogue ? 1 : product.versions.count > 4 ? 2 : .max)
            },
            "product-count": Format.count(products.count, "product"),
            "match-count": Format.count(shown.count, "product"),
            "empty": entitlements.isEmpty, "no-match": !entitlements.isEmpty && shown.isEmpty,
            "anything": !entitlements.isEmpty,
            "lifetimes": lifetimeModels(selected: visit.request.query["lifetime"].flatMap { Int($0) }),
            // Pressed twice, the button makes one account: the same key gives the same reply.
            "order-key": RequestID.random().description,
        ]
        model["notice"] = notice
        model["problem"] = problem
        return page("catalogue", "Your software", model, for: visit, status: status)
    }

    /// Products on one page beyond which each takes as little room as it can.
    private static var longCatalogue: Int { 12 }

    func lifetimeModels(selected: Int? = nil) -> [Model] {
        settings.lifetimeChoices.map { seconds in
            [
                "seconds": seconds, "name": Format.duration(Int64(seconds)),
                "selected": seconds == (selected ?? settings.lifetime),
            ]
        }
    }

    static func sentence(_ notice: SessionStore.Notice) -> String {
        switch notice {
        case .passwordChanged: "Your password is changed. Every other session of yours has ended."
        case .accountRevoked(let account): "Account \(account) is revoked: nobody can sign in to it any more."
        case .accountExtended(let account): "Account \(account) lives longer now."
        }
    }
}

/// Words that must all occur, in whatever case.
private struct Search {
    let text: String
    private let words: [String]

    init(_ typed: String) {
        text = String(typed.prefix(200))
        words = text.lowercased().split(whereSeparator: \.isWhitespace).map(String.init)
    }

    func matches(_ haystack: String) -> Bool { words.allSatisfy { haystack.contains($0) } }
}

/// The entitlements to one product, newest version first.
private struct Product {
    let versions: [Entitlement]

    static func group(_ entitlements: [Entitlement]) -> [Product] {
        Dictionary(grouping: entitlements, by: \.item.product).values
            .map { Product(versions: $0.sorted { ($0.released, $0.item.version) > ($1.released, $1.item.version) }) }
            .sorted { $0.sortKey < $1.sortKey }
    }

    private var newest: Entitlement { versions[0] }

    /// By title as people count: 2 before 10.
    private var sortKey: String {
        var key = ""
        var digits = ""
        for character in "\(newest.title.lowercased()) \(newest.item.product) " {
            if character.isASCII, character.isNumber {
                digits.append(character)
            } else {
                key += String(repeating: "0", count: max(0, 20 - digits.count) * (digits.isEmpty ? 0 : 1)) + digits
                digits = ""
                key.append(character)
            }
        }
        return key
    }

    /// The product reduced to the versions that match or are chosen; nil when none does.
    func matching(_ search: Search, or chosen: Set<String>) -> Product? {
        let kept = versions.filter { version in
            chosen.contains(version.key)
                || search.matches(
                    "\(version.title) \(version.item.product) \(version.item.version) \(version.summary)".lowercased())
        }
        return kept.isEmpty ? nil : Product(versions: kept)
    }

    func model(now: Timestamp, chosen: Set<String>, opened: Bool, visible: Int) -> Model {
        let rows = versions.enumerated().map { index, version in
            version.model(now: now, isNewest: index == 0, isChosen: chosen.contains(version.key))
        }
        // The others fold away, unless one of them is chosen or searched for.
        let visible = min(visible, rows.count)
        return [
            "title": newest.title, "name": newest.item.product.text, "summary": newest.summary,
            "has-summary": !newest.summary.isEmpty,
            "rows": Array(rows.prefix(visible)), "older": Array(rows.dropFirst(visible)),
            "has-older": rows.count > visible,
            "older-count": Format.count(rows.count - visible, "earlier version"),
            "older-open": opened || versions.dropFirst(visible).contains { chosen.contains($0.key) },
        ]
    }
}

extension Entitlement {
    /// The value of its checkbox.
    fileprivate var key: String { "\(item.product)/\(item.version)" }

    fileprivate func model(now: Timestamp, isNewest: Bool, isChosen: Bool) -> Model {
        var model: Model = [
            "key": key, "id": "item-\(item.product)-\(item.version)", "version": item.version.text,
            "product": item.product.text, "newest": isNewest, "chosen": isChosen, "bytes": size,
            "size": Format.size(size), "files": Format.count(files, "file"),
            "released": released.description, "released-text": Format.date(released),
        ]
        if let until {
            model["until"] = until.description
            model["until-text"] = Format.date(until)
            // Two weeks' warning.
            model["ending"] = until - now < 14 * 86_400
        }
        return model
    }
}
