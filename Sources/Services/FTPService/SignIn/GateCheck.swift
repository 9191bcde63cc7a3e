import ConfigurationSchema
import DaemonKit
import FFSModel
import Requests
import SystemSupport

/// What `ffsftpd --check` says about customers' own names.
enum GateCheck {
    private static let subject = "ftp.relay-host"

    /// Empty where they cannot sign in. A relay that does not answer is a warning: accounts are served without it.
    static func findings(_ environment: DaemonEnvironment) -> [CheckFinding] {
        let plan: GateBriefing
        do throws(Failure) {
            guard let made = try GateBriefing(environment) else { return [] }
            plan = made
        } catch { return [CheckFinding(.error, subject, error.text)] }
        // A start does not wait for other hosts; the gate says in the log whether the relay answers.
        guard environment.isCheck else { return [] }
        let host = environment.configuration[Options.FTP.relayHost]
        switch state(plan, environment) {
        case .up?: return [CheckFinding(.ok, subject, "the relay on \(host) answers")]
        case .down(let why)?: return [CheckFinding(.warning, subject, why)]
        case nil:
            return [CheckFinding(.warning, subject, "the sign-in gate does not run; its message is on standard error")]
        }
    }

    /// What a gate of our own finds; nil when it ends before it has found anything. It says what it found within the
    /// hello timeouts of two ports.
    private static func state(_ plan: GateBriefing, _ environment: DaemonEnvironment) -> RelayState? {
        do {
            let identity = try FTPDaemon.identity(environment.configuration)
            let (process, channel) = try start(identity)
            defer {
                process.send(signal: Signals.kill)
                _ = process.waitForEnd()
            }
            channel.send(.gatePlan(plan))
            var framer = ChannelFramer()
            while let message = try channel.next(&framer) {
                if case .relay(let state) = message { return state }
            }
        } catch {}
        return nil
    }

    /// Our end alone stays open here, so that the channel ends with the gate.
    private static func start(
        _ identity: (user: UInt32, group: UInt32)?
    ) throws(SystemError) -> (ChildProcess, GateChannel) {
        let pair = try Descriptor.socketPair()
        let process = try GateKeeper.launch(identity, channel: pair.second.rawValue)
        return (process, GateChannel(pair.takeFirst()))
    }
}
