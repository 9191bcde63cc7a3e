import Events
import FFSModel
import Logging
import Requests

/// `customer.*`.
extension AuthService {
    func addCustomers(to table: inout RequestTable) {
        table.on(CustomerCreate.self) { try await create($0, $1) }
        table.on(CustomerUpdate.self) { try await update($0, $1) }
        table.on(CustomerDelete.self) { message, context in
            let now = clock()
            let done = try await once(message, context) { db in
                guard try db.delete(message.customer) else { throw Failure.noCustomer(message.customer) }
                try Self.record(.deleted, message.customer, context, at: now, db)
                return Done()
            }
            log("customer deleted", message.customer, context)
            return done
        }
        table.on(CustomerList.self) { message, _ in
            try await database.read { db in
                guard let name = message.customer else {
                    let rows = try db.customers(after: message.after, limit: message.limit + 1)
                    return Page(fitting: rows, limit: message.limit)
                }
                guard let record = try db.customer(name) else { throw Failure.noCustomer(name) }
                return Page(rows: [record], more: false)
            }
        }
    }

    private func create(_ message: CustomerCreate, _ context: RequestContext) async throws -> CustomerRecord {
        let hash = try await hash(message.password, of: message.customer)
        let now = clock()
        let record = try await once(message, context) { db in
            guard try db.customer(message.customer) == nil else {
                throw Failure(
                    .exists, "there is a customer \(message.customer) already; `ffsctl customer set` changes one")
            }
            try db.insert(
                NewCustomer(
                    customer: message.customer, displayName: message.displayName ?? message.customer.text,
                    expires: message.expires, password: hash, created: now))
            try Self.record(.created, message.customer, context, at: now, db)
            return try reread(message.customer, db)
        }
        log("customer created", message.customer, context)
        return record
    }

    private func update(_ message: CustomerUpdate, _ context: RequestContext) async throws -> CustomerRecord {
        let hash = try await hash(message.password, of: message.customer)
        let now = clock()
        let record = try await once(message, context) { db in
            let found = try db.update(
                message.customer, displayName: message.displayName, status: message.status, expires: message.expires)
            guard found else { throw Failure.noCustomer(message.customer) }
            if let hash { try db.setPassword(hash, of: message.customer, at: now) }
            try Self.record(.changed, message.customer, context, at: now, db, detail: message.changes)
            return try reread(message.customer, db)
        }
        if hash != nil { authenticator.forgive(message.customer) }
        log("customer changed", message.customer, context)
        return record
    }

    private static func record(
        _ deed: Deed, _ customer: CustomerName, _ context: RequestContext, at now: Timestamp, _ db: any MasterWriting,
        detail: String? = nil
    ) throws {
        try record(deed, of: "customer", context, at: now, db) {
            $0.set(.customer, customer.text)
            $0.set(.detail, detail)
        }
    }

    private func hash(_ password: [UInt8]?, of customer: CustomerName) async throws(Failure) -> PasswordHash? {
        guard let password else { return nil }
        try authenticator.rule.check(password, of: customer)
        return try await authenticator.hash(password)
    }

    private func log(_ what: Logger.Message, _ customer: CustomerName, _ context: RequestContext) {
        logger.notice(
            what, metadata: ["customer": "\(customer)", "by": "\(context.peer)", "trace": "\(context.trace)"])
    }
}

extension CustomerUpdate {
    /// What it sets, in words for the log; of a password only that.
    fileprivate var changes: String {
        [
            displayName.map { _ in "display-name" }, status.map { "status=\($0.rawValue)" },
            expires.map { "expires=\($0)" }, password.map { _ in "password" },
        ].compactMap(\.self).joined(separator: " ")
    }
}

private func reread(_ customer: CustomerName, _ db: any MasterReading) throws -> CustomerRecord {
    guard let record = try db.customer(customer) else { throw Failure.noCustomer(customer) }
    return record
}
