import FFSModel
import Journal
import Logging
import Synchronization
import SystemSupport

/// The name of the log that acknowledged last. A log that was restored from a backup has another one; then what is still here
/// is forwarded again, and the log skips what it has.
final class LogName: Sendable {
    private let directory: String
    private let area: JournalArea
    private let logger: Logger
    private let name: Mutex<String?>
    private static let file: CPath = "log-name"

    init(directory: String, area: JournalArea, logger: Logger) throws(Failure) {
        self.directory = directory
        self.area = area
        self.logger = logger
        do throws(SystemError) {
            let bytes = try Descriptor.open(CPath(directory), [.read, .directory]).readFile(Self.file, limit: 1_024)
            name = Mutex(bytes.map { String(decoding: $0, as: UTF8.self) })
        } catch { throw error.failure("cannot read \(directory)/\(Self.file)", .configuration) }
    }

    /// Whether this log follows another, so that there is something to forward again, older than what is just sent.
    /// Throws when that could not be marked; then nothing is believed to be forwarded.
    func saw(_ seen: String) throws(Failure) -> Bool {
        guard name.withLock({ $0 != seen }) else { return false }
        var isSuccessor = false
        if let old = name.withLock({ $0 }) {
            var again = 0
            for stream in try area.streams() {
                for segment in try area.segments(stream, [.done, .gap]) {
                    try area.move(stream, segment.id, from: segment.state, to: .sealed)
                    again += 1
                }
            }
            isSuccessor = true
            logger.warning(
                "the log has another name: it was restored, or made anew; what is kept here is sent again",
                metadata: ["old": "\(old)", "new": "\(seen)", "segments": "\(again)"])
        }
        do throws(SystemError) {
            let folder = try Descriptor.open(CPath(directory), [.read, .directory])
            let draft = CPath("log-name.\(ID128.random())")
            try folder.writeFile(draft, Array(seen.utf8), permissions: 0o640, durable: true)
            try folder.rename(draft, to: folder, Self.file, ifExists: .replace)
        } catch { throw error.failure("cannot write \(directory)/\(Self.file)") }
        name.withLock { $0 = seen }
        return isSuccessor
    }
}
