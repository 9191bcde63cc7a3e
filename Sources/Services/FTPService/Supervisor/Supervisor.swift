import FFSModel
import Logging
import SystemSupport
import TLSEngine
import Tobj

/// Starts workers, tells them what to do, and starts another when one dies. Belongs to the thread of its loop; the
/// rest of the program speaks to it through the loop's mailbox.
///
/// Workers come in generations. A restart starts the next generation, and only when all of it serves does the one
/// before stop admitting; both share the listeners, so no connection is refused meanwhile.
final class Supervisor {
    /// Starts a worker's process: its column, its end of the channel, its transfer log, and where it notes what it has under
    /// way.
    typealias Launch = (Int, Int32, LentDescriptor?, SharedMemory) throws(SystemError) -> ChildProcess

    let loop: PollLoop
    private let launch: Launch
    private let counters: SharedCounters
    private let metrics: WorkerMetrics
    private let count: Int
    private let patience: Patience
    private let log: Logger
    private var plan: WorkerBriefing
    private var transferLog: LentDescriptor?
    /// Shared by all workers, so that TLS tickets of one open at another.
    private var ticketKeys = TicketKeys()
    private var turnKeysAt: Int64
    private var generation = 1
    /// The one before, until all of ``generation`` serves.
    private var fallback: Int?
    private var lastGeneration = 1
    private var children: [WorkerChild] = []
    /// The second at which workers that are missing are started.
    private var spawnAt: Int64?
    private var questions: [Int: Question] = [:]
    private var lastQuestion = 0
    private var isDraining = false
    private var isHolding = false
    /// Customers' own names.
    private let gate: GateKeeper
    /// nil: nothing is recorded.
    private let journals: JournalKeeper?
    private var onReady: ((Failure?) -> Void)?
    /// The second at which a generation that does not serve is given up.
    private var readyBy = Int64.max
    private var onEmpty: (() -> Void)?

    /// Seconds for which workers are waited for; they must not be able to hold up what an operator wants.
    struct Patience {
        /// Replaced ones may go on for so long.
        var drain: Int
        /// From a worker's start until it serves.
        var ready = 60
        var answer = 5
        /// For the answer to a question that costs nothing; a worker that gives none hangs, and is ended.
        var hang = 60
        /// Between two TLS ticket keys.
        var ticketKey = TicketKeys.turn
    }

    /// Who waits for the answers of all workers.
    private struct Question {
        var missing: Set<Int>
        var answers: [Element]
        let until: Int64
        let completion: ([Element]) -> Void
    }

    init(
        loop: PollLoop, counters: SharedCounters, metrics: WorkerMetrics, count: Int, plan: WorkerBriefing,
        transferLog: LentDescriptor?, gate: GateKeeper, journals: JournalKeeper? = nil, patience: Patience,
        log: Logger, launch: @escaping Launch
    ) {
        self.journals = journals
        self.launch = launch
        self.transferLog = transferLog
        self.patience = patience
        self.gate = gate
        self.loop = loop
        self.counters = counters
        self.metrics = metrics
        self.count = count
        self.plan = plan
        self.plan.ticketKeys = ticketKeys.keys
        self.plan.isRecorded = journals != nil
        turnKeysAt = loop.second + Int64(patience.ticketKey)
        self.log = log
        loop.everySecond = { [unowned self] in everySecond() }
    }

    // MARK: Workers

    /// Starts all workers; `completion` is called once all serve, or with why one cannot.
    func start(_ completion: @escaping (Failure?) -> Void) {
        gate.start()
        begin(completion)
    }

    /// Starts all workers of the current generation.
    private func begin(_ completion: @escaping (Failure?) -> Void) {
        onReady = completion
        readyBy = loop.second + Int64(patience.ready)
        spawnMissing()
    }

    private func spawnMissing() {
        spawnAt = nil
        for _ in 0..<max(0, count - current.count) { spawn() }
    }

    /// One more worker of the current generation.
    private func spawn() {
        let taken = Set(children.map(\.column))
        guard let column = (0..<SharedCounters.columns).first(where: { !taken.contains($0) }) else {
            log.error("there are too many workers of earlier generations; a new one is tried again later")
            spawnAt = loop.second + 1
            return
        }
        counters.clear(column: column, lasting: Statistic.lasting)
        do throws(SystemError) {
            let pair = try Descriptor.socketPair()
            let running = try SharedMemory(size: RunningTable.size)
            let process = try launch(column, pair.second.rawValue, transferLog, running)
            let child = WorkerChild(
                column: column, generation: generation, process: process, running: running, startedAt: loop.second)
            child.channel = try WorkerChannel(
                pair.takeFirst(), framer: ChannelFramer(longest: ChannelFramer.fromWorkers), loop: loop
            ) { [unowned self, unowned child] message in
                receive(message, from: child)
            } onEnd: { [unowned self, unowned child] in
                ended(child)
            }
            children.append(child)
            child.channel?.send(.plan(plan))
            if plan.isRecorded { giveSegment(to: child) }
            if isHolding { child.channel?.send(.hold(true)) }
        } catch {
            log.error("a worker cannot be started", metadata: ["cause": "\(error)"])
            spawnAt = loop.second + 1
        }
    }

    private var current: [WorkerChild] { children.filter { $0.generation == generation } }

    // MARK: What workers say

    private func receive(_ message: ChannelMessage, from child: WorkerChild) {
        switch message {
        case .ready(let confinement): ready(child, confinement)
        case .answer(let number, let answer):
            child.askedAt = nil
            take(answer, number, child)
        case .signIn(let request): gate.ask(request, from: child)
        case .wantsSegment: if !child.wantsSegment { giveSegment(to: child) }
        case .segmentTaken(let id): segmentTaken(id, by: child)
        case .plan, .drain, .hold, .transferLog, .ask, .signedIn, .gatePlan, .relay, .segment: break
        }
    }

    /// The worker's next segment, or word that it comes later. A worker holds two at most, whatever it says.
    private func giveSegment(to child: WorkerChild) {
        guard let journals, child.segments.count < 2 else { return }
        let segment = journals.next(child.column)
        if let segment { child.segments.append(segment) }
        if segment != nil || !child.wantsSegment { child.channel?.send(.segment(segment?.file)) }
        child.wantsSegment = segment == nil
    }

    private func segmentTaken(_ id: ID128, by child: WorkerChild) {
        guard child.segments.count > 1, child.segments[0].id == id else { return }
        journals?.seal(child.segments.removeFirst(), child.column)
    }

    private func ready(_ child: WorkerChild, _ confinement: Confinement) {
        child.confinement = confinement
        publish()
        log.info("worker serves", metadata: ["worker": "\(child.column)", "pid": "\(child.process.number)"])
        guard current.count == count, current.allSatisfy(\.isReady) else { return }
        for old in children where old.generation < generation && old.killAt == nil {
            old.channel?.send(.drain)
            old.killAt = loop.second + Int64(patience.drain)
        }
        fallback = nil
        report(nil)
    }

    private func publish() { metrics.publish(confinements: children.compactMap(\.confinement)) }

    private func report(_ failure: Failure?) {
        let completion = onReady
        onReady = nil
        readyBy = .max
        completion?(failure)
    }

    private func ended(_ child: WorkerChild) {
        children.removeAll { $0 === child }
        for number in questions.keys { take(nil, number, child) }
        let end = child.reap()
        journals?.bury(child.column, child.segments, running: child.running)
        counters.clear(column: child.column, lasting: Statistic.lasting)
        let expected = isDraining || child.killAt != nil
        if !expected || end != .exited(0) {
            log.error(
                "worker ended",
                metadata: ["worker": "\(child.column)", "pid": "\(child.process.number)", "end": "\(end)"])
        }
        if isDraining {
            if children.isEmpty { onEmpty?() }
            return
        }
        guard child.generation == generation else { return }
        if !child.isReady, onReady != nil { return giveUp() }
        metrics.countRestart(of: child.column)
        if loop.second - child.startedAt < 2 { spawnAt = loop.second + 1 } else { spawn() }
    }

    /// A worker of the new generation does not serve: what runs goes on.
    private func giveUp(_ why: String = "ended before it could serve; its own message is on standard error") {
        for child in current { kill(child) }
        spawnAt = nil
        if let fallback {
            generation = fallback
            // One of them may have died meanwhile.
            spawnAt = loop.second + 1
        }
        fallback = nil
        report(Failure(.internal, "a worker \(why)"))
    }

    private func kill(_ child: WorkerChild) {
        child.process.send(signal: Signals.kill)
        child.killAt = .max
    }

    private func turnKeys() {
        turnKeysAt = loop.second + Int64(patience.ticketKey)
        ticketKeys.turnOver()
        plan.ticketKeys = ticketKeys.keys
        for child in children { child.channel?.send(.plan(plan)) }
    }

    /// The service manager's watchdog sees the supervisor alone; the supervisor looks after the workers. What they answer
    /// has been through both their loops, FTP's and HTTPS's.
    private func proveWorkers() {
        for child in children where child.isReady && child.killAt == nil {
            guard let askedAt = child.askedAt else {
                guard loop.second - child.provedAt >= Int64(max(1, patience.hang / 4)) else { continue }
                child.provedAt = loop.second
                child.askedAt = loop.second
                child.channel?.send(.ask(number: 0, Element("prove")))
                continue
            }
            guard loop.second - askedAt >= patience.hang else { continue }
            log.error("a worker hangs; it is ended", metadata: ["worker": "\(child.column)"])
            child.askedAt = loop.second
            child.process.send(signal: Signals.kill)
        }
    }

    private func everySecond() {
        publish()
        for child in children where !child.isReady && child.killAt == nil {
            guard loop.second - child.startedAt >= patience.ready else { continue }
            log.error("a worker does not begin to serve; it is ended", metadata: ["worker": "\(child.column)"])
            child.process.send(signal: Signals.kill)
        }
        proveWorkers()
        if turnKeysAt <= loop.second { turnKeys() }
        if readyBy <= loop.second { giveUp("does not begin to serve; it was ended") }
        for (number, question) in questions where question.until <= loop.second {
            log.error("workers do not answer", metadata: ["workers": "\(question.missing.sorted())"])
            questions[number] = nil
            question.completion(question.answers)
        }
        for child in children {
            guard let killAt = child.killAt, killAt <= loop.second else { continue }
            log.warning("the drain time is over; transfers are cut", metadata: ["worker": "\(child.column)"])
            kill(child)
        }
        gate.everySecond()
        for child in children where child.wantsSegment { giveSegment(to: child) }
        journals?.everySecond()
        guard !isDraining, let spawnAt, spawnAt <= loop.second else { return }
        spawnMissing()
    }

    // MARK: What the daemon wants

    /// Settings, certificates and keys for what comes from now on, and the transfer log as it is called now: the one of
    /// before may have been renamed.
    func reload(_ plan: WorkerBriefing, transferLog: LentDescriptor?, _ gatePlan: GateBriefing?) {
        self.plan = plan
        self.plan.ticketKeys = ticketKeys.keys
        self.plan.isRecorded = journals != nil
        self.transferLog = transferLog
        gate.reload(gatePlan)
        for child in children {
            child.channel?.send(.plan(self.plan))
            child.channel?.send(.transferLog(transferLog))
        }
    }

    /// The next generation takes over; `completion` is called once it serves, or with why it does not.
    func restart(_ completion: @escaping (Failure?) -> Void) {
        guard onReady == nil, !isDraining, children.count + count <= SharedCounters.columns else {
            return completion(Failure(.busy, "an earlier restart is still under way", retryAfter: 5))
        }
        fallback = generation
        lastGeneration += 1
        generation = lastGeneration
        begin(completion)
    }

    /// Whether new sessions are turned away.
    func hold(_ on: Bool) {
        isHolding = on
        for child in children { child.channel?.send(.hold(on)) }
    }

    /// Workers admit nobody any more and end with their last transfer; `completion` is called when all have.
    func drain(_ completion: @escaping () -> Void) {
        isDraining = true
        onEmpty = completion
        gate.stop()
        for child in children { child.channel?.send(.drain) }
        if children.isEmpty { completion() }
    }

    /// Ends what is left.
    func killAll() {
        for child in children { child.process.send(signal: Signals.kill) }
    }

    /// Asks every worker; `completion` gets the answers of those that live, and give one within seconds.
    func ask(_ question: Element, _ completion: @escaping ([Element]) -> Void) {
        guard !children.isEmpty else { return completion([]) }
        lastQuestion += 1
        questions[lastQuestion] = Question(
            missing: Set(children.map(\.column)), answers: [], until: loop.second + Int64(patience.answer),
            completion: completion)
        for child in children { child.channel?.send(.ask(number: lastQuestion, question)) }
    }

    private func take(_ answer: Element?, _ number: Int, _ child: WorkerChild) {
        guard var question = questions[number], question.missing.remove(child.column) != nil else { return }
        if let answer { question.answers.append(answer) }
        questions[number] = question.missing.isEmpty ? nil : question
        if question.missing.isEmpty { question.completion(question.answers) }
    }
}
