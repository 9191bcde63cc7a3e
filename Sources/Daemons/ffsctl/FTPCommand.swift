import ArgumentParser
import ConfigurationSchema
import FFSModel
import Requests
import SystemSupport

extension Session {
    /// The supervisor of ffsftpd on this machine.
    fileprivate func ftp<Message: RequestMessage>(_ message: Message) async throws -> Message.Reply {
        try await daemon(.ffsftpd).send(message)
    }
}

/// `ffsctl ftp`: the sessions of ffsftpd on this storage host.
struct FTPCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ftp",
        abstract: "Watch, end and turn away the sessions of ffsftpd on this storage host.",
        subcommands: [Who.self, Kick.self, Drain.self, Restart.self, Limits.self])

    struct Who: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "List sessions, with their running transfers.")

        @ArgumentParser.Option(help: "Those of this account alone.", transform: parsedName) var account: AccountID?
        @ArgumentParser.Option(
            help: ArgumentHelp("Those from this address or network alone.", valueName: "address"),
            transform: parsedNetwork)
        var address: IPNetwork?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            var writer = TableWriter(
                ["session", "service", "client", "age", "account", "tls", "sent", "rate", "path"], session.output)
            var page: FTPWho.Reply
            var last: String?
            repeat {
                page = try await session.ftp(FTPWho(account: account, address: address, after: last))
                writer.add(page.sessions.map(cells))
                last = page.sessions.last?.id
            } while page.more && last != nil
            writer.finish(
                empty: page.total == 0
                    ? "Nobody is connected." : "None of the \(counted(page.total, "session")) is of these.")
        }

        private func cells(_ row: FTPSession) -> [Value] {
            [
                .text(row.id), .text(row.service.rawValue), .text(row.peer), .seconds(row.seconds),
                Value(row.account) { .text($0) }, Value(row.tls) { .text($0) }, Value(row.bytes) { .bytes($0) },
                Value(row.rate) { .bytes($0) }, Value(row.path) { .text(printable($0.bytes)) },
            ]
        }
    }

    struct Kick: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a session, or all sessions of an account, at once.",
            discussion: "The account stays; `ffsctl account revoke` ends it.")

        @Argument(help: "A session as `ffsctl ftp who` shows it, or an account.") var target: String
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let wanted: FTPKick.Target =
                if target.contains("-") { .session(target) } else { .account(try parsedName(target)) }
            let count = try await session.ftp(FTPKick(wanted)).count
            guard count > 0 else { throw Failure(.notFound, "there is no session of \(target); see `ffsctl ftp who`") }
            session.output.done(
                "Ended \(counted(count, "session")).", [.init("ended", .number(count))])
        }
    }

    struct Drain: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Turn new sessions away; those there go on. --off admits them again.")

        @Flag(name: .customLong("off"), help: "Admit new sessions again.") var off = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            _ = try await session.ftp(FTPDrain(on: !off))
            session.output.done(
                off
                    ? "New sessions are admitted again."
                    : "New sessions are turned away; `ffsctl ftp drain --off` ends that.",
                [.init("draining", .flag(!off))])
        }
    }

    struct Restart: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Replace all workers by fresh ones without failing a transfer.")

        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            _ = try await session.ftp(FTPRestart())
            session.output.done(
                "Fresh workers serve; the old ones end with their transfers.", [.init("restarted", .flag(true))])
        }
    }

    struct Limits: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the limits in force and how many sessions there are.")

        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.ftp(FTPLimits())
            session.output.record(
                [.init("sessions now", .number(reply.sessions))]
                    + reply.limits.map { .init($0.option, value(of: $0.option, $0.value)) })
        }

        /// The number in JSON; people get its unit too, and what 0 means.
        private func value(of option: String, _ text: String) -> Value {
            guard let number = Int(text) else { return .text(text) }
            if global.json { return .number(number) }
            if number == 0, option.hasPrefix("ftp.rate") { return .text("no limit") }
            let unit = Options.all.first { $0.key == option }?.unit
            return .text("\(number)\(unit.map { " \($0)" } ?? "")")
        }
    }
}
