import Clients
import FFSModel
import Requests

/// What a customer may have, to choose from.
extension WebFront {
    func catalogue(_ visit: Visit, _ session: Session) async throws -> WebResponse {
        let notice = sessions.takeNotice(for: visit.token).map(Self.sentence)
        return try await cataloguePage(visit, session, chosen: visit.request.query.all("item"), notice: notice)
    }

    /// One page of the catalogue with `chosen` ticked; items are named `product/version`, and no name holds a `/`.
    ///
    /// What was ticked on another page comes along: the form's buttons lead to the next page and to the search.
    func cataloguePage(
        _ visit: Visit, _ session: Session, chosen: [String], notice: String? = nil, problem: String? = nil,
        status: Int = 200
    ) async throws(Failure) -> WebResponse {
        let query = visit.request.query
        let search = Self.search(query["q"])
        let reply = try await page(of: session, search: search, after: query["after"].flatMap(Item.init(key:)), visit)
        let shown = Set(reply.entitlements.map(\.item))
        let elsewhere = Set(chosen.compactMap(Item.init(key:))).subtracting(shown).prefix(AuthOrder.mostItems)
        let kept =
            elsewhere.isEmpty
            ? []
            : try await auth.entitlements(
                of: session.customer, items: elsewhere.sorted { $0.key < $1.key }, trace: visit.trace)
        let products = Product.group(reply.entitlements)
        let chosen = Set(chosen)
        let total = reply.products ?? products.count
        let isLong = products.count > Self.longCatalogue
        let model = { (product: Product) -> Model in
            product.model(
                now: self.clocks.now(), chosen: chosen, opened: search != nil,
                // A long catalogue shows the newest of each; a short one has room for more.
                visible: isLong ? 1 : product.versions.count > 4 ? 2 : .max)
        }
        var whole: Model = [
            "query": search ?? "", "has-query": search != nil,
            "products": products.map(model),
            "kept": Product.group(kept).map(model), "has-kept": !kept.isEmpty,
            "product-count": Format.count(total, "product"), "empty": total == 0 && search == nil,
            "no-match": total == 0 && search != nil, "anything": total > 0 || search != nil,
            "partial": reply.more || query["after"] != nil,
            "lifetimes": lifetimeModels(selected: query["lifetime"].flatMap { Int($0) }),
            // Pressed twice, the button makes one account: the same key gives the same reply.
            "order-key": RequestID.random().description,
        ]
        if reply.more { whole["next"] = reply.entitlements.last?.item.key }
        whole["notice"] = notice
        whole["problem"] = problem
        return page("catalogue", "Your software", whole, for: visit, status: status)
    }

    /// The page behind `after`; the first where that item is gone meanwhile.
    private func page(
        of session: Session, search: String?, after: Item?, _ visit: Visit
    ) async throws(Failure) -> AuthEntitlements.Reply {
        do {
            return try await auth.catalogue(
                of: session.customer, generation: session.generation, search: search, after: after,
                products: Self.productsOnAPage,
                // A staging that failed leaves its order to be gone on with, where the limit allows no other.
                resume: true, trace: visit.trace)
        } catch {
            guard after != nil, error.code == .badRequest else { throw error }
            return try await page(of: session, search: search, after: nil, visit)
        }
    }

    private static var productsOnAPage: Int { 50 }

    /// What was typed, as ffsauthd takes it: one line, bounded; nil for nothing.
    static func search(_ typed: String?) -> String? {
        var words = String.UnicodeScalarView()
        for scalar in (typed ?? "").unicodeScalars {
            words.append(isHidden(scalar) ? " " : scalar)
        }
        let line = String(words).bounded(AuthEntitlements.searchBytes.upperBound)
        return line.utf8.allSatisfy { $0 == 0x20 } ? nil : line
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

/// The entitlements to one product, newest version first.
private struct Product {
    let versions: [Entitlement]

    /// In ffsauthd's order.
    static func group(_ entitlements: [Entitlement]) -> [Product] {
        var groups: [[Entitlement]] = []
        for entitlement in entitlements {
            if groups.last?.last?.item.product == entitlement.item.product {
                groups[groups.count - 1].append(entitlement)
            } else {
                groups.append([entitlement])
            }
        }
        return groups.map(Product.init)
    }

    private var newest: Entitlement { versions[0] }

    func model(now: Timestamp, chosen: Set<String>, opened: Bool, visible: Int) -> Model {
        let rows = versions.enumerated().map { index, version in
            version.model(now: now, isNewest: index == 0, isChosen: chosen.contains(version.item.key))
        }
        // The others fold away, unless one of them is chosen or searched for.
        let visible = min(visible, rows.count)
        return [
            "title": newest.title, "name": newest.item.product.text, "summary": newest.summary,
            "has-summary": !newest.summary.isEmpty,
            "rows": Array(rows.prefix(visible)), "older": Array(rows.dropFirst(visible)),
            "has-older": rows.count > visible,
            "older-count": Format.count(rows.count - visible, "earlier version"),
            "older-open": opened || versions.dropFirst(visible).contains { chosen.contains($0.item.key) },
        ]
    }
}

extension Entitlement {
    fileprivate func model(now: Timestamp, isNewest: Bool, isChosen: Bool) -> Model {
        var model: Model = [
            "held": isHeld, "key": item.key, "id": "item-\(item.product)-\(item.version)", "version": item.version.text,
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

extension Item {
    /// `product/version`: the value of its checkbox, and the API's cursor.
    var key: String { "\(product)/\(version)" }

    init?(key: String) {
        let parts = key.parts("/")
        guard parts.count == 2, let product = try? ProductName(parts[0]), let version = try? VersionName(parts[1])
        else { return nil }
        self.init(product: product, version: version)
    }
}
