import ConfigurationSchema
import Events
import FFSModel
import Journal
import Logging
import SystemSupport

/// The supervisor's side of its workers' journals: makes segments, seals those that a worker has done with, and records
/// what a dead worker had under way. Belongs to the supervisor's thread.
final class JournalKeeper {
    /// A segment that a worker has, or had until the one after it was taken.
    struct Segment {
        let id: ID128
        let file: LentDescriptor
    }

    private let directory: String
    private let settings: JournalSettings
    private let log: Logger
    /// One for each column: a worker's successor goes on with its stream.
    private var streams: [Int: JournalStream] = [:]
    /// Records of dead workers that could not be written yet.
    private var waiting: [Int: [[UInt8]]] = [:]
    /// Why the last segment could not be made, so that it is said once.
    private var failure: String?

    /// nil where `pipeline.journal-directory` is empty: nothing is recorded.
    init?(_ configuration: Configuration, log: Logger) {
        directory = configuration[Options.Pipeline.journals]
        guard !directory.isEmpty else { return nil }
        settings = JournalSettings(configuration)
        self.log = log
    }

    private func stream(_ column: Int) throws(Failure) -> JournalStream {
        if let stream = streams[column] { return stream }
        let stream = try JournalStream(directory: directory, stream: "ffsftpd-\(column)", settings: settings)
        streams[column] = stream
        return stream
    }

    /// Opens the journals of all workers there ever were, and seals what they left; throws what keeps the first from having
    /// one: a start that could record nothing is none.
    func open() throws(Failure) {
        _ = try stream(0)
        for column in 0..<SharedCounters.columns where hasJournal(column) { _ = try stream(column) }
    }

    private func hasJournal(_ column: Int) -> Bool {
        do throws(SystemError) {
            _ = try Descriptor.open(CPath("\(directory)/ffsftpd-\(column)"), [.read, .directory, .noFollow])
        } catch { return false }
        return true
    }

    // MARK: Segments

    /// A new one for the worker of `column`; nil, and the reason in the log, when there cannot be one now.
    func next(_ column: Int) -> Segment? {
        do throws(Failure) {
            let segment = try make(column, [])
            if failure != nil { log.notice("events can be recorded again") }
            failure = nil
            return segment
        } catch {
            if failure != error.text {
                log.error(
                    "events cannot be recorded; pipeline.on-full says what becomes of sign-ins",
                    metadata: ["cause": "\(error)"])
            }
            failure = error.text
            return nil
        }
    }

    private func make(_ column: Int, _ first: [[UInt8]]) throws(Failure) -> Segment {
        let file = try stream(column).create(first)
        do throws(SystemError) {
            guard let header = JournalHeader(bytes: try file.readStart(JournalHeader.length)) else {
                throw SystemError("pread", .invalid)
            }
            return Segment(id: header.segment, file: LentDescriptor(file))
        } catch { throw error.failure("cannot read a new segment of the journal") }
    }

    /// Its writer has done with it.
    func seal(_ segment: Segment, _ column: Int) {
        do throws(Failure) { try stream(column).seal(segment.id) } catch {
            log.error(
                "a segment of the journal cannot be sealed; the next start does it", metadata: ["cause": "\(error)"])
        }
    }

    /// Workers outlive a supervisor that was killed, and end what runs.
    private func sealForeign(_ stream: JournalStream) {
        do throws(Failure) { try stream.sealForeign() } catch {
            if failure != error.text { log.error("a segment cannot be sealed", metadata: ["cause": "\(error)"]) }
            failure = error.text
        }
    }

    // MARK: Dead workers

    /// Records what the worker had under way, and seals its segments.
    func bury(_ column: Int, _ segments: [Segment], running: SharedMemory) {
        let left = RunningTable.left(in: running, now: SystemClock.monotonic())
        let known = left.contains(where: \.mayBeRecorded) ? Self.recorded(in: segments) : []
        let records = left.filter { !($0.mayBeRecorded && known.contains($0.event.id)) }.map(\.event.record)
        for segment in segments { seal(segment, column) }
        if !records.isEmpty {
            log.warning(
                "downloads of a worker that ended are recorded as aborted",
                metadata: ["worker": "\(column)", "count": "\(records.count)"])
            waiting[column, default: []] += records
        }
        everySecond()
    }

    /// Tries again what could not be written; at most a segment's worth at a time.
    func everySecond() {
        for stream in streams.values { sealForeign(stream) }
        for (column, records) in waiting {
            var part: [[UInt8]] = []
            var bytes = 0
            for record in records where bytes < settings.segmentSize {
                part.append(record)
                bytes += record.count
            }
            do throws(Failure) {
                seal(try make(column, part), column)
                let rest = Array(records.dropFirst(part.count))
                waiting[column] = rest.isEmpty ? nil : rest
            } catch {
                if failure != error.text {
                    log.error("aborted downloads cannot be recorded yet", metadata: ["cause": "\(error)"])
                }
                failure = error.text
            }
        }
    }

    /// The ids of downloads that the segments' records end.
    private static func recorded(in segments: [Segment]) -> Set<EventID> {
        var ids: Set<EventID> = []
        for segment in segments {
            do throws(SystemError) {
                guard var reader = try SegmentReader(try segment.file.duplicate()) else { continue }
                while true {
                    let items = try reader.next(limit: 4_096, byteLimit: 1 << 20, isSealed: true)
                    if items.isEmpty { break }
                    for case .record(_, let bytes) in items {
                        guard let event = try? Event(record: bytes) else { continue }
                        if event.type == .downloadCompleted || event.type == .downloadAborted { ids.insert(event.id) }
                    }
                }
            } catch
            { /* What cannot be read is not known: a download may have two records, which tell of each other. */  }
        }
        return ids
    }
}
