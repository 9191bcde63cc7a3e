import FoundationEssentials
import Testing

/// A case of a Python client, with the settings that it needs. FFS_ROW=mode_z runs that row alone, FFS_ROW=a,b both.
struct Row: Sendable, CustomTestStringConvertible {
    let name: String
    let settings: [String: String]
    private let location: SourceLocation

    init(_ name: String, _ settings: [String: String] = [:], location: SourceLocation = #_sourceLocation) {
        self.name = name
        self.settings = settings
        self.location = location
    }

    var testDescription: String { name }

    /// Those that FFS_ROW names; without it, all.
    static func chosen(_ rows: Row...) -> [Row] {
        guard let names = ProcessInfo.processInfo.environment["FFS_ROW"]?.split(separator: ",") else { return rows }
        return rows.filter { names.contains($0.name[...]) }
    }

    /// Reports what `body` throws here, where the row stands.
    func play(_ body: (Row) async throws -> Void) async {
        do { try await body(self) } catch { Issue.record(error, sourceLocation: location) }
    }
}
