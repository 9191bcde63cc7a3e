import FFSModel
import Logging
import Metrics
import Synchronization
import SystemSupport

/// The supervisor's side of the gate: starts it, starts it again when it ends, and passes sign-ins on from workers and
/// answers back. Belongs to the supervisor's thread. It parses nothing but the program's own messages.
final class GateKeeper {
    private struct Waiting {
        let request: SignInRequest
        /// What counts as one (``FFSModel/IPAddress/source``).
        let source: String
        /// The worker's own number.
        let number: Int
        weak var child: WorkerChild?
        let since: Int64
    }

    /// Starts the gate's process with its end of the channel.
    typealias Launch = (Int32) throws(SystemError) -> ChildProcess

    private let loop: PollLoop
    private let launch: Launch
    private let status: SignInStatus
    private let log: Logger
    private var plan: GateBriefing?
    private var process: ChildProcess?
    private var channel: WorkerChannel?
    private var startedAt: Int64 = 0
    private var retryAt: Int64?
    /// Told to the gate, by its number.
    private var asked: [Int: Waiting] = [:]
    /// Not told yet; sources take turns.
    private var queue = FairQueue<String, Waiting>()
    private var lastNumber = 0

    /// Sign-ins that the gate works on at once.
    static let mostAsked = 32
    static let mostQueued = 512
    /// Of one source, asked and queued: no one of them keeps the others out.
    static let mostOfOneSource = 64
    /// Seconds after which a worker gets an answer, whatever the gate does.
    private static let patience: Int64 = 12

    init(
        loop: PollLoop, plan: GateBriefing?, status: SignInStatus, log: Logger, launch: @escaping Launch
    ) {
        self.loop = loop
        self.launch = launch
        self.plan = plan
        self.status = status
        self.log = log
    }

    /// Starts the gate, if customers may sign in at all.
    func start() {
        status.set(relay: nil, isOn: plan != nil)
        guard let plan else { return }
        startedAt = loop.second
        retryAt = nil
        do throws(SystemError) {
            let pair = try Descriptor.socketPair()
            process = try launch(pair.second.rawValue)
            channel = try WorkerChannel(
                pair.takeFirst(), framer: ChannelFramer(longest: ChannelFramer.fromWorkers), loop: loop
            ) { [unowned self] message in
                receive(message)
            } onEnd: { [unowned self] in
                ended()
            }
            channel?.send(.gatePlan(plan))
        } catch {
            log.error("the sign-in gate cannot be started", metadata: ["cause": "\(error)"])
            retryAt = loop.second + 1
        }
    }

    static func launch(
        _ identity: (user: UInt32, group: UInt32)?, channel: Int32
    ) throws(SystemError) -> ChildProcess {
        let environment =
            ["MALLOC_ARENA_MAX=2"]
            + ["LD_LIBRARY_PATH"].compactMap { name in environmentVariable(name).map { "\(name)=\($0)" } }
        return try ChildProcess.spawn(
            arguments: ["ffsftpd"] + GateProcess.words(identity), environment: environment, descriptors: [channel])
    }

    /// After a reload: fresh keys are handed over, anything else takes another gate.
    func reload(_ plan: GateBriefing?) {
        guard plan != self.plan else { return }
        let old = self.plan
        self.plan = plan
        if let plan, let old, plan.settings == old.settings, let channel { return channel.send(.gatePlan(plan)) }
        stop()
        start()
    }

    /// Ends the gate; who waits is told that nothing can be checked now.
    func stop() {
        retryAt = nil
        guard let channel else { return }
        channel.close()
        self.channel = nil
        process?.send(signal: Signals.terminate)
        reap()
        giveUp()
    }

    private func reap() {
        guard let process else { return }
        self.process = nil
        let deadline = SystemClock.monotonic() + 1_000_000_000
        while SystemClock.monotonic() < deadline {
            if let end = process.end() { return noteEnd(end, process) }
            SystemClock.sleep(nanoseconds: 1_000_000)
        }
        process.send(signal: Signals.kill)
        noteEnd(process.waitForEnd(), process)
    }

    private func noteEnd(_ end: ChildProcess.End, _ process: ChildProcess) {
        guard channel != nil else { return }
        log.error(
            "the sign-in gate ended; it is started again", metadata: ["pid": "\(process.number)", "end": "\(end)"])
    }

    private func ended() {
        reap()
        channel = nil
        status.set(relay: .down("the sign-in gate ended"), isOn: true)
        giveUp()
        if loop.second - startedAt < 2 { retryAt = loop.second + 1 } else { start() }
    }

    private func giveUp() {
        let all = Array(asked.values) + queue.removeAll { _ in true }
        asked = [:]
        for waiting in all { tell(waiting, .unavailable) }
    }

    // MARK: Sign-ins

    func ask(_ request: SignInRequest, from child: WorkerChild) {
        let source = IPAddress(text: request.source.utf8)?.source.description ?? request.source
        let waiting = Waiting(
            request: request, source: source, number: request.number, child: child, since: loop.second)
        guard channel != nil else { return tell(waiting, .unavailable) }
        let ofSource =
            asked.values.count { $0.source == source } + queue.count(of: source)
        guard queue.count < Self.mostQueued, ofSource < Self.mostOfOneSource else {
            log.notice(
                "too many sign-ins at once; one is turned away",
                metadata: ["source": "\(request.source)", "of-source": "\(ofSource)", "waiting": "\(queue.count)"])
            return tell(waiting, .busy)
        }
        queue.append(waiting, of: source)
        passOn()
    }

    private func passOn() {
        while asked.count < Self.mostAsked, let channel, let waiting = queue.popFirst() {
            lastNumber += 1
            asked[lastNumber] = waiting
            var request = waiting.request
            request.number = lastNumber
            channel.send(.signIn(request))
        }
    }

    private func receive(_ message: ChannelMessage) {
        switch message {
        case .signedIn(let number, let answer):
            if let waiting = asked.removeValue(forKey: number) { tell(waiting, answer) }
            passOn()
        case .relay(let state): take(state)
        default: break
        }
    }

    private func tell(_ waiting: Waiting, _ answer: SignInAnswer) {
        status.count(answer)
        waiting.child?.channel?.send(.signedIn(number: waiting.number, answer))
    }

    private func take(_ state: RelayState) {
        status.set(relay: state, isOn: true)
        switch state {
        case .up: log.notice("the relay answers: customers can sign in with their own names")
        case .down(let why):
            log.warning(
                "the relay does not answer: customers cannot sign in with their own names; accounts can",
                metadata: ["reason": "\(why)"])
        }
    }

    func everySecond() {
        if let retryAt, retryAt <= loop.second { start() }
        let limit = loop.second - Self.patience
        for (number, waiting) in asked where waiting.since < limit {
            asked[number] = nil
            tell(waiting, .unavailable)
        }
        for waiting in queue.removeAll(where: { $0.since < limit }) { tell(waiting, .unavailable) }
        passOn()
    }
}

/// What `ffsctl status` and `/metrics` show about customers' own names; for any thread.
final class SignInStatus: Sendable {
    private struct State {
        var isOn = false
        var relay: RelayState?
        var counts: [String: Int] = [:]
    }

    private let state = Mutex(State())

    func set(relay: RelayState?, isOn: Bool) {
        state.withLock {
            $0.relay = relay
            $0.isOn = isOn
        }
        Gauge(label: "ffs_ftp_relay_up").record(relay == .up ? 1 : 0)
    }

    func count(_ answer: SignInAnswer) {
        state.withLock { $0.counts[answer.label, default: 0] += 1 }
        Counter(label: "ffs_ftp_customer_sign_ins_total", dimensions: [("outcome", answer.label)]).increment()
    }

    /// Empty where customers cannot sign in with their own names.
    var values: [(name: String, value: Int)] {
        state.withLock { state in
            guard state.isOn else { return [] }
            let accepted = state.counts["accepted"] ?? 0
            return [
                ("ffs_ftp_relay_up", state.relay == .up ? 1 : 0), ("ffs_ftp_customer_sign_ins", accepted),
                ("ffs_ftp_customer_sign_ins_failed", state.counts.values.reduce(0, +) - accepted),
            ]
        }
    }
}
