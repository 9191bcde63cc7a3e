import FFSModel
import Logging
import SystemSupport
import Tobj

/// Starts workers, tells them what to do, and starts another when one dies. Belongs to the thread of its loop; the
/// rest of the program speaks to it through the loop's mailbox.
final class Supervisor {
    /// One worker process.
    private final class Child {
        let index: Int
        let process: ChildProcess
        let startedAt: Int64
        var channel: WorkerChannel?
        var isReady = false

        init(index: Int, process: ChildProcess, startedAt: Int64) {
            self.index = index
            self.process = process
            self.startedAt = startedAt
        }
    }

    /// Who waits for the answers of all workers.
    private struct Question {
        var missing: Set<Int>
        var answers: [Element]
        let completion: ([Element]) -> Void
    }

    let loop: EventLoop
    private let resources: SupervisorResources
    private let identity: (user: UInt32, group: UInt32)?
    private let count: Int
    private let log: Logger
    private var plan: WorkerPlan
    private var children: [Int: Child] = [:]
    /// Index and the second at which it is started again.
    private var respawns: [(index: Int, at: Int64)] = []
    private var questions: [Int: Question] = [:]
    private var lastQuestion = 0
    private var isDraining = false
    private var onReady: ((Failure?) -> Void)?
    private var onEmpty: (() -> Void)?

    init(
        loop: EventLoop, resources: SupervisorResources, identity: (user: UInt32, group: UInt32)?,
        count: Int, plan: WorkerPlan, log: Logger
    ) {
        self.loop = loop
        self.resources = resources
        self.identity = identity
        self.count = count
        self.plan = plan
        self.log = log
        loop.everySecond = { [unowned self] in everySecond() }
    }

    /// Starts all workers; `completion` is called once all serve, or with why one cannot.
    func start(_ completion: @escaping (Failure?) -> Void) {
        onReady = completion
        for index in 0..<count { spawn(index) }
    }

    private func spawn(_ index: Int) {
        do throws(SystemError) {
            let arguments = WorkerProcess.Arguments(
                index: index, identity: identity, hasTransferLog: resources.transferLog != nil,
                listeners: resources.listeners.map(\.kind))
            let pair = try Descriptor.socketPair()
            let process = try launch(arguments, pair.second.rawValue)
            let child = Child(index: index, process: process, startedAt: loop.second)
            child.channel = try WorkerChannel(pair.takeFirst(), loop: loop) { [unowned self, unowned child] message in
                receive(message, from: child)
            } onEnd: { [unowned self, unowned child] in
                ended(child)
            }
            children[index] = child
            child.channel?.send(.plan(plan))
        } catch {
            log.error("a worker cannot be started", metadata: ["worker": "\(index)", "cause": "\(error)"])
            retry(index)
        }
    }

    private func launch(_ arguments: WorkerProcess.Arguments, _ channel: Int32) throws(SystemError) -> ChildProcess {
        let null = try Descriptor.open("/dev/null", [.readWrite])
        let transferLog = resources.transferLog?.number ?? null.rawValue
        return try ChildProcess.spawnSelf(
            arguments: ["ffsftpd"] + arguments.words, environment: inheritedEnvironment(),
            descriptors: [channel, resources.area.number, transferLog] + resources.listeners.map { $0.socket.number })
    }

    /// Nothing but what the dynamic linker and the allocator want: settings and secrets come by the channel.
    private func inheritedEnvironment() -> [String] {
        // One arena a thread would cost more memory than the few threads gain.
        ["MALLOC_ARENA_MAX=2"]
            + ["LD_LIBRARY_PATH", "TZ"].compactMap { name in
                environmentVariable(name).map { "\(name)=\($0)" }
            }
    }

    // MARK: What workers say

    private func receive(_ message: ChannelMessage, from child: Child) {
        switch message {
        case .ready:
            child.isReady = true
            log.info("worker serves", metadata: ["worker": "\(child.index)", "pid": "\(child.process.number)"])
            if children.count == count, children.values.allSatisfy(\.isReady) { reportReady(nil) }
        case .failed(let why): log.error("worker: \(why)", metadata: ["worker": "\(child.index)"])
        case .answer(let number, let answer): take(answer, number, child.index)
        case .counts, .plan, .drain, .ask: break
        }
    }

    private func reportReady(_ failure: Failure?) {
        let completion = onReady
        onReady = nil
        completion?(failure)
    }

    private func ended(_ child: Child) {
        children[child.index] = nil
        for number in questions.keys { take(nil, number, child.index) }
        reap(child)
        if isDraining {
            if children.isEmpty { onEmpty?() }
            return
        }
        if !child.isReady, onReady != nil {
            return reportReady(
                Failure(.internal, "a worker ended before it could serve; its own message is on standard error"))
        }
        if loop.second - child.startedAt < 2 { retry(child.index) } else { spawn(child.index) }
    }

    /// The process is about to end, or has: its channel is closed.
    private func reap(_ child: Child) {
        let deadline = SystemClock.monotonic() + 2_000_000_000
        while SystemClock.monotonic() < deadline {
            if let end = child.process.end() {
                if !isDraining || end != .exited(0) {
                    log.error(
                        "worker ended",
                        metadata: ["worker": "\(child.index)", "pid": "\(child.process.number)", "end": "\(end)"])
                }
                return
            }
            SystemClock.sleep(nanoseconds: 2_000_000)
        }
        child.process.send(signal: Signals.kill)
        log.error("worker killed: it closed its channel and went on", metadata: ["worker": "\(child.index)"])
        _ = child.process.waitForEnd()
    }

    private func retry(_ index: Int) { respawns.append((index, loop.second + 1)) }

    private func everySecond() {
        guard !isDraining else { return }
        let due = respawns.filter { $0.at <= loop.second }
        respawns.removeAll { $0.at <= loop.second }
        for (index, _) in due { spawn(index) }
    }

    // MARK: What the daemon wants

    func reload(_ plan: WorkerPlan) {
        self.plan = plan
        for child in children.values { child.channel?.send(.plan(plan)) }
    }

    /// Workers admit nobody any more and end with their last transfer; `completion` is called when all have.
    func drain(_ completion: @escaping () -> Void) {
        isDraining = true
        onEmpty = completion
        for child in children.values { child.channel?.send(.drain) }
        if children.isEmpty { completion() }
    }

    /// Ends what is left.
    func killAll() {
        for child in children.values { child.process.send(signal: Signals.kill) }
    }

    /// Asks every worker; `completion` gets the answers of those that live.
    func ask(_ question: Element, _ completion: @escaping ([Element]) -> Void) {
        guard !children.isEmpty else { return completion([]) }
        lastQuestion += 1
        questions[lastQuestion] = Question(missing: Set(children.keys), answers: [], completion: completion)
        for child in children.values { child.channel?.send(.ask(number: lastQuestion, question)) }
    }

    private func take(_ answer: Element?, _ number: Int, _ index: Int) {
        guard var question = questions[number], question.missing.remove(index) != nil else { return }
        if let answer { question.answers.append(answer) }
        questions[number] = question.missing.isEmpty ? nil : question
        if question.missing.isEmpty { question.completion(question.answers) }
    }
}
