import Dispatch
import FFSModel
import Logging
import Metrics
import Requests
import Synchronization
import Tobj

/// Between the bytes of a request and the bytes of its reply, for every way in: parses, answers a repeated id from
/// memory, runs the handler in a task of its own, logs and counts.
final class RequestDispatcher: Sendable {
    private let link: Link
    private let table: RequestTable
    private let logger: Logger
    private let limits: TobjLimits
    private let maximum: Int
    private let maximumWaits: Int
    private let running = Atomic(0)
    private let waiting = Atomic(0)
    private let memory = ReplyMemory(capacity: 1 << 20, byteCapacity: 256 << 20)
    private let timers: [RequestType: Timer]

    /// `limits.size` also bounds the replies. `maximum`: requests worked on at once, those that may wait apart; more are answered `busy`.
    init(
        link: Link, table: RequestTable, limits: TobjLimits, maximum: Int, maximumWaits: Int, logger: Logger
    ) {
        self.link = link
        self.table = table
        self.limits = limits
        self.maximum = maximum
        self.maximumWaits = maximumWaits
        self.logger = logger
        var timers: [RequestType: Timer] = [:]
        for type in table.types { timers[type] = Self.timer(link, type.rawValue, "ok") }
        self.timers = timers
    }

    private static func timer(_ link: Link, _ type: String, _ code: String) -> Timer {
        Timer(
            label: "ffs_commlink_request_seconds",
            dimensions: [("link", link.rawValue), ("type", type), ("code", code)])
    }

    /// Who sent a document.
    struct Caller: Sendable {
        let peer: String
        var node: NodeName?
    }

    /// A document that came, read.
    struct Arrival: Sendable {
        let request: Result<Document, Failure>
        /// The id, as far as there is one.
        let id: RequestID
        /// nil for one that the catalogue does not know.
        let type: RequestType?
        /// Whether it counts among the questions that may wait.
        let mayWait: Bool
    }

    func read(_ bytes: [UInt8]) -> Arrival {
        do {
            let request = try parse(bytes)
            let type = RequestType(rawValue: request.type)
            let mayWait = type?.row.mayWait == true && bytes.count <= Self.waitSize
            return Arrival(request: .success(request), id: request.id, type: type, mayWait: mayWait)
        } catch {
            return Arrival(request: .failure(error), id: Self.id(in: bytes, limits), type: nil, mayWait: false)
        }
    }

    /// Bytes of a question that may wait: many do, and each is kept meanwhile.
    private static let waitSize = 4_096

    /// The reply to one more than may wait.
    func busy(_ arrival: Arrival) -> [UInt8] {
        let name = arrival.type?.rawValue ?? "invalid"
        let failure = Failure(
            .busy, "too many questions of this connection wait for an answer; try again", retryAfter: 1)
        return Document(request: name, id: arrival.id).reply(failure).serialized()
    }

    /// Answers one document; `deliver` is called exactly once, on any thread, with the reply's bytes.
    /// Returns the task that does it, if one is needed: whoever hangs up cancels what waits.
    @discardableResult
    func answer(
        _ arrival: Arrival, from caller: Caller, deliver: @escaping @Sendable ([UInt8]) -> Void
    ) -> Task<Void, Never>? {
        let request: Document
        switch arrival.request {
        case .success(let read): request = read
        case .failure(let error):
            refused(error, caller)
            deliver(Document(request: "invalid", id: arrival.id).reply(error).serialized())
            return nil
        }
        let type = arrival.type
        // An unknown type is refused, and nothing of it remembered.
        let repeats = type?.row.repeats ?? .again
        // One that waits ends with its connection, so a repeat on another one cannot share its answer.
        guard repeats != .known, !arrival.mayWait else {
            return run(request, arrival, caller) { reply, _ in deliver(reply) }
        }
        let now = Self.uptime()
        let key = ReplyMemory.Key(node: caller.node, id: request.id)
        switch memory.admit(key, fingerprint: Self.fingerprint(request), now: now, waiter: deliver) {
        case .first: break
        case .repeated(let reply):
            deliver(reply)
            return nil
        case .joined: return nil
        case .conflict:
            let failure = Failure(.badRequest, "this id was used for another request; a new request needs a new id")
            refused(failure, caller)
            deliver(request.reply(failure).serialized())
            return nil
        }
        return run(request, arrival, caller) { [memory] reply, failure in
            let keep = repeats == .remembered && failure?.code.isFinal ?? true
            memory.finish(key, reply: reply, keep: keep, now: now)
            deliver(reply)
        }
    }

    /// Has the handler answer; `done` is called exactly once, on any thread, with the reply and what it refuses.
    private func run(
        _ request: Document, _ arrival: Arrival, _ caller: Caller,
        _ done: @escaping @Sendable ([UInt8], Failure?) -> Void
    ) -> Task<Void, Never>? {
        let mayWait = arrival.mayWait
        guard enter(mayWait) else {
            let failure = Failure(
                .busy, "the daemon works on \(mayWait ? maximumWaits : maximum) requests already; try again",
                retryAfter: 1)
            done(request.reply(failure).serialized(), failure)
            return nil
        }
        // At once, on the connection's own thread, as far as it goes without waiting: a short request wakes no other.
        return Task.immediate { [self] in
            let start = DispatchTime.now().uptimeNanoseconds
            let answer = await table.answer(request, link: link, peer: caller.peer, node: caller.node) {
                [logger] failure, context in
                Self.log(failure, context, request.type, logger)
            }
            leave(mayWait)
            let (reply, failure) = serialize(answer, to: request)
            record(arrival.type, failure, nanoseconds: DispatchTime.now().uptimeNanoseconds - start)
            done(reply, failure)
        }
    }

    private func enter(_ mayWait: Bool) -> Bool {
        let isWithin =
            mayWait
            ? waiting.add(1, ordering: .relaxed).newValue <= maximumWaits
            : running.add(1, ordering: .relaxed).newValue <= maximum
        if !isWithin { leave(mayWait) }
        return isWithin
    }

    private func leave(_ mayWait: Bool) {
        if mayWait { waiting.subtract(1, ordering: .relaxed) } else { running.subtract(1, ordering: .relaxed) }
    }

    private func refused(_ failure: Failure, _ caller: Caller) {
        var metadata: Logger.Metadata = ["peer": "\(caller.peer)", "reason": "\(failure)"]
        if let node = caller.node { metadata["node"] = "\(node)" }
        logger.notice("request refused", metadata: metadata)
    }

    private func parse(_ bytes: [UInt8]) throws(Failure) -> Document {
        let request = try Document(bytes: bytes, limits: limits)
        guard request.status == nil else { throw Failure(.badRequest, "a request has no status; this is a reply") }
        return request
    }

    /// The id of a document that is not a request, as far as it has one, so that its sender can tell which it was.
    private static func id(in bytes: [UInt8], _ limits: TobjLimits) -> RequestID {
        guard let root = try? parseTobj(bytes, limits: limits), let id = root.attribute("id") else {
            return RequestID(high: 0, low: 0)
        }
        return RequestID(hex: id) ?? RequestID(high: 0, low: 0)
    }

    /// A repeat may come under another trace.
    private static func fingerprint(_ request: Document) -> Int {
        var hasher = Hasher()
        hasher.combine(request.type)
        hasher.combine(request.body)
        return hasher.finalize()
    }

    /// The reply's bytes and, when it is an error, which.
    private func serialize(_ answer: Document, to request: Document) -> ([UInt8], Failure?) {
        let bytes = answer.serialized()
        if bytes.count <= limits.size {
            if case .error(let failure)? = answer.status { return (bytes, failure) }
            return (bytes, nil)
        }
        let failure = Failure(
            .internal, "the reply is larger than a document may be (commlink.document-size); ask for less at once")
        logger.error(
            "reply too large", metadata: ["type": "\(request.type)", "id": "\(request.id)", "bytes": "\(bytes.count)"])
        return (request.reply(failure).serialized(), failure)
    }

    private func record(_ type: RequestType?, _ failure: Failure?, nanoseconds: UInt64) {
        let nanoseconds = Int64(clamping: nanoseconds)
        if failure == nil, let type, let timer = timers[type] { return timer.recordNanoseconds(nanoseconds) }
        // Not the peer's own word: it may send any number of them.
        Self.timer(link, type?.rawValue ?? "unknown", failure?.code.rawValue ?? "ok").recordNanoseconds(nanoseconds)
    }

    private static func log(_ failure: Failure, _ context: RequestContext, _ type: String, _ logger: Logger) {
        let level: Logger.Level =
            switch failure.code.logLevel {
            case .info: .info
            case .notice: .notice
            case .warning: .warning
            case .error: .error
            }
        var metadata: Logger.Metadata = [
            "link": "\(context.link.rawValue)", "peer": "\(context.peer)", "type": "\(printable(type.utf8, limit: 64))",
            "id": "\(context.id)", "trace": "\(context.trace)", "code": "\(failure.code.rawValue)",
            "reason": "\(failure)",
        ]
        if let node = context.node { metadata["node"] = "\(node)" }
        logger.log(level: level, "request refused", metadata: metadata)
    }

    /// Seconds since boot: does not jump when an operator sets the clock.
    private static func uptime() -> Int64 { Int64(DispatchTime.now().uptimeNanoseconds / 1_000_000_000) }
}
