import Events
import FFSModel
import Logging
import Requests

/// `order.*` and `node.*`.
extension AuthService {
    func addHistoryAndNodes(to table: inout RequestTable) {
        table.on(OrderList.self) { message, _ in
            try await database.read { db in
                let rows = try db.orders(of: message.customer, after: message.after, limit: message.limit + 1)
                return Page(fitting: rows, limit: message.limit)
            }
        }
        table.on(NodeRegister.self) { message, context in
            let now = clock()
            let record = try await once(message, context) { db in
                try db.upsert(message, at: now)
                try Self.record(.registered, of: "node", context, at: now, db) { $0.set(.host, message.node.text) }
                guard
                    let record = try db.nodes(after: nil, limit: Int(Int32.max)).first(where: {
                        $0.node == message.node
                    })
                else { throw Failure(.internal, "a node just registered is not there") }
                return record
            }
            logger.notice(
                "node registered",
                metadata: ["node": "\(message.node)", "by": "\(context.peer)", "trace": "\(context.trace)"])
            return record
        }
        table.on(NodeList.self) { message, _ in
            try await database.read { db in
                Page(fitting: try db.nodes(after: message.after, limit: message.limit + 1), limit: message.limit)
            }
        }
    }
}
