import FoundationEssentials
import Testing

/// A case of a Python client, with the settings that it needs. FFS_ROW=mode_z runs that row alone, FFS_ROW=a,b both.
struct Row: Sendable, CustomTestStringConvertible {
    let name: String
    let settings: [String: String]
    private let location: SourceLocation
    private(set) var isUnknown = false

    init(_ name: String, _ settings: [String: String] = [:], location: SourceLocation = #_sourceLocation) {
        self.name = name
        self.settings = settings
        self.location = location
    }

    var testDescription: String { name }

    /// Those of a suite's `rows` that FFS_ROW names; without it, all. A name that no suite has is a row that fails.
    static func chosen(of rows: [Row]) -> [Row] {
        guard let wanted = ProcessInfo.processInfo.environment["FFS_ROW"] else { return rows }
        return chosen(wanted, of: rows)
    }

    static func chosen(_ wanted: String, of rows: [Row]) -> [Row] {
        let names = wanted.split(separator: ",").map(String.init)
        let unknown = names.filter { name in !everywhere.contains { $0.name == name } }
        return rows.filter { names.contains($0.name) }
            + (unknown.isEmpty && !names.isEmpty ? [] : [Row(unknown: wanted)])
    }

    /// Stands for a wish that cannot be met.
    private init(unknown wanted: String) {
        self.init(wanted)
        isUnknown = true
    }

    private static let everywhere =
        FTPAttackTests.rows + FTPBehaviourTests.rows + FTPClientLimitTests.rows + FTPClientTests.rows
        + FTPDataTests.rows + FTPEngineTests.rows + FTPJournalTests.rows + FTPJournalTests.smallDisks

    /// Reports what `body` throws here, where the row stands.
    func play(_ body: (Row) async throws -> Void) async {
        guard !isUnknown else {
            Issue.record("FFS_ROW=\(name): a name in it is no row of any suite", sourceLocation: location)
            return
        }
        do { try await body(self) } catch { Issue.record(error, sourceLocation: location) }
    }
}
