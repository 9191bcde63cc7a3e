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
    private let running = Atomic(0)
    private let memory = ReplyMemory(capacity: 1 << 20, byteCapacity: 256 << 20)
    private let timers: [RequestType: Timer]

    /// `limits.size` also bounds the replies. `maximum`: requests worked on at once; more are answered `busy`.
    init(link: Link, table: RequestTable, limits: TobjLimits, maximum: Int, logger: Logger) {
        self.link = link
        self.table = table
        self.limits = limits
        self.maximum = maximum
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

    /// Answers one document; `deliver` is called exactly once, on any thread, with the reply's bytes.
    func answer(_ bytes: [UInt8], peer: String, deliver: @escaping @Sendable ([UInt8]) -> Void) {
        let request: Document
        do { request = try parse(bytes) } catch {
            logger.notice("request refused", metadata: ["peer": "\(peer)", "reason": "\(error)"])
            return deliver(Document(request: "invalid", id: Self.id(in: bytes, limits)).reply(error).serialized())
        }
        let type = RequestType(rawValue: request.type)
        // An unknown type is refused, and nothing of it remembered.
        let repeats = type?.row.repeats ?? .again
        guard repeats != .known else { return run(request, type, peer: peer) { reply, _ in deliver(reply) } }
        let now = Self.uptime()
        switch memory.admit(request.id, fingerprint: Self.fingerprint(request), now: now, waiter: deliver) {
        case .first: break
        case .repeated(let reply): return deliver(reply)
        case .joined: return
        case .conflict:
            let failure = Failure(.badRequest, "this id was used for another request; a new request needs a new id")
            logger.notice("request refused", metadata: ["peer": "\(peer)", "reason": "\(failure)"])
            return deliver(request.reply(failure).serialized())
        }
        run(request, type, peer: peer) { [memory] reply, failure in
            let keep = repeats == .remembered && failure?.code.isFinal ?? true
            memory.finish(request.id, reply: reply, keep: keep, now: now)
            deliver(reply)
        }
    }

    /// Has the handler answer; `done` is called exactly once, on any thread, with the reply and what it refuses.
    private func run(
        _ request: Document, _ type: RequestType?, peer: String, _ done: @escaping @Sendable ([UInt8], Failure?) -> Void
    ) {
        guard running.add(1, ordering: .relaxed).newValue <= maximum else {
            running.subtract(1, ordering: .relaxed)
            let failure = Failure(.busy, "the daemon works on \(maximum) requests already; try again", retryAfter: 1)
            return done(request.reply(failure).serialized(), failure)
        }
        // At once, on the connection's own thread, as far as it goes without waiting: a short request wakes no other.
        Task.immediate { [self] in
            let start = DispatchTime.now().uptimeNanoseconds
            let answer = await table.answer(request, link: link, peer: peer) { [logger] failure, context in
                Self.log(failure, context, request.type, logger)
            }
            running.subtract(1, ordering: .relaxed)
            let (reply, failure) = serialize(answer, to: request)
            record(type, failure, nanoseconds: DispatchTime.now().uptimeNanoseconds - start)
            done(reply, failure)
        }
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
        logger.log(
            level: level, "request refused",
            metadata: [
                "link": "\(context.link.rawValue)", "peer": "\(context.peer)",
                "type": "\(printable(type.utf8, limit: 64))",
                "id": "\(context.id)", "trace": "\(context.trace)", "code": "\(failure.code.rawValue)",
                "reason": "\(failure)",
            ])
    }

    /// Seconds since boot: does not jump when an operator sets the clock.
    private static func uptime() -> Int64 { Int64(DispatchTime.now().uptimeNanoseconds / 1_000_000_000) }
}
