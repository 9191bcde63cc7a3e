package import FFSModel
package import Tobj

/// What supervisor and worker say to each other over their socket pair: four bytes of length, big-endian, then a Tobj
/// element. Both are the same program, so there are no versions.
package enum ChannelMessage: Sendable {
    // Supervisor to worker.
    case plan(WorkerPlan)
    case drain
    /// Whether new sessions are turned away.
    case hold(Bool)
    /// `who`, `kick`: a question that wants an ``answer(number:_:)``.
    case ask(number: Int, Element)
    // Worker to supervisor.
    /// The worker serves. One that cannot says why on standard error and ends.
    case ready
    case answer(number: Int, Element)

    var element: Element {
        switch self {
        case .plan(let plan): plan.element
        case .drain: Element("drain")
        case .hold(let on): Element("hold", text: on ? "on" : "off")
        case .ask(let number, let body): Element("ask", [.init("number", "\(number)".utf8)], children: [body])
        case .ready: Element("ready")
        case .answer(let number, let body): Element("answer", [.init("number", "\(number)".utf8)], children: [body])
        }
    }

    init?(_ element: Element) {
        let number = element.attribute("number").flatMap { Int(String(decoding: $0, as: UTF8.self)) }
        switch element.name {
        case "plan":
            guard let plan = WorkerPlan(element) else { return nil }
            self = .plan(plan)
        case "drain": self = .drain
        case "hold": self = .hold(element.string == "on")
        case "ask":
            guard let number, let body = element.children.first else { return nil }
            self = .ask(number: number, body)
        case "ready": self = .ready
        case "answer":
            guard let number, let body = element.children.first else { return nil }
            self = .answer(number: number, body)
        default: return nil
        }
    }

    /// The bytes on the wire.
    package var framed: [UInt8] {
        let body = element.serialized()
        return (0..<4).map { UInt8(truncatingIfNeeded: body.count >> (24 - 8 * $0)) } + body
    }
}

/// Cuts a channel's bytes into messages.
package struct ChannelFramer: Sendable {
    private var bytes: [UInt8] = []
    /// `who` of a full server is the largest message.
    private static let longest = 256 << 20

    package init() {}

    package mutating func append(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }

    /// The next message, nil when there is none yet. Throws `internal` for what neither side would send.
    package mutating func next() throws(Failure) -> ChannelMessage? {
        guard bytes.count >= 4 else { return nil }
        let length = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.longest else { throw Failure(.internal, "a worker's channel carries nonsense") }
        guard bytes.count >= 4 + length else { return nil }
        let body = Array(bytes[4..<(4 + length)])
        bytes.removeFirst(4 + length)
        var limits = TobjLimits.storedFile
        limits.size = Self.longest
        guard let element = try? parseTobj(body, limits: limits), let message = ChannelMessage(element) else {
            throw Failure(.internal, "a worker's channel carries nonsense")
        }
        return message
    }
}
