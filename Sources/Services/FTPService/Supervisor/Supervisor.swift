import FFSModel
import Logging
import SystemSupport
import Tobj

/// Starts workers, tells them what to do, and starts another when one dies. Belongs to the thread of its loop; the
/// rest of the program speaks to it through the loop's mailbox.
///
/// Workers come in generations. A restart starts the next generation, and only when all of it serves does the one
/// before stop admitting; both share the listeners, so no connection is refused meanwhile.
final class Supervisor {
    let loop: EventLoop
    private let resources: SupervisorResources
    private let counters: SharedCounters
    private let metrics: WorkerMetrics
    private let identity: (user: UInt32, group: UInt32)?
    private let count: Int
    private let log: Logger
    private var plan: WorkerPlan
    private var generation = 1
    private var children: [WorkerChild] = []
    /// Seconds at which workers that could not be started are tried again.
    private var retries: [Int64] = []
    private var questions: [Int: Question] = [:]
    private var lastQuestion = 0
    private var isDraining = false
    private var isHolding = false
    /// Customers' own names.
    private let gate: GateKeeper
    private var onReady: ((Failure?) -> Void)?
    private var onEmpty: (() -> Void)?

    /// Who waits for the answers of all workers.
    private struct Question {
        var missing: Set<Int>
        var answers: [Element]
        let completion: ([Element]) -> Void
    }

    init(
        loop: EventLoop, resources: SupervisorResources, counters: SharedCounters, metrics: WorkerMetrics,
        identity: (user: UInt32, group: UInt32)?, count: Int, plan: WorkerPlan, gate: GateKeeper, log: Logger
    ) {
        self.gate = gate
        self.loop = loop
        self.resources = resources
        self.counters = counters
        self.metrics = metrics
        self.identity = identity
        self.count = count
        self.plan = plan
        self.log = log
        loop.everySecond = { [unowned self] in everySecond() }
    }

    // MARK: Workers

    /// Starts all workers; `completion` is called once all serve, or with why one cannot.
    func start(_ completion: @escaping (Failure?) -> Void) {
        onReady = completion
        gate.start()
        for _ in 0..<count { spawn() }
    }

    /// One more worker of the current generation.
    private func spawn() {
        let taken = Set(children.map(\.column))
        guard let column = (0..<SharedCounters.columns).first(where: { !taken.contains($0) }) else {
            return log.error("there are too many workers of earlier generations; no new one is started")
        }
        counters.clear(column: column, lasting: Statistic.lasting)
        do throws(SystemError) {
            let pair = try Descriptor.socketPair()
            let process = try launch(column, channel: pair.second.rawValue)
            let child = WorkerChild(column: column, generation: generation, process: process, startedAt: loop.second)
            child.channel = try WorkerChannel(pair.takeFirst(), loop: loop) { [unowned self, unowned child] message in
                receive(message, from: child)
            } onEnd: { [unowned self, unowned child] in
                ended(child)
            }
            children.append(child)
            child.channel?.send(.plan(plan))
            if isHolding { child.channel?.send(.hold(true)) }
        } catch {
            log.error("a worker cannot be started", metadata: ["cause": "\(error)"])
            retries.append(loop.second + 1)
        }
    }

    private func launch(_ column: Int, channel: Int32) throws(SystemError) -> ChildProcess {
        let arguments = WorkerProcess.Arguments(
            index: column, identity: identity, hasTransferLog: resources.transferLog != nil,
            listeners: resources.listeners.map(\.kind))
        let null = try Descriptor.open("/dev/null", [.readWrite])
        let transferLog = resources.transferLog?.number ?? null.rawValue
        // One arena a thread would cost more memory than the few threads gain. Settings and secrets come by the channel.
        let environment =
            ["MALLOC_ARENA_MAX=2"]
            + ["LD_LIBRARY_PATH"].compactMap { name in environmentVariable(name).map { "\(name)=\($0)" } }
        return try ChildProcess.spawnSelf(
            arguments: ["ffsftpd"] + arguments.words, environment: environment,
            descriptors: [channel, resources.area.number, transferLog, counters.number]
                + resources.listeners.map { $0.socket.number })
    }

    private var current: [WorkerChild] { children.filter { $0.generation == generation } }

    // MARK: What workers say

    private func receive(_ message: ChannelMessage, from child: WorkerChild) {
        switch message {
        case .ready: ready(child)
        case .answer(let number, let answer): take(answer, number, child)
        case .signIn(let request): gate.ask(request, from: child)
        case .plan, .drain, .hold, .ask, .signedIn, .gatePlan, .relay: break
        }
    }

    private func ready(_ child: WorkerChild) {
        child.isReady = true
        metrics.publish(workers: children.filter(\.isReady).count)
        log.info("worker serves", metadata: ["worker": "\(child.column)", "pid": "\(child.process.number)"])
        guard current.count == count, current.allSatisfy(\.isReady) else { return }
        for old in children where old.generation < generation && old.killAt == nil {
            old.channel?.send(.drain)
            old.killAt = loop.second + Int64(resources.drainSeconds)
        }
        report(nil)
    }

    private func report(_ failure: Failure?) {
        let completion = onReady
        onReady = nil
        completion?(failure)
    }

    private func ended(_ child: WorkerChild) {
        children.removeAll { $0 === child }
        for number in questions.keys { take(nil, number, child) }
        let end = child.reap()
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
        if loop.second - child.startedAt < 2 { retries.append(loop.second + 1) } else { spawn() }
    }

    /// A worker of the new generation ended before it served: what runs goes on.
    private func giveUp() {
        for child in current { child.process.send(signal: Signals.kill) }
        if generation > 1 { generation -= 1 }
        report(Failure(.internal, "a worker ended before it could serve; its own message is on standard error"))
    }

    private func everySecond() {
        metrics.publish(workers: children.filter(\.isReady).count)
        for child in children {
            guard let killAt = child.killAt, killAt <= loop.second else { continue }
            log.warning("the drain time is over; transfers are cut", metadata: ["worker": "\(child.column)"])
            child.process.send(signal: Signals.kill)
            child.killAt = .max
        }
        gate.everySecond()
        guard !isDraining else { return }
        let due = retries.filter { $0 <= loop.second }.count
        retries.removeAll { $0 <= loop.second }
        for _ in 0..<due { spawn() }
    }

    // MARK: What the daemon wants

    func reload(_ plan: WorkerPlan, _ gatePlan: GatePlan?) {
        self.plan = plan
        gate.reload(gatePlan)
        for child in children { child.channel?.send(.plan(plan)) }
    }

    /// The next generation takes over; `completion` is called once it serves, or with why it does not.
    func restart(_ completion: @escaping (Failure?) -> Void) {
        guard onReady == nil, !isDraining, children.count + count <= SharedCounters.columns else {
            return completion(Failure(.busy, "an earlier restart is still under way", retryAfter: 5))
        }
        generation += 1
        onReady = completion
        for _ in 0..<count { spawn() }
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

    /// Asks every worker; `completion` gets the answers of those that live.
    func ask(_ question: Element, _ completion: @escaping ([Element]) -> Void) {
        guard !children.isEmpty else { return completion([]) }
        lastQuestion += 1
        questions[lastQuestion] = Question(
            missing: Set(children.map(\.column)), answers: [], completion: completion)
        for child in children { child.channel?.send(.ask(number: lastQuestion, question)) }
    }

    private func take(_ answer: Element?, _ number: Int, _ child: WorkerChild) {
        guard var question = questions[number], question.missing.remove(child.column) != nil else { return }
        if let answer { question.answers.append(answer) }
        questions[number] = question.missing.isEmpty ? nil : question
        if question.missing.isEmpty { question.completion(question.answers) }
    }
}
