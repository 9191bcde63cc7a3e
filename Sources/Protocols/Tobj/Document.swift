package import FFSModel

/// A request or a reply: the root element `<tobj type="…" id="…" v="1" …>`.
///
///     C: <tobj type="stage.status" id="7f3a…" v="1" trace="…"><account>k5…</account></tobj>
///     S: <tobj type="stage.status.reply" id="7f3a…" v="1" status="ok">…</tobj>
package struct Document: Sendable, Hashable {
    /// Absent on requests.
    package enum Status: Sendable, Hashable {
        case ok
        /// `<error code="…" retry="…" after="…">text</error>` is the only child.
        case error(Failure)

        package static func == (a: Status, b: Status) -> Bool {
            switch (a, b) {
            case (.ok, .ok): true
            case (.error(let x), .error(let y)): x.code == y.code && x.text == y.text
            default: false
            }
        }

        package func hash(into hasher: inout Hasher) {
            if case .error(let failure) = self { hasher.combine(failure.code) }
        }
    }

    package let type: String
    package let id: RequestID
    package let trace: TraceID?
    package let status: Status?
    package let body: [Element]

    private init(type: String, id: RequestID, trace: TraceID?, status: Status?, body: [Element]) {
        self.type = type
        self.id = id
        self.trace = trace
        self.status = status
        self.body = body
    }

    /// A request. Send the same `id` again to repeat it safely.
    package init(request type: String, id: RequestID = .random(), trace: TraceID? = nil, body: [Element] = []) {
        self.init(type: type, id: id, trace: trace, status: nil, body: body)
    }

    /// The successful reply to this request.
    package func reply(_ body: [Element] = []) -> Document {
        Document(type: type + ".reply", id: id, trace: trace, status: .ok, body: body)
    }

    /// The reply that refuses this request.
    package func reply(_ failure: Failure) -> Document {
        Document(type: type + ".reply", id: id, trace: trace, status: .error(failure), body: [])
    }

    /// The first field called `name`.
    package func field(_ name: String) -> Element? { body.first { $0.name == name } }

    /// Throws `bad-request` when the root is not a version-1 `tobj` with a type and an id.
    package init(_ root: Element) throws(Failure) {
        guard root.name == "tobj" else { throw Failure(.badRequest, "the root element must be <tobj>") }
        let known: Set<String> = ["type", "id", "v", "trace", "status"]
        if let stranger = root.attributes.first(where: { !known.contains($0.name) }) {
            throw Failure(.badRequest, "<tobj> has no attribute \(stranger.name)")
        }
        guard root.attribute("v").map({ $0.elementsEqual("1".utf8) }) == true else {
            throw Failure(.badRequest, "<tobj> must carry v=\"1\"")
        }
        guard let type = root.attribute("type"), !type.isEmpty, type.count <= 64 else {
            throw Failure(.badRequest, "<tobj> must carry a type of 1 to 64 characters")
        }
        guard let id = root.attribute("id").flatMap(RequestID.init(hex:)) else {
            throw Failure(.badRequest, "<tobj> must carry an id of 32 lower-case hexadecimal digits")
        }
        var trace: TraceID?
        if let given = root.attribute("trace") {
            guard let parsed = TraceID(hex: given) else {
                throw Failure(.badRequest, "a trace is 32 lower-case hexadecimal digits")
            }
            trace = parsed
        }
        let status = try Self.status(of: root)
        self.init(
            type: String(decoding: type, as: UTF8.self), id: id, trace: trace, status: status, body: root.children)
    }

    /// Parses and checks a whole document; what is not Tobj is a `bad-request`.
    package init(bytes: [UInt8], limits: TobjLimits = TobjLimits()) throws(Failure) {
        let root: Element
        do { root = try parseTobj(bytes, limits: limits) } catch {
            throw Failure(.badRequest, "not a Tobj document: \(error)")
        }
        try self.init(root)
    }

    private static func status(of root: Element) throws(Failure) -> Status? {
        guard let text = root.attribute("status") else { return nil }
        if text.elementsEqual("ok".utf8) { return .ok }
        guard text.elementsEqual("error".utf8), let error = root.child("error") else {
            throw Failure(.badRequest, "a reply's status is \"ok\", or \"error\" with an <error> element")
        }
        let code = error.attribute("code").flatMap { FailureCode(rawValue: String(decoding: $0, as: UTF8.self)) }
        let after = error.attribute("after").flatMap { Fields.decimal($0) }
        return .error(Failure(code ?? .internal, error.string, retryAfter: after))
    }

    package var element: Element {
        var attributes: [Element.Attribute] = [
            .init("type", type.utf8), .init("id", id.description.utf8), .init("v", "1".utf8),
        ]
        if let trace { attributes.append(.init("trace", trace.description.utf8)) }
        switch status {
        case nil: break
        case .ok: attributes.append(.init("status", "ok".utf8))
        case .error(let failure):
            attributes.append(.init("status", "error".utf8))
            var error: [Element.Attribute] = [
                .init("code", failure.code.rawValue.utf8), .init("retry", failure.code.retry.rawValue.utf8),
            ]
            if let after = failure.retryAfter { error.append(.init("after", "\(after)".utf8)) }
            return Element("tobj", attributes, children: [Element("error", error, text: failure.text)])
        }
        return Element("tobj", attributes, children: body)
    }

    /// The document as it goes over the link.
    package func serialized() -> [UInt8] { element.serialized() }

    /// The body of a successful reply; throws what an error reply says.
    package func success() throws(Failure) -> [Element] {
        switch status {
        case .ok: return body
        case .error(let failure): throw failure
        case nil: throw Failure(.internal, "the peer answered with a request")
        }
    }
}
