import Clients
import CommlinkTransport
import ConfigurationSchema
import Events
import FFSModel
import Requests
import SystemSupport
import Transparency

extension Session {
    /// ffspiped on this machine, the internal host.
    var log: LogClient {
        LogClient(
            ControlClient(
                path: configuration[Options.Common.runDirectory] + "/ffspiped/control.sock",
                server: configuration[Options.Pipeline.user]))
    }
}

extension LogRow {
    /// Of the table for people and of its JSON.
    static let columns = [
        "entry", "time", "type", "customer", "product", "version", "host", "outcome", "range", "event",
    ]

    var values: [Value] {
        let columns = leaf.columns
        let range = columns.from.flatMap { from in columns.to.map { "\(from)-\($0)" } }
        return [
            .number(Int(leaf.leaf)), .moment(Timestamp(seconds: columns.time / 1_000_000_000)), .text(columns.type),
            Value(customer) { .text($0) }, Value(columns.product) { .text($0) }, Value(columns.version) { .text($0) },
            .text(columns.host), Value(columns.outcome) { .text($0) }, Value(range) { .text($0) }, .name(columns.event),
        ]
    }

    /// The name, or where it was cut the number.
    private var customer: String? {
        leaf.person?.part.text(.customer) ?? leaf.columns.customer.map { "#\($0)" }
    }
}

extension LogStatus.Reply {
    var value: Value {
        .record([
            .init("origin", .text(origin)), .init("size", .number(Int(size))), .init("key", .name(key)),
            .init("witnesses", .list(witnesses.map { .name($0) })),
            .init("checkpoint", Value(checkpoint.flatMap { try? Checkpoint(text: $0.text) }) { .number(Int($0.size)) }),
            .init("dead letters", .number(deadLetters)),
        ])
    }
}

extension LogClient {
    /// Everything that was signed, newest first.
    func checkpoints() async throws -> [SignedNote] {
        var all: [SignedNote] = []
        while true {
            let next = all.last.flatMap { try? Checkpoint(text: $0.text).size }
            let page = try await send(LogCheckpoints(size: next, limit: PageBudget.limits.upperBound))
            // Those of one size under several names come again with the next page.
            let new = page.rows.map(\.note).filter { !all.suffix(PageBudget.limits.upperBound).contains($0) }
            all += new
            guard page.more, !new.isEmpty else { return all }
        }
    }
}

extension LogExport.Cell {
    /// A field of RFC 4180.
    var csv: String {
        switch self {
        case .none: ""
        // What a spreadsheet would take for a formula is set behind an apostrophe.
        case .text(let text): text.utf8.first.map { "=+-@\t\r".utf8.contains($0) } == true ? "'" + text : text
        case .number(let number): "\(number)"
        }
    }
}

/// A line of RFC 4180.
func csvLine(_ fields: [String]) -> String {
    fields.map { field -> String in
        guard field.utf8.contains(where: { "\",\r\n".utf8.contains($0) }) else { return field }
        return "\"" + field.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }.joined(separator: ",") + "\r\n"
}
