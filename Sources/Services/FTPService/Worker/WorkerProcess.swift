import ConfigurationSchema
import DaemonKit
import FFSModel
import Journal
import Logging
import SystemSupport
import TLSEngine
import Tobj

/// A worker process from its first line. The supervisor starts this program again with the word `worker`, and with
///
///     3 the channel   4 the accounts directory   5 the transfer log, or /dev/null   6 the shared counters
///     7 what it has under way, for when it dies   8… listeners
///
/// It gives up everything it does not need before it reads a byte that a stranger sent.
package struct WorkerProcess {
    /// The supervisor's command line for a worker.
    package struct Arguments: Sendable {
        package var index: Int
        /// Who to become; nil when the supervisor is not root.
        package var identity: (user: UInt32, group: UInt32)?
        package var hasTransferLog: Bool
        /// What each listener from descriptor 8 on is for.
        package var listeners: [ListenerKind]

        package init(
            index: Int, identity: (user: UInt32, group: UInt32)?, hasTransferLog: Bool, listeners: [ListenerKind]
        ) {
            self.index = index
            self.identity = identity
            self.hasTransferLog = hasTransferLog
            self.listeners = listeners
        }

        package var words: [String] {
            let identity = identity.map { "\($0.user):\($0.group)" } ?? "-"
            return ["worker", "\(index)", identity, hasTransferLog ? "log" : "-"] + listeners.map(\.rawValue)
        }

        package init?(words: [String]) {
            guard words.count >= 4, words[0] == "worker", let index = Int(words[1]) else { return nil }
            self.index = index
            let numbers = words[2].split(separator: ":").compactMap { UInt32(String($0)) }
            identity = numbers.count == 2 ? (numbers[0], numbers[1]) : nil
            hasTransferLog = words[3] == "log"
            listeners = words.dropFirst(4).compactMap(ListenerKind.init)
        }
    }

    fileprivate static let firstListener: Int32 = 8

    /// What a worker shares with its supervisor.
    fileprivate struct Shared {
        let counters: SharedMemory
        let running: SharedMemory
    }

    /// Runs the worker; never returns. `words` are the arguments without the program's name.
    package static func run(_ words: [String]) -> Never {
        guard let arguments = Arguments(words: words) else { fail("this mode is ffsftpd's own") }
        do {
            // Nothing can be mapped that others see once it is confined.
            let shared = Shared(
                counters: try SharedMemory(Descriptor(owning: 6), size: SharedCounters.size),
                running: try SharedMemory(Descriptor(owning: 7), size: RunningTable.size))
            try serve(arguments, shared, try confine(arguments))
        } catch { fail("worker \(arguments.index): \(error)") }
        exitNow(0)
    }

    private static func fail(_ why: String) -> Never {
        try? Descriptor.writeToStandardError("ffsftpd: \(why)\n")
        exitNow(FailureCode.internal.exitStatus)
    }

    /// Gives up, in this order: descriptors, the file tree, the user, new privileges, files, system calls. What came of the
    /// last two is tried out, as the kernel may lack them.
    private static func confine(_ arguments: Arguments) throws -> Confinement {
        let last = firstListener + Int32(arguments.listeners.count)
        try Sandbox.closeAllDescriptors(except: Array(3..<last))
        guard try threadCount() == 1 else {
            throw Failure(.internal, "there are threads already, which Landlock would not confine")
        }
        Signals.ignoreForWorker()
        _ = raiseDescriptorLimit()
        let area = Descriptor(owning: 4)
        let outside = try Descriptor.open("/", [.read, .directory])
        if let identity = arguments.identity {
            try Privileges.changeRoot(to: area)
            try Privileges.drop(user: identity.user, group: identity.group)
        } else {
            try Privileges.refuseNew()
        }
        try Privileges.hideMemory()
        let files = try Sandbox.restrictFiles(beneath: area)
        let calls = try Sandbox.restrictSystemCalls()
        _ = area.release()
        let reached = Confinement.tried(outside)
        if files == .unavailable || calls == .unavailable {
            try Descriptor.writeToStandardError(
                "ffsftpd: worker \(arguments.index): this kernel lacks \(files == .unavailable ? "Landlock" : "seccomp"); running with less protection\n"
            )
        }
        return reached
    }

    private static func serve(
        _ arguments: Arguments, _ shared: Shared, _ confinement: Confinement
    ) throws {
        let channel = Descriptor(owning: 3)
        var framer = ChannelFramer()
        guard case .plan(let plan)? = try channel.firstMessage(&framer) else { return }
        do {
            var segment: ChannelMessage?
            if plan.isRecorded {
                segment = try channel.firstMessage(&framer)
                guard segment != nil else { return }
            }
            let running = try RunningWorker(arguments, plan, shared, channel: channel, framer: framer)
            try running.run(confinement, first: segment)
        } catch let failure as Failure {
            // The supervisor reports it; its log line is the one an operator reads.
            throw failure
        }
    }
}

/// What a listener is for.
package enum ListenerKind: String, Sendable, CaseIterable {
    case ftp, implicit, https
}

/// The objects of a confined worker, put together.
private final class RunningWorker {
    private let loop: PollLoop
    private let worker: Worker
    private var acceptors: [Acceptor] = []
    private var channel: WorkerChannel?
    private var https: HTTPSService?
    /// Outlives a change of certificates.
    private let tlsSessions = TLSSessionCache()
    /// Parts that a drain still waits for.
    private var draining = 0

    init(
        _ arguments: WorkerProcess.Arguments, _ plan: WorkerBriefing, _ shared: WorkerProcess.Shared,
        channel: consuming Descriptor, framer: ChannelFramer
    ) throws {
        let configuration = try plan.configuration()
        var logger = Logger(label: "ffsftpd") { label in
            StandardErrorLogHandler(
                label: label, level: Logger.Level(configuration[Options.Common.logLevel]),
                format: configuration[Options.Common.logFormat])
        }
        logger[metadataKey: "worker"] = "\(arguments.index)"
        let transferLog = arguments.hasTransferLog ? LentDescriptor(Descriptor(owning: 5)) : nil
        let format = LogLineFormat(label: "ffsftpd", format: configuration[Options.Common.logFormat])
        let area = Descriptor(owning: 4)
        let httpsArea = try area.duplicate()
        let tls = try WorkerTLS(plan, tlsSessions)
        let settings = try FTPSettings(configuration, hasTLS: tls != nil)
        let ledger = Ledger(SharedCounters(shared.counters, secret: plan.counterSeed), column: arguments.index)
        let recorder =
            plan.isRecorded
            ? try Recorder(
                running: RunningTable(shared.running), serves: configuration[Options.Pipeline.onFull] == .serve) : nil
        loop = try PollLoop()
        loop.isEager = true
        worker = Worker(
            index: arguments.index, loop: loop, settings: settings, accounts: ServedAccounts(area: area),
            log: WorkerLog(logger: logger, transferLog: transferLog, format: format), tls: tls,
            dataThreads: try (0..<configuration[Options.FTP.dataThreads]).map { try DataThread(index: $0) },
            ledger: ledger, recorder: recorder)
        var httpsListener: Descriptor?
        for (offset, kind) in arguments.listeners.enumerated() {
            let listener = Descriptor(owning: WorkerProcess.firstListener + Int32(offset))
            switch kind {
            case .ftp: acceptors.append(try Acceptor(listener, .ftp(implicitTLS: false), worker: worker))
            case .implicit: acceptors.append(try Acceptor(listener, .ftp(implicitTLS: true), worker: worker))
            case .https: httpsListener = consume listener
            }
        }
        if let httpsListener, let tls {
            let service = try HTTPSService(
                worker: arguments.index, settings: HTTPSSettings(settings), area: httpsArea, tls: tls.https,
                ledger: ledger, recorder: recorder,
                log: WorkerLog(logger: logger, transferLog: transferLog, format: format),
                listings: worker.listings)
            acceptors.append(try Acceptor(httpsListener, .https(service), worker: worker))
            https = service
        }
        self.channel = try WorkerChannel(channel, framer: framer, loop: loop) { [unowned self] message in
            receive(message)
        } onEnd: { [unowned self] in
            // The supervisor died. The ports must be free for the next one; running transfers may end.
            worker.log.logger.warning("the supervisor is gone; draining")
            worker.signIns.send = nil
            drain()
        }
        worker.signIns.send = { [unowned self] in self.channel?.send($0) }
        worker.onIdle = { [unowned self] in drained() }
        recordThroughSupervisor()
    }

    /// - Parameter segment: the first of its journal.
    func run(_ confinement: Confinement, first segment: ChannelMessage?) throws {
        if let segment { receive(segment) }
        channel?.send(.ready(confinement))
        try loop.run()
        worker.log.flush()
    }

    private func receive(_ message: ChannelMessage) {
        switch message {
        case .plan(let plan): reload(plan)
        case .drain: drain()
        case .ask(let number, let question): ask(number, question)
        case .hold(let on):
            worker.isHolding = on
            https?.hold(on)
        case .signedIn(let number, let answer): worker.signIns.take(number, answer)
        case .transferLog(let log):
            worker.log.reopen(log)
            https?.reopen(transferLog: log)
        case .segment(let segment): take(segment)
        case .ready, .answer, .signIn, .gatePlan, .relay, .wantsSegment, .segmentTaken: break
        }
    }

    // MARK: Journal

    private func recordThroughSupervisor() {
        let home = loop.mailbox
        let me = Handoff(self)
        worker.recorder?.whenSegmentIsWanted {
            home.post { _ in me.value.channel?.send(.wantsSegment) }
        }
    }

    /// nil: there is none at present; the supervisor sends one as soon as there is.
    private func take(_ segment: LentDescriptor?) {
        guard let recorder = worker.recorder else { return }
        guard let segment else { return recorder.noSegment() }
        let home = loop.mailbox
        let me = Handoff(self)
        recorder.take(segment) { result in home.post { _ in me.value.taken(result) } }
    }

    private func taken(_ result: Result<ID128?, JournalError>) {
        switch result {
        case .success(let old): if let old { channel?.send(.segmentTaken(old)) }
        case .failure(let error):
            worker.log.logger.error("a segment of the journal was not taken", metadata: ["cause": "\(error)"])
        }
    }

    /// Both sides' answer as one.
    private func ask(_ number: Int, _ question: Element) {
        guard let https else { return answer(number, question, worker.answer(question), nil) }
        let home = loop.mailbox
        let me = Handoff(self)
        https.ask(question) { theirs in
            home.post { _ in me.value.answer(number, question, me.value.worker.answer(question), theirs) }
        }
    }

    private func answer(_ number: Int, _ question: Element, _ ftp: Element, _ https: Element?) {
        channel?.send(.answer(number: number, WorkerAnswer.merged(question, [ftp] + (https.map { [$0] } ?? []))))
    }

    private func reload(_ plan: WorkerBriefing) {
        do {
            let configuration = try plan.configuration()
            let tls = try WorkerTLS(plan, tlsSessions)
            let settings = try FTPSettings(configuration, hasTLS: tls != nil)
            worker.reload(settings: settings, tls: tls)
            if let tls { https?.reload(settings: HTTPSSettings(settings), tls: tls.https) }
        } catch { worker.log.logger.error("the new configuration was not taken", metadata: ["cause": "\(error)"]) }
    }

    private func drain() {
        for acceptor in acceptors { acceptor.close() }
        acceptors = []
        guard draining == 0 else { return }
        draining = https == nil ? 1 : 2
        drainHTTPS()
        worker.drain()
    }

    private func drainHTTPS() {
        guard let https else { return }
        let home = loop.mailbox
        let me = Handoff(self)
        https.drain { home.post { _ in me.value.drained() } }
    }

    /// One part is empty; the process ends with the last.
    private func drained() {
        draining -= 1
        if draining == 0 { loop.stop() }
    }
}

extension WorkerTLS {
    /// nil when the plan has no certificate.
    fileprivate init?(_ plan: WorkerBriefing, _ sessions: TLSSessionCache) throws(TLSError) {
        guard !plan.certificates.isEmpty else { return nil }
        try self.init(
            plan.certificates.map { certificate throws(TLSError) in
                try TLSCredentials(certificatePEM: certificate.chain, privateKeyPEM: certificate.key)
            }, ticketKeys: plan.ticketKeys, sessions: sessions)
    }
}
