/// One row of the command table.
package struct CommandRow: Sendable {
    /// When a command may run. Nothing else decides: a handler never asks whether the session is signed in.
    package enum Gate: Sendable {
        /// At any time before and after sign-in.
        case always
        /// Only once signed in; before that 530.
        case signedIn
    }

    /// What happens to a command that arrives while a transfer runs (RFC 959 §4.1.3).
    package enum DuringTransfer: Sendable {
        /// Looked at immediately: ABOR and STAT.
        case now
        /// Waits, in order, until the transfer's last reply is sent.
        case waits
    }

    /// The group in which HELP and ffsftpd(8) list it.
    package enum Group: String, Sendable, CaseIterable {
        case access, session, data, read, refused
    }

    package let verb: Verb
    package let group: Group
    package let gate: Gate
    package let duringTransfer: DuringTransfer
    /// What follows the verb's one space.
    let parse: @Sendable (ArraySlice<UInt8>) throws(ArgumentError) -> Command
    /// The argument in HELP's and the manual's notation; empty where there is none.
    package let syntax: String
    /// One line for HELP and ffsftpd(8).
    package let summary: String
    /// Lines of FEAT (RFC 2389) that are always true; those that depend on the configuration come from the session.
    package let features: [String]

    /// - Parameters:
    ///   - grammar: what may follow the verb.
    ///   - command: made of that.
    init<Value>(
        _ verb: Verb, _ group: Group, _ syntax: String, _ summary: String, gate: Gate = .signedIn,
        duringTransfer: DuringTransfer = .waits, features: [String] = [],
        _ grammar: @escaping @Sendable (ArraySlice<UInt8>) throws(ArgumentError) -> Value,
        _ command: @escaping @Sendable (Value) -> Command
    ) {
        self.verb = verb
        self.group = group
        self.gate = gate
        self.duringTransfer = duringTransfer
        self.syntax = syntax
        self.summary = summary
        self.features = features
        parse = { rest throws(ArgumentError) in command(try grammar(rest)) }
    }

    /// Refused whatever the argument, once signed in.
    static func refused(_ verb: Verb, _ syntax: String, _ code: Int, _ text: String) -> CommandRow {
        CommandRow(verb, .refused, syntax, text, Grammar.anything) { _ in .refused(Reply(code, text)) }
    }
}
