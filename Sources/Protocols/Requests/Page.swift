package import FFSModel
package import Tobj

/// One row of a list reply: the children of a `<row>` element.
package protocol PageRow: Sendable {
    init(fields: Fields) throws(Failure)
    var body: [Element] { get }
}

/// The reply to every `….list` request: `<row>…</row>`, as many as fit, then `<more/>` when others follow.
/// The next page is asked for with `after` = the last row's key.
package struct Page<Row: PageRow>: ReplyMessage {
    package let rows: [Row]
    /// Whether another page follows the last row.
    package let more: Bool

    package init(rows: [Row], more: Bool) {
        self.rows = rows
        self.more = more
    }

    /// A page of the first `limit` rows, fewer when the document would come near Tobj's limits; at least one.
    package init(fitting candidates: some Sequence<Row>, limit: Int) {
        let (rows, more) = PageBudget.fit(candidates, limit: limit) { Element("row", children: $0.body) }
        self.init(rows: rows, more: more)
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["row", "more"])
        rows = try fields.all("row").map { element throws(Failure) in
            try Row(fields: Fields(element.children, of: "row"))
        }
        more = fields.optional("more") != nil
    }

    package var body: [Element] {
        rows.map { Element("row", children: $0.body) } + (more ? [Element("more")] : [])
    }
}

/// How much of a Tobj document (4,096 elements, 1 MiB) the rows of one page may take; the rest is for the frame.
package enum PageBudget {
    package static let elements = 3_800
    package static let bytes = 900_000
    /// Rows a request may ask for.
    package static let limits = 1...500

    /// The leading rows that fit, and whether any are left over.
    package static func fit<Row>(
        _ candidates: some Sequence<Row>, limit: Int, element: (Row) -> Element
    ) -> (rows: [Row], more: Bool) {
        var rows: [Row] = []
        var elements = 0
        var bytes = 0
        for candidate in candidates {
            guard rows.count < limit else { return (rows, true) }
            let row = element(candidate)
            elements += count(row)
            bytes += row.serialized().count
            guard rows.isEmpty || (elements <= Self.elements && bytes <= Self.bytes) else { return (rows, true) }
            rows.append(candidate)
        }
        return (rows, false)
    }

    private static func count(_ element: Element) -> Int { element.children.reduce(1) { $0 + count($1) } }
}

extension Fields {
    /// The optional `limit` of a list request.
    func pageLimit() throws(Failure) -> Int {
        optional("limit") == nil ? 100 : try integer("limit", in: PageBudget.limits)
    }

    /// One line of UTF-8 for people: no control characters, `bounds` bytes.
    func line(_ name: String, bytes bounds: ClosedRange<Int>) throws(Failure) -> String {
        let line = try text(name)
        guard bounds.contains(line.utf8.count) else {
            throw Failure(
                .badRequest, "\(context): <\(name)> has \(bounds.lowerBound) to \(bounds.upperBound) bytes")
        }
        guard !line.unicodeScalars.contains(where: isHidden) else {
            throw Failure(.badRequest, "\(context): <\(name)> is one line, without control characters")
        }
        return line
    }

    func optionalLine(_ name: String, bytes bounds: ClosedRange<Int>) throws(Failure) -> String? {
        optional(name) == nil ? nil : try line(name, bytes: bounds)
    }

    func optionalName<N: Name>(_ field: String, as type: N.Type = N.self) throws(Failure) -> N? {
        optional(field) == nil ? nil : try name(field, as: type)
    }

    func optionalTimestamp(_ field: String) throws(Failure) -> Timestamp? {
        optional(field) == nil ? nil : try timestamp(field)
    }

    func optionalInteger(_ field: String, in bounds: ClosedRange<Int>) throws(Failure) -> Int? {
        optional(field) == nil ? nil : try integer(field, in: bounds)
    }

    /// A field that says something by being there, such as `<replace/>`.
    func flag(_ name: String) -> Bool { optional(name) != nil }
}
