import Events
import FFSModel
import Logging
import Requests

/// `content.*` and `product.*`.
extension AuthService {
    func addContent(to table: inout RequestTable) {
        table.on(ContentRegister.self) { try await register($0, $1) }
        table.on(ContentWithdraw.self) { try await withdraw($0, $1) }
        table.on(ProductUpdate.self) { message, context in
            let now = clock()
            return try await once(message, context) { db in
                guard try db.hasProduct(message.product) else { throw Failure.noProduct(message.product) }
                try db.upsert(message.product, title: message.title, summary: message.summary, at: now)
                try Self.record(.changed, of: "product", context, at: now, db) {
                    $0.set(.product, message.product.text)
                }
                return Done()
            }
        }
        table.on(ProductList.self) { message, _ in
            try await database.read { db in
                if let product = message.product, try !db.hasProduct(product) { throw Failure.noProduct(product) }
                let rows = try db.versions(of: message.product, after: message.after, limit: message.limit + 1)
                return Page(fitting: rows, limit: message.limit)
            }
        }
    }

    private func register(_ message: ContentRegister, _ context: RequestContext) async throws -> ContentRegister.Reply {
        let now = clock()
        let item = Item(product: message.product, version: message.version)
        let reply = try await once(message, context) { db in
            let old = try db.version(item)
            let outcome = try outcome(of: message, over: old)
            let released = outcome == .unchanged ? old?.released ?? now : now
            try db.upsert(message.product, title: message.title, summary: message.summary, at: now)
            try db.publish(
                item, manifest: message.manifest, size: message.size, files: message.files, released: released)
            if outcome == .unchanged {
                // Published once more; its product's texts may be new.
                if message.title != nil || message.summary != nil {
                    try Self.record(.changed, of: "product", context, at: now, db) {
                        $0.set(.product, message.product.text)
                    }
                }
            } else if let deed = outcome.deed {
                try Self.record(deed, of: "version", context, at: now, db) {
                    $0.set(item)
                    $0.set(.content, message.manifest)
                }
            }
            return ContentRegister.Reply(outcome: outcome, released: released)
        }
        logger.notice(
            "content \(reply.outcome.rawValue)",
            metadata: [
                "product": "\(item.product)", "version": "\(item.version)", "manifest": "\(message.manifest)",
                "by": "\(context.peer)", "trace": "\(context.trace)",
            ])
        return reply
    }

    private func withdraw(_ message: ContentWithdraw, _ context: RequestContext) async throws -> ContentWithdraw.Reply {
        let now = clock()
        let reply = try await once(message, context) { db in
            guard try db.hasProduct(message.product) else { throw Failure.noProduct(message.product) }
            var candidates: [ProductRecord]
            if let version = message.version {
                let item = Item(product: message.product, version: version)
                guard let record = try db.version(item) else { throw Failure.noVersion(item) }
                candidates = [record]
            } else {
                candidates = try db.versions(of: message.product, after: nil, limit: Int(Int32.max))
            }
            candidates.removeAll { $0.status == .withdrawn }
            for record in candidates {
                try db.setStatus(.withdrawn, of: record.item)
                try Self.record(.withdrawn, of: "version", context, at: now, db) {
                    $0.set(record.item)
                    $0.set(.content, record.manifest)
                }
            }
            return ContentWithdraw.Reply(withdrawn: candidates.map(\.item.version))
        }
        logger.notice(
            "content withdrawn",
            metadata: [
                "product": "\(message.product)",
                "versions": "\(reply.withdrawn.map(\.text).joined(separator: " "))", "by": "\(context.peer)",
                "trace": "\(context.trace)",
            ])
        return reply
    }
}

extension ContentRegister.Reply.Outcome {
    fileprivate var deed: AuthService.Deed? {
        switch self {
        case .registered: .registered
        case .replaced: .replaced
        case .restored: .restored
        case .unchanged: nil
        }
    }
}

/// What registering does to the version as it stands.
private func outcome(
    of message: ContentRegister, over old: ProductRecord?
) throws(Failure) -> ContentRegister.Reply.Outcome {
    guard let old else { return .registered }
    if old.manifest == message.manifest {
        guard old.size == message.size, old.files == message.files else {
            throw Failure(
                .badRequest, "manifest \(message.manifest) is registered with another size or number of files")
        }
        return old.status == .withdrawn ? .restored : .unchanged
    }
    guard message.replace else {
        throw Failure(
            .exists,
            "\(message.product) \(message.version) is registered with other content; publish under another version, or replace it"
        )
    }
    return .replaced
}
