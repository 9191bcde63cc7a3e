import FFSModel
package import Requests
package import Transparency

/// The log as lines of JSON (RFC 8259), for other programs: `{"log": …}`, `{"entry": …}` for each entry, `{"checkpoint": …}` for each
/// checkpoint. ffs-pipeline(7) has the members; a verifier needs nothing else but keys.
package enum LogExport {
    /// The columns that an entry shows, in their order; those of CSV.
    package static let columns = [
        "leaf", "node", "incarnation", "segment", "number", "type", "event", "time", "arrived", "trace", "customer",
        "retailer", "product", "version", "content", "host", "account", "order", "path", "from", "to", "size",
        "outcome",
    ]

    /// A column's value.
    package enum Cell: Sendable, Hashable {
        case number(Int64)
        case text(String)
        case none

        init(_ number: UInt64?) { self = number.map { .number(Int64(bitPattern: $0)) } ?? .none }
        init(_ text: (some CustomStringConvertible)?) { self = text.map { .text($0.description) } ?? .none }
    }

    /// The values of ``columns``. Times are nanoseconds since 1970; a path shows what is not UTF-8 as U+FFFD.
    package static func cells(_ leaf: LogLeaf) -> [Cell] {
        let c = leaf.columns
        return [
            Cell(UInt64?.some(leaf.leaf)), Cell(c.node), Cell(c.incarnation), Cell(c.segment),
            Cell(UInt64?.some(c.offset)), Cell(c.type), Cell(c.event), .number(c.time), .number(c.arrived),
            Cell(c.trace), Cell(c.customer), Cell(c.retailer), Cell(c.product), Cell(c.version), Cell(c.content),
            Cell(c.host), Cell(c.account), Cell(c.order), Cell(c.path.map { String(decoding: $0, as: UTF8.self) }),
            Cell(c.from), Cell(c.to), Cell(c.size), Cell(c.outcome),
        ]
    }

    package static func line(_ status: LogStatus.Reply) -> [UInt8] {
        var out = open("log")
        member("origin", .text(status.origin), &out)
        member("size", .number(Int64(status.size)), &out)
        member("key", .text(status.key.description), &out)
        out += "\"witnesses\":[".utf8
        for (place, witness) in status.witnesses.enumerated() {
            if place > 0 { out.append(UInt8(ascii: ",")) }
            out += JSON.string(witness.description.utf8)
        }
        return out + Array("]}}\n".utf8)
    }

    package static func line(_ leaf: LogLeaf) -> [UInt8] {
        func base64(_ bytes: [UInt8]?) -> Cell {
            bytes.map { .text(String(decoding: Base64.encode($0), as: UTF8.self)) } ?? .none
        }
        var out = open("entry")
        for (name, cell) in zip(columns, cells(leaf)) { member(name, cell, &out) }
        member("path_bytes", base64(leaf.columns.path), &out)
        member("commitment", Cell(leaf.commitment), &out)
        member("salt", base64(leaf.body?.salt), &out)
        member("record", base64(leaf.body?.record), &out)
        member("person_salt", base64(leaf.person?.salt), &out)
        member("person", base64(leaf.person?.part.bytes), &out)
        return out.dropLast() + Array("}}\n".utf8)
    }

    package static func line(_ note: SignedNote) -> [UInt8] {
        Array("{\"checkpoint\":".utf8) + JSON.string(note.bytes) + Array("}\n".utf8)
    }

    private static func open(_ name: String) -> [UInt8] { Array("{\"\(name)\":{".utf8) }

    private static func member(_ name: String, _ cell: Cell, _ out: inout [UInt8]) {
        out += "\"\(name)\":".utf8
        switch cell {
        case .number(let number): out += "\(number)".utf8
        case .text(let text): out += JSON.string(text.utf8)
        case .none: out += "null".utf8
        }
        out.append(UInt8(ascii: ","))
    }
}
