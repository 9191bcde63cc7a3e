import Clients
import Commlink
import CommlinkTransport
import ConfigurationSchema
import DaemonKit
import FFSModel
import Logging
import Requests
import Synchronization
import SystemSupport

/// The gate as a process: the supervisor starts this program again with the word `gate`, and with its channel as
/// descriptor 3.
///
/// The supervisor is root and must not parse what comes from a network; a worker is confined and can reach nobody. The
/// gate is neither: an unprivileged process with the one key bag it needs in memory, and no file open.
package enum GateProcess {
    /// The supervisor's command line for the gate.
    static func words(_ identity: (user: UInt32, group: UInt32)?) -> [String] {
        ["gate", identity.map { "\($0.user):\($0.group)" } ?? "-"]
    }

    /// Runs the gate; never returns. `words` are the arguments without the program's name.
    package static func run(_ words: [String]) -> Never {
        do {
            guard words.count == 2 else { throw Failure(.internal, "this mode is ffsftpd's own") }
            try confine(words[1])
            try serve(GateChannel(Descriptor(owning: 3)))
        } catch {
            try? Descriptor.writeToStandardError("ffsftpd: the sign-in gate: \(error)\n")
            exitNow(FailureCode.internal.exitStatus)
        }
        exitNow(0)
    }

    private static func confine(_ identity: String) throws {
        try Sandbox.closeAllDescriptors(except: [3])
        Signals.ignoreForWorker()
        guard try threadCount() == 1 else {
            throw Failure(.internal, "there are threads already, which Landlock would not confine")
        }
        let numbers = identity.split(separator: ":").compactMap { UInt32(String($0)) }
        if numbers.count == 2 {
            guard numbers[0] != 0 else { throw Failure(.configuration, "ftp.user is root") }
            try Privileges.drop(user: numbers[0], group: numbers[1])
        } else {
            try Privileges.refuseNew()
        }
        try Privileges.hideMemory()
        // It writes no file and runs no program; what it reads is for names of hosts alone. A kernel without Landlock has
        // been reported by the workers.
        _ = try Sandbox.restrictFiles(beneath: Descriptor.open("/", [.read, .directory]))
    }

    private static func serve(_ channel: GateChannel) throws {
        var framer = ChannelFramer()
        guard case .gatePlan(var plan)? = try channel.next(&framer) else { return }
        let running = try RunningGate(plan, channel)
        plan.forgetKeys()
        running.watchRelay()
        while let message = try channel.next(&framer) {
            switch message {
            case .signIn(let request): running.sign(in: request)
            case .gatePlan(var plan):
                try running.take(plan)
                plan.forgetKeys()
            default: break
            }
        }
    }
}

/// The gate's end of the channel: read by its main thread, written by any task.
final class GateChannel: Sendable {
    private let socket: Descriptor
    private let writing = Mutex(())

    init(_ socket: consuming Descriptor) { self.socket = socket }

    /// Waits for a message; nil when the supervisor is gone.
    func next(_ framer: inout ChannelFramer) throws -> ChannelMessage? { try socket.firstMessage(&framer) }

    func send(_ message: ChannelMessage) {
        writing.withLock { _ in
            // The supervisor is gone: the reading thread sees it, too, and ends the process.
            try? socket.write(message.framed)
        }
    }
}

/// The objects of a gate, put together.
private final class RunningGate: Sendable {
    private let channel: GateChannel
    private let bags: KeyBagStore
    private let auth: AuthClient
    private let gate: Gate
    private let log: Logger

    /// How often the relay is asked whether it is there.
    private static let watch = Duration.seconds(10)
    /// The same while it is not.
    private static let watchOutage = Duration.seconds(2)

    init(_ plan: GateBriefing, _ channel: GateChannel) throws {
        let configuration = try plan.configuration()
        var log = Logger(label: "ffsftpd") { label in
            StandardErrorLogHandler(
                label: label, level: Logger.Level(configuration[Options.Common.logLevel]),
                format: configuration[Options.Common.logFormat])
        }
        log[metadataKey: "process"] = "gate"
        self.log = log
        self.channel = channel
        bags = KeyBagStore(link: .storageWeb, current: try Self.bag(plan))
        var settings = CommlinkSettings(configuration)
        settings.patience = 8
        settings.helloTimeout = min(settings.helloTimeout, 3)
        // Each port that fails, every two seconds for as long as an outage lasts, is no news: the outage is told once.
        var quiet = log
        quiet.logLevel = max(quiet.logLevel, .error)
        let first = configuration[Options.Web.relayBasePort]
        auth = AuthClient(
            CommlinkClient(
                link: .storageWeb, host: configuration[Options.FTP.relayHost],
                ports: first...(first + configuration[Options.Web.relayPortCount] - 1), bags: bags,
                settings: settings, logger: quiet))
        let socket = configuration[Options.Common.runDirectory] + "/" + Options.Staging.signInSocket
        let staging = StagingClient(ControlClient(path: socket, server: configuration[Options.Staging.user]))
        let lifetime = min(configuration[Options.FTP.customerLifetime], configuration[Options.Staging.maxLifetime])
        gate = Gate(
            auth: auth,
            book: AccountBook(
                auth: auth, staging: staging, lifetime: lifetime, clock: { SystemClock.now() }, log: log), log: log)
    }

    private static func bag(_ plan: GateBriefing) throws -> KeyBag {
        let bag = try KeyBag.parse(plan.bag)
        _ = bag.withKeyMaterial(SecretMemory.protect)
        return bag
    }

    func sign(in request: SignInRequest) {
        Task { channel.send(.signedIn(number: request.number, await gate.answer(request))) }
    }

    /// Other keys; whatever else changes makes the supervisor start another gate.
    func take(_ plan: GateBriefing) throws { bags.replace(current: try Self.bag(plan)) }

    /// Tells the supervisor whether the relay answers: at once, and whenever that changes.
    func watchRelay() {
        Task {
            var last: RelayState?
            while true {
                let state: RelayState
                do throws(Failure) {
                    _ = try await auth.ping()
                    state = .up
                } catch { state = .down(error.text) }
                if state != last { channel.send(.relay(state)) }
                last = state
                try await Task.sleep(for: state == .up ? Self.watch : Self.watchOutage)
            }
        }
    }
}
