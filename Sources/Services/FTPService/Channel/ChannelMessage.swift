package import FFSModel
package import SystemSupport
package import Tobj

/// What supervisor and worker say to each other over their socket pair: four bytes of length, big-endian, then a Tobj
/// element. Both are the same program, so there are no versions.
package enum ChannelMessage: Sendable {
    // Supervisor to worker.
    case plan(WorkerBriefing)
    case drain
    /// Whether new sessions are turned away.
    case hold(Bool)
    /// Where transfers are recorded from now on; nil: nowhere. The descriptor goes beside the bytes.
    case transferLog(LentDescriptor?)
    /// The next segment of the worker's journal, beside the bytes; nil: there is none now, and it will come.
    case segment(LentDescriptor?)
    /// `who`, `kick`: a question that wants an ``answer(number:_:)``.
    case ask(number: Int, Element)
    // Worker to supervisor.
    /// The worker serves. One that cannot says why on standard error and ends.
    case ready(Confinement)
    case answer(number: Int, Element)
    /// The journal needs another segment.
    case wantsSegment
    /// Nothing is written to that segment any more.
    case segmentTaken(ID128)
    // Worker to supervisor, and supervisor to gate.
    case signIn(SignInRequest)
    // Gate to supervisor, and supervisor to worker.
    case signedIn(number: Int, SignInAnswer)
    // Supervisor to gate.
    case gatePlan(GateBriefing)
    // Gate to supervisor.
    case relay(RelayState)

    var element: Element {
        switch self {
        case .plan(let plan): plan.element
        case .drain: Element("drain")
        case .hold(let on): Element("hold", text: on ? "on" : "off")
        case .ask(let number, let body): Element("ask", [.init("number", "\(number)".utf8)], children: [body])
        case .transferLog(let log): Element("transfer-log", text: log == nil ? "off" : "on")
        case .segment(let segment): Element("segment", text: segment == nil ? "none" : "next")
        case .wantsSegment: Element("wants-segment")
        case .segmentTaken(let id): Element("segment-taken", text: "\(id)")
        case .ready(let confinement): confinement.element
        case .answer(let number, let body): Element("answer", [.init("number", "\(number)".utf8)], children: [body])
        case .signIn(let request): request.element
        case .signedIn(let number, let answer): answer.element(number: number)
        case .gatePlan(let plan): plan.element
        case .relay(let state): state.element
        }
    }

    /// - Parameter passed: takes the descriptor that came with the message.
    init?(_ element: Element, passed: () -> LentDescriptor? = { nil }) {
        let number = element.attribute("number").flatMap { Int(String(decoding: $0, as: UTF8.self)) }
        switch element.name {
        case "plan":
            guard let plan = WorkerBriefing(element) else { return nil }
            self = .plan(plan)
        case "drain": self = .drain
        case "hold": self = .hold(element.string == "on")
        case "ask":
            guard let number, let body = element.children.first else { return nil }
            self = .ask(number: number, body)
        case "transfer-log":
            let log = element.string == "on" ? passed() : nil
            guard log != nil || element.string == "off" else { return nil }
            self = .transferLog(log)
        case "segment":
            let segment = element.string == "next" ? passed() : nil
            guard segment != nil || element.string == "none" else { return nil }
            self = .segment(segment)
        case "wants-segment": self = .wantsSegment
        case "segment-taken":
            guard let id = ID128(hex: element.text) else { return nil }
            self = .segmentTaken(id)
        case "ready": self = .ready(Confinement(element))
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
            guard let plan = GateBriefing(element) else { return nil }
            self = .gatePlan(plan)
        case "relay": self = .relay(RelayState(element))
        default: return nil
        }
    }

    /// What goes beside the bytes.
    var passed: LentDescriptor? {
        switch self {
        case .transferLog(let log): log
        case .segment(let segment): segment
        default: nil
        }
    }

    /// The bytes on the wire.
    package var framed: [UInt8] {
        var element = element
        var body = element.serialized()
        defer {
            SecretMemory.wipe(&body)
            if case .signIn = self { element.wipeText() }
        }
        return (0..<4).map { UInt8(truncatingIfNeeded: body.count >> (24 - 8 * $0)) } + body
    }
}

extension Element {
    /// Overwrites a password that was text.
    fileprivate mutating func wipeText() {
        var text = takeText()
        SecretMemory.wipe(&text)
    }
}

extension Confinement {
    var element: Element {
        Element(
            "ready",
            [.init("files", "\(restrictsFiles)".utf8), .init("calls", "\(restrictsSystemCalls)".utf8)])
    }

    init(_ element: Element) {
        func isSet(_ name: String) -> Bool { element.attribute(name)?.elementsEqual("true".utf8) == true }
        self.init(restrictsFiles: isSet("files"), restrictsSystemCalls: isSet("calls"))
    }
}

/// Cuts a channel's bytes into messages.
package struct ChannelFramer: Sendable {
    private var bytes: [UInt8] = []
    /// Descriptors that came and wait for their messages.
    private var passed: [LentDescriptor] = []
    private let longest: Int
    private static let mostPassed = 16

    /// What a supervisor takes from its workers and its gate: a page of sessions is the largest message. A worker that was
    /// taken over makes a process of root's keep no more than this.
    package static let fromWorkers = 2 << 20
    /// What they take from it: a plan with many certificates.
    package static let fromSupervisor = 256 << 20

    /// - Parameter longest: bytes of the largest message that is taken.
    package init(longest: Int = fromSupervisor) { self.longest = longest }

    /// Bytes from the channel, however they were cut, with the descriptor that came beside the first of them.
    package mutating func append(_ more: UnsafeRawBufferPointer, passed descriptor: LentDescriptor? = nil) {
        bytes.append(contentsOf: more)
        if let descriptor, passed.count < Self.mostPassed { passed.append(descriptor) }
    }

    /// The next message, nil when there is none yet. Throws `internal` for what neither side would send.
    package mutating func next() throws(Failure) -> ChannelMessage? {
        guard bytes.count >= 4 else { return nil }
        let length = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= longest else { throw Failure(.internal, "a worker's channel carries nonsense") }
        guard bytes.count >= 4 + length else { return nil }
        var body = Array(bytes[4..<(4 + length)])
        // Keys and passwords come this way.
        defer { SecretMemory.wipe(&body) }
        SecretMemory.wipe(&bytes, ..<(4 + length))
        bytes.removeFirst(4 + length)
        var limits = TobjLimits.storedFile
        limits.size = longest
        guard var element = try? parseTobj(body, limits: limits),
            let message = ChannelMessage(element, passed: { passed.isEmpty ? nil : passed.removeFirst() })
        else { throw Failure(.internal, "a worker's channel carries nonsense") }
        if case .signIn = message { element.wipeText() }
        return message
    }
}
