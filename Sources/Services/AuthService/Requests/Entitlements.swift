import Events
import FFSModel
import Logging
import Requests

/// `entitlement.*`.
extension AuthService {
    func addEntitlements(to table: inout RequestTable) {
        table.on(EntitlementGrant.self) { try await grant($0, $1) }
        table.on(EntitlementRevoke.self) { try await revoke($0, $1) }
        table.on(EntitlementList.self) { message, _ in
            let now = clock()
            return try await database.read { db in
                if let name = message.customer, try db.customer(name) == nil { throw Failure.noCustomer(name) }
                if let name = message.product, try !db.hasProduct(name) { throw Failure.noProduct(name) }
                let rows = try db.entitlements(
                    of: message.customer, to: message.product, standingAt: message.all ? nil : now,
                    after: message.after, limit: message.limit + 1)
                return Page(fitting: rows, limit: message.limit)
            }
        }
    }

    private func grant(_ message: EntitlementGrant, _ context: RequestContext) async throws -> EntitlementRecord {
        let now = clock()
        let start = message.from ?? now
        if let until = message.until {
            guard until > start else {
                throw Failure(.badRequest, "the entitlement would end at \(until), before it begins at \(start)")
            }
            guard until > now else { throw Failure(.badRequest, "the entitlement's end, \(until), is past") }
        }
        let record = try await once(message, context) { db in
            guard try db.customer(message.customer) != nil else { throw Failure.noCustomer(message.customer) }
            guard try db.hasProduct(message.product) else { throw Failure.noProduct(message.product) }
            if let version = message.version {
                let item = Item(product: message.product, version: version)
                guard try db.version(item) != nil else { throw Failure.noVersion(item) }
            }
            if let twin = try twin(of: message, at: now, db) {
                throw Failure(
                    .exists,
                    "\(message.customer) has this very entitlement already, number \(twin); revoke it first, or grant other terms"
                )
            }
            let id = try db.insert(message, from: start)
            guard let record = try db.entitlement(id) else {
                throw Failure(.internal, "an entitlement just granted is not there")
            }
            try Self.record(.granted, record, context, at: now, db)
            return record
        }
        log("entitlement granted", [record.id], context)
        return record
    }

    private func revoke(
        _ message: EntitlementRevoke, _ context: RequestContext
    ) async throws -> EntitlementRevoke.Reply {
        let now = clock()
        let reply = try await once(message, context) { db in
            let ids = try targets(of: message, at: now, db)
            for id in ids {
                try db.revokeEntitlement(id, at: now)
                if let record = try db.entitlement(id) { try Self.record(.revoked, record, context, at: now, db) }
            }
            return EntitlementRevoke.Reply(revoked: ids)
        }
        log("entitlement revoked", reply.revoked, context)
        return reply
    }

    private static func record(
        _ deed: Deed, _ entitlement: EntitlementRecord, _ context: RequestContext, at now: Timestamp,
        _ db: any MasterWriting
    ) throws {
        try record(deed, of: "entitlement", context, at: now, db) {
            $0.set(.customer, entitlement.customer.text)
            $0.set(.product, entitlement.product.text)
            $0.set(.version, entitlement.version?.text)
            $0.set(.detail, "entitlement \(entitlement.id)")
        }
    }

    private func log(_ what: Logger.Message, _ ids: [Int], _ context: RequestContext) {
        logger.notice(
            what,
            metadata: [
                "entitlement": "\(ids.map(String.init).joined(separator: " "))", "by": "\(context.peer)",
                "trace": "\(context.trace)",
            ])
    }
}

private func standing(
    _ customer: CustomerName, _ product: ProductName, _ version: VersionName?, at now: Timestamp,
    _ db: any MasterReading
) throws -> [EntitlementRecord] {
    try db.entitlements(of: customer, to: product, standingAt: now, after: 0, limit: Int(Int32.max))
        .filter { $0.version == version }
}

/// A standing grant of the same terms; when it began does not matter unless the new one begins later.
private func twin(of grant: EntitlementGrant, at now: Timestamp, _ db: any MasterReading) throws -> Int? {
    try standing(grant.customer, grant.product, grant.version, at: now, db).first {
        $0.until == grant.until && $0.policy == grant.policy && $0.orderLimit == grant.orderLimit
            && $0.from <= max(now, grant.from ?? now)
    }?.id
}

private func targets(of message: EntitlementRevoke, at now: Timestamp, _ db: any MasterReading) throws -> [Int] {
    switch message.target {
    case .id(let id):
        guard let record = try db.entitlement(id) else {
            throw Failure(.notFound, "there is no entitlement \(id); `ffsctl entitlement list` shows all")
        }
        return record.revoked == nil ? [id] : []
    case .grant(let customer, let product, let version):
        guard try db.customer(customer) != nil else { throw Failure.noCustomer(customer) }
        let ids = try standing(customer, product, version, at: now, db).map(\.id)
        guard !ids.isEmpty else {
            let what = version.map { "\(product) \($0)" } ?? "all versions of \(product)"
            throw Failure(
                .notFound,
                "\(customer) has no entitlement to \(what); `ffsctl entitlement list \(customer)` shows theirs")
        }
        return ids
    }
}
