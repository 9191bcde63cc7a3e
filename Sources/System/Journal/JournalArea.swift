import Events
package import FFSModel
import SystemSupport

/// All journals of a host as whoever forwards them sees them: folders of segments. Opens for reading alone, renames and
/// removes what has been forwarded; follows no link.
package struct JournalArea: Sendable {
    package let directory: String

    package init(directory: String) { self.directory = directory }

    /// How far a segment is, as its name says.
    package enum State: String, Sendable, CaseIterable {
        /// Somebody writes it.
        case open
        /// Nobody writes it any more.
        case sealed
        /// All of it is in the log.
        case done
        /// The same, but something in it could not be read: kept until an operator removes it.
        case gap
        /// It has no header: nothing of it can be read.
        case damaged
    }

    package struct Segment: Sendable, Hashable {
        package let id: ID128
        package let state: State
        /// When it was made, or for what is damaged last changed; nanoseconds since 1970.
        package let made: Int64
        /// Bytes, with the header.
        package let size: Int
    }

    /// The names of the folders, in order.
    package func streams() throws(Failure) -> [String] {
        do throws(SystemError) {
            let area = try Descriptor.open(CPath(directory), [.read, .directory])
            return try area.entries().filter { [.directory, .unknown].contains($0.kind) }.compactMap { entry in
                let name = String(decoding: entry.name.bytes, as: UTF8.self)
                return JournalHeader.isStream(name) ? name : nil
            }
        } catch {
            throw error.failure("cannot list the journals in \(directory)", .configuration)
        }
    }

    /// The segments of a stream that are in one of these states, oldest first. What has no header is damaged.
    package func segments(_ stream: String, _ states: Set<State>) throws(Failure) -> [Segment] {
        do throws(SystemError) {
            let folder = try folder(stream)
            var segments: [Segment] = []
            for entry in try folder.entries() {
                let bytes = entry.name.bytes
                guard bytes.count > 33, bytes[32] == UInt8(ascii: "."), let id = ID128(hex: bytes[..<32]),
                    let state = State(rawValue: String(decoding: bytes[33...], as: UTF8.self)), states.contains(state)
                else { continue }
                let file: Descriptor
                do throws(SystemError) { file = try folder.open(entry.name, [.read, .nonBlocking]) } catch {
                    // Sealed meanwhile: it is there under its other name the next time.
                    if error.errno == .noEntry { continue }
                    throw error
                }
                let status = try file.status()
                let header = JournalHeader(bytes: try file.readStart(JournalHeader.length))
                segments.append(
                    Segment(
                        id: id, state: header == nil ? .damaged : state, made: header?.made ?? status.modified,
                        size: status.size))
            }
            return segments.sorted {
                ($0.made, $0.id.bytes.lexicographicNumber) < ($1.made, $1.id.bytes.lexicographicNumber)
            }
        } catch { throw error.failure("cannot list the journal \(directory)/\(stream)") }
    }

    /// Reads from a place on; nil when the segment is not there under that state any more.
    package func reader(
        _ stream: String, _ segment: ID128, _ state: State, from offset: UInt64
    ) throws(Failure) -> SegmentReader? {
        do throws(SystemError) {
            return try SegmentReader(
                folder(stream).open(CPath("\(segment).\(state.rawValue)"), [.read, .nonBlocking]), from: offset)
        } catch {
            if error.errno == .noEntry { return nil }
            throw error.failure("cannot read segment \(segment) of \(directory)/\(stream)")
        }
    }

    /// Whether the segment is there in that state.
    package func isThere(_ stream: String, _ segment: ID128, _ state: State) throws(Failure) -> Bool {
        do throws(SystemError) {
            return try folder(stream).statusIfPresent(of: CPath("\(segment).\(state.rawValue)")) != nil
        } catch { throw error.failure("cannot look at segment \(segment) of \(directory)/\(stream)") }
    }

    package func move(_ stream: String, _ segment: ID128, from: State, to: State) throws(Failure) {
        do throws(SystemError) {
            let folder = try folder(stream)
            try folder.rename(
                CPath("\(segment).\(from.rawValue)"), to: folder, CPath("\(segment).\(to.rawValue)"), ifExists: .refuse)
        } catch { throw error.failure("cannot rename segment \(segment) of \(directory)/\(stream)") }
    }

    package func remove(_ stream: String, _ segment: ID128, _ state: State) throws(Failure) {
        do throws(SystemError) { try folder(stream).unlink(CPath("\(segment).\(state.rawValue)")) } catch {
            throw error.failure("cannot remove segment \(segment) of \(directory)/\(stream)")
        }
    }

    private func folder(_ stream: String) throws(SystemError) -> Descriptor {
        try Descriptor.open(CPath(directory), [.read, .directory]).open(CPath(stream), [.read, .directory, .noFollow])
    }
}

extension [UInt8] {
    /// Decides between segments of one nanosecond.
    fileprivate var lexicographicNumber: UInt64 { prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }
}
