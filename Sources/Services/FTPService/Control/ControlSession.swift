import FFSModel
import FTPProtocol
import Logging
package import SystemSupport
import TLSEngine

/// One FTP control connection. Reads lines, lets the ``SessionMachine`` decide, carries out what it admits
/// (`Commands/`), writes replies: one read and one write for a command. Belongs to the control thread.
package final class ControlSession: PollLoop.Source {
    /// Where the connection is in its life.
    enum Life: Equatable {
        /// TLS around the control connection is being agreed.
        case handshaking
        case open
        /// Another process decides about a sign-in since that second of the loop's clock.
        case checking(since: Int64)
        /// A refused sign-in is answered later.
        case refusing
        /// The last reply is on its way out.
        case closing
        /// Discards what the peer still sends, so that the last reply is not lost to a reset.
        case lingering
        case closed
    }

    let worker: Worker
    let peer: TCPAddress
    let local: TCPAddress
    let stream: ByteStream
    /// For log lines and `ffsctl ftp`: `<worker>-<count>`.
    package let name: String
    let started: Int64
    var machine: SessionMachine<Account, RunningTransfer, SessionJob>
    var account: Account? { machine.account }
    var running: RunningTransfer? { machine.transfer }
    var listener: PassiveListener?
    /// Came through `listener` for the next transfer.
    var early: EarlyConnection?
    /// ABORs that came while something ran.
    var pendingAborts = 0
    var life = Life.open
    var framer = CommandFramer()
    var output: [UInt8] = []
    /// Lines that wait for the end of a transfer.
    private var waiting: [[UInt8]] = []
    private var sawEnd = false
    /// Said once a running transfer has ended.
    var closesWhenIdle: Reply?
    /// After the last reply the peer may still send.
    var lingers = false
    /// Names this session in its TLS tickets.
    private(set) lazy var identity = randomBytes(16)
    /// Whether a data connection has resumed this connection's TLS session.
    var hasResumed = false
    /// Commands received, for the log.
    private(set) var commands = 0
    /// When the last command came or the last transfer ended.
    private(set) var lastBusy: Int64

    private static let mostWaiting = 128
    private static let mostOutput = 64 * 1_024

    /// Greets the client, or starts TLS when `implicitTLS`.
    init(
        _ socket: consuming Descriptor, peer: TCPAddress, local: TCPAddress, name: String, implicitTLS: Bool,
        worker: Worker
    ) {
        self.worker = worker
        self.peer = peer
        self.local = local
        self.name = name
        started = worker.loop.now
        lastBusy = started
        stream = ByteStream(socket)
        machine = SessionMachine(policy: worker.settings.policy, implicitTLS: implicitTLS)
        super.init()
    }

    /// Registers with the loop and says 220, after the handshake of implicit TLS.
    func start() {
        do { try worker.loop.add(self, stream.socket.rawValue, .input) } catch { return destroy() }
        worker.loop.setDeadline(self, in: worker.settings.loginTimeout)
        if machine.isProtected { return startHandshake() }
        reply(Reply(220, worker.settings.policy.greeting))
        flush()
    }

    // MARK: Events

    package override func ready(_ readiness: Readiness) {
        switch life {
        case .handshaking: continueHandshake()
        case .open, .checking, .refusing:
            if !output.isEmpty { write() }
            if life == .open, readiness.mayRead, !isPaused { receive() }
            flush()
        case .closing: flush()
        case .lingering: discard()
        case .closed: break
        }
    }

    package override func expired() {
        switch life {
        case .checking: customerSignInTimedOut()
        case .refusing: answerRefusal()
        case .open where running?.isWaiting == true: dataConnectionFailed("Nobody connected in time.")
        case .open:
            log(.info, "timed out")
            close(Reply(421, machine.isSignedIn ? "Idle for too long. Goodbye." : "Not signed in in time. Goodbye."))
        case .handshaking, .closing, .lingering: destroy()
        case .closed: break
        }
        flush()
    }

    // MARK: Reading

    /// Nothing more is read until what is there has been dealt with.
    private var isPaused: Bool { waiting.count >= Self.mostWaiting || output.count > Self.mostOutput }

    func receive() {
        while life == .open, !isPaused, !sawEnd {
            switch stream.read(into: worker.readSpace) {
            case .bytes(let count):
                framer.append(UnsafeRawBufferPointer(rebasing: worker.readSpace[..<count]))
                runLines()
                // In clear the loop reports what is left; under TLS it may be inside OpenSSL.
                if stream.tls == nil { return }
            case .wantsInput, .wantsOutput: return
            case .end: ended()
            case .failed(let why):
                log(.debug, "connection lost", ["cause": "\(why)"])
                return destroy()
            }
        }
    }

    /// The client closed its side: what it asked for is still done, and its close_notify answered.
    private func ended() {
        sawEnd = true
        if !machine.isTransferring { endQuietly() }
    }

    private func runLines() {
        while life == .open, !isPaused {
            do throws(CommandFramer.Fault) {
                guard let line = try framer.next() else { return }
                handle(line)
            } catch {
                log(.notice, "not a command line", ["fault": "\(error)"])
                return close(error.reply, lingers: true)
            }
        }
    }

    private func handle(_ line: [UInt8]) {
        commands += 1
        lastBusy = worker.loop.now
        switch machine.admit(line) {
        case .run(let command): run(command)
        case .wait: waiting.append(line)
        case .refuse(let refusal):
            reply(refusal)
            logRefusal(line, refusal)
        case .close(let refusal):
            logRefusal(line, refusal)
            close(refusal, lingers: true)
        }
        if life == .open, machine.isSignedIn, !machine.isTransferring {
            worker.loop.setDeadline(self, in: worker.settings.idleTimeout)
        }
    }

    /// After a transfer: what waited for its end, then what was not read meanwhile.
    func resume() {
        lastBusy = worker.loop.now
        // What waits came before the account's end, and would be served after it.
        if life == .open, let goodbye = closesWhenIdle { return close(goodbye) }
        while life == .open, !machine.isTransferring, !waiting.isEmpty { handle(waiting.removeFirst()) }
        guard life == .open, !machine.isTransferring else { return }
        if sawEnd { return endQuietly() }
        worker.loop.setDeadline(self, in: worker.settings.idleTimeout)
        runLines()
        if stream.tls != nil { receive() }
    }

    // MARK: Writing

    func reply(_ reply: Reply) { reply.encode(into: &output) }

    /// Writes what there is and asks for the events that are wanted now; the last act of every entry from outside.
    func flush() {
        if !output.isEmpty { write() }
        // A handshake asks for what it needs itself.
        guard life != .closed, life != .handshaking else { return }
        if life == .closing, output.isEmpty { return finish() }
        let reads = (life == .open && !isPaused && !sawEnd) || life == .lingering
        if output.isEmpty {
            worker.loop.watch(self, reads ? .input : .none)
        } else {
            worker.loop.watch(self, reads ? .inputAndOutput : .output)
        }
    }

    private func write() {
        var start = 0
        while start < output.count {
            let outcome = output.withUnsafeBytes { stream.write(UnsafeRawBufferPointer(rebasing: $0[start...])) }
            switch outcome {
            case .bytes(let count): start += count
            case .wantsInput, .wantsOutput:
                output.removeFirst(start)
                return
            case .end, .failed: return destroy()
            }
        }
        output = []
    }

    // MARK: Sign-in that waits, or fails

    /// Another process decides; commands wait for that.
    func beginChecking(atMost seconds: Int) {
        life = .checking(since: worker.loop.second)
        worker.loop.setDeadline(self, in: seconds)
    }

    /// It has decided. Since which second it was asked; nil when the session has ended meanwhile.
    func endChecking() -> Int64? {
        guard case .checking(let since) = life else { return nil }
        life = .open
        return since
    }

    /// What was sent while a sign-in was decided.
    func proceed() {
        if life == .open {
            worker.loop.setDeadline(
                self, in: machine.isSignedIn ? worker.settings.idleTimeout : worker.settings.loginTimeout)
            runLines()
            if stream.tls != nil, life == .open { receive() }
        }
        flush()
    }

    /// Every refusal is answered after the same time, so that none can be told from another by a clock.
    func refuseLater(in seconds: Int = 2) {
        life = .refusing
        worker.ledger.count(.ftpSignInsRefused)
        worker.loop.setDeadline(self, in: seconds)
    }

    private func answerRefusal() {
        let (refusal, closes) = machine.refused()
        life = .open
        if closes { return close(refusal) }
        reply(refusal)
        proceed()
    }

    // MARK: Log

    func log(_ level: Logger.Level, _ message: Logger.Message, _ more: Logger.Metadata = [:]) {
        guard worker.log.logger.logLevel <= level else { return }
        var metadata = more
        metadata["session"] = "\(name)"
        metadata["peer"] = "\(peer.endpoint)"
        if let account { metadata["account"] = "\(account.id)" }
        worker.log.logger.log(level: level, message, metadata: metadata)
    }

    private func logRefusal(_ line: [UInt8], _ refusal: Reply) {
        guard worker.log.logger.logLevel <= .debug else { return }
        let word = line.prefix { $0 != UInt8(ascii: " ") }.prefix(16)
        log(.debug, "command refused", ["verb": "\(printable(word))", "code": "\(refusal.code)"])
    }
}
