import FFSModel
import FTPProtocol
import TestSupport
import Testing

/// Every command in every state: Tests/Integration/Clients/ftp_states.txt against the machine alone. The same table is
/// played against the running daemon.
@Suite struct StateTableTests {
    private let table: StateTable

    init() throws { table = try StateTable() }

    @Test func everyVerbIsInTheTable() {
        let words = Set(table.rows.map { String($0.command.prefix { $0 != " " }).uppercased() })
        for verb in Verb.allCases {
            #expect(words.contains(verb.rawValue), "\(verb.rawValue)")
            // XMD is a misspelling of XMD5 that one client sends.
            for alias in verb.aliases where alias != "XMD" { #expect(words.contains(alias), "\(alias)") }
        }
        let known = Set(table.rows.map(\.command))
        for key in table.exceptions.keys { #expect(known.contains(key.command), "\(key.command) is in no row") }
    }

    @Test func everyCommandInEveryState() throws {
        for state in table.states {
            for row in table.rows {
                var player = Self.player(in: state)
                let wanted = try #require(table.codes(row, in: state))
                let before = Self.snapshot(player)
                let waits = player.machine.isTransferring
                var reply = player(row.command)
                if waits, !["ABOR", "STAT"].contains(row.command.prefix(4)) {
                    #expect(reply == "wait", "\(state.name): \(row.command)")
                    player.machine.transferEnded()
                    reply = player(row.command)
                }
                // Files, listings and transfers are the service's.
                let namesAFile = ["CWD ", "XCWD ", "STAT "].contains { row.command.hasPrefix($0) }
                guard let code = Int(reply.prefix(3)), !namesAFile || code >= 400 else {
                    #expect(reply.hasPrefix("→") || namesAFile, "\(state.name): \(row.command): \(reply)")
                    #expect(wanted[0] != 530, "\(state.name): \(row.command) may run")
                    continue
                }
                #expect(code == wanted[0], "\(state.name): \(row.command): \(reply)")
                if code >= 400, !waits, code != 530 {
                    #expect(
                        Self.snapshot(player) == before, "\(state.name): \(row.command) was refused and left a trace")
                }
            }
        }
    }

    /// REIN and AUTH leave nothing of the session before: what follows is as after a greeting.
    @Test func reinAndAuthForget() {
        for (end, beginning) in [("REIN", []), ("AUTH TLS", ["AUTH TLS"])] {
            for state in table.states where !state.setUp.contains(where: { $0.hasPrefix("AUTH") }) {
                var player = Self.player(in: state)
                if player.machine.isTransferring { player.machine.transferEnded() }
                _ = player(end)
                Self.play("SIGNIN", &player)
                var fresh = Self.player()
                for line in beginning + ["SIGNIN"] { Self.play(line, &fresh) }
                #expect(Self.snapshot(player) == Self.snapshot(fresh), "\(end) in \(state.name)")
            }
        }
    }

    private static func player(in state: StateTable.State? = nil) -> Player {
        var player = Player()
        player.peer = IPAddress(v4: 0x7F00_0001)
        for line in state?.setUp ?? [] { play(line, &player) }
        return player
    }

    private static func play(_ line: String, _ player: inout Player) {
        switch line {
        case "SIGNIN": for line in ["USER acct", "PASS secret", "TYPE I"] { _ = player(line) }
        case "ACTIVE": _ = player("PORT 127,0,0,1,200,201")
        case "AWAIT", "SEND": player.machine.transferStarted(Held())
        default: _ = player(line)
        }
    }

    /// What the session's state shows of itself.
    private static func snapshot(_ player: Player) -> [Reply] {
        [player.machine.status(peer: ""), player.machine.feat, player.machine.printDirectory]
    }
}

/// Tests/Integration/Clients/ftp_states.txt.
struct StateTable {
    struct State {
        let name: String
        let column: Int
        let setUp: [String]
    }

    struct Row {
        let command: String
        /// By column: signed out, signed in, with a data connection to come.
        let codes: [[Int]]
    }

    struct Key: Hashable {
        let state: String
        let command: String
    }

    private(set) var states: [State] = []
    private(set) var rows: [Row] = []
    private(set) var exceptions: [Key: [Int]] = [:]

    init() throws {
        for line in try Files.read(Project.root + "/Tests/Integration/Clients/ftp_states.txt").lines
        where !line.hasPrefix("#") {
            let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: true).map(String.init)
            switch words[0] {
            case "state":
                guard let column = ["out", "in", "data"].firstIndex(of: words[2]) else { throw TestFailure(line) }
                let setUp = words.count > 3 ? Self.steps(words[3]) : []
                states.append(State(name: words[1], column: column, setUp: setUp))
            case "except":
                for state in words[1].split(separator: ",") {
                    exceptions[Key(state: String(state), command: words[3])] = try Self.codes(words[2], line)
                }
            default:
                let command = words[3].trimmed
                let own = try words[..<2].map { try Self.codes($0, line) }
                rows.append(
                    Row(command: command, codes: own + [words[2] == "=" ? own[1] : try Self.codes(words[2], line)]))
            }
        }
    }

    func codes(_ row: Row, in state: State) -> [Int]? {
        exceptions[Key(state: state.name, command: row.command)] ?? row.codes[state.column]
    }

    private static func steps(_ text: String) -> [String] {
        // A semicolon that belongs to a command has no space behind it.
        text.replacing("; ", with: "\n").lines.map(\.trimmed)
    }

    private static func codes(_ text: String, _ line: String) throws -> [Int] {
        try text.split(separator: ",").map {
            guard let code = Int(String($0)) else { throw TestFailure("no code in: \(line)") }
            return code
        }
    }
}
