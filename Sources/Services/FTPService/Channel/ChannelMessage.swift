package import FFSModel
import SystemSupport
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
    // Worker to supervisor, and supervisor to gate.
    case signIn(SignInRequest)
    // Gate to supervisor, and supervisor to worker.
    case signedIn(number: Int, SignInAnswer)
    // Supervisor to gate.
    case gatePlan(GatePlan)
    // Gate to supervisor.
    case relay(RelayState)

    var element: Element {
        switch self {
        case .plan(let plan): plan.element
        case .drain: Element("drain")
        case .hold(let on): Element("hold", text: on ? "on" : "off")
        case .ask(let number, let body): Element("ask", [.init("number", "\(number)".utf8)], children: [body])
        case .ready: Element("ready")
        case .answer(let number, let body): Element("answer", [.init("number", "\(number)".utf8)], children: [body])
        case .signIn(let request): request.element
        case .signedIn(let number, let answer): answer.element(number: number)
        case .gatePlan(let plan): plan.element
        case .relay(let state): state.element
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
        case "sign-in":
            guard let request = SignInRequest(element) else { return nil }
            self = .signIn(request)
        case "signed-in":
            guard let number, let answer = SignInAnswer(element) else { return nil }
            self = .signedIn(number: number, answer)
        case "gate-plan":
            guard let plan = GatePlan(element) else { return nil }
            self = .gatePlan(plan)
        case "relay": self = .relay(RelayState(element))
        default: return nil
        }
    }

    /// The bytes on the wire.
    package var framed: [UInt8] {
        var body = element.serialized()
        defer { SecretMemory.wipe(&body) }
        return (0..<4).map { UInt8(truncatingIfNeeded: body.count >> (24 - 8 * $0)) } + body
    }
}

/// Cuts a channel's bytes into messages.
package struct ChannelFramer: Sendable {
    private var bytes: [UInt8] = []
    /// `who` of a full server is the largest message.
    private static let longest = 256 << 20

    package init() {}

    /// Bytes from the channel, however they were cut.
    package mutating func append(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }

    /// The next message, nil when there is none yet. Throws `internal` for what neither side would send.
    package mutating func next() throws(Failure) -> ChannelMessage? {
        guard bytes.count >= 4 else { return nil }
        let length = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.longest else { throw Failure(.internal, "a worker's channel carries nonsense") }
        guard bytes.count >= 4 + length else { return nil }
        var body = Array(bytes[4..<(4 + length)])
        // Keys and passwords come this way.
        defer { SecretMemory.wipe(&body) }
        SecretMemory.wipe(&bytes, ..<(4 + length))
        bytes.removeFirst(4 + length)
        var limits = TobjLimits.storedFile
        limits.size = Self.longest
        guard let element = try? parseTobj(body, limits: limits), let message = ChannelMessage(element) else {
            throw Failure(.internal, "a worker's channel carries nonsense")
        }
        return message
    }
}
