package import FFSModel
package import SystemSupport

/// Why something was not recorded.
package enum JournalError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Segment and reserve are full, and the next segment is not there yet.
    case full
    /// The call failed. The segment takes no more records: nothing is tried again as if nothing had happened.
    case failed(SystemError)
    /// A record has 1 to 16,384 bytes.
    case length
    /// The descriptor is none of a fresh segment.
    case notASegment

    package var description: String {
        switch self {
        case .full: "the journal is full and no new segment could be made"
        case .failed(let error): "the journal cannot be written: \(error)"
        case .length: "an event is longer than a record may be"
        case .notASegment: "the descriptor is not of a fresh segment of a journal"
        }
    }

    /// At a service's edge.
    package var failure: Failure {
        switch self {
        case .full:
            Failure(
                .noSpace, "events cannot be recorded: the disk of pipeline.journal-directory is full; free some space",
                cause: description)
        case .failed(let error): error.failure("events cannot be recorded", .noSpace)
        case .length, .notASegment: Failure(.internal, description)
        }
    }
}

/// A record's place: names it for ever.
package struct RecordNumber: Sendable, Hashable, Comparable {
    package let segment: ID128
    package let offset: UInt64

    package init(segment: ID128, offset: UInt64) {
        self.segment = segment
        self.offset = offset
    }

    /// By place, within one segment.
    package static func < (a: Self, b: Self) -> Bool { a.offset < b.offset }
}

/// How journals are kept; from the configuration's `pipeline.` options.
package struct JournalSettings: Sendable, Hashable {
    /// Bytes after which a segment is followed by the next.
    package var segmentSize: Int
    /// Bytes behind them for what is under way.
    package var reserve: Int
    /// Whether events that cannot be recorded are counted and the work goes on, instead of being refused.
    package var serveWhenFull: Bool

    package init(segmentSize: Int = 16 << 20, reserve: Int = 4 << 20, serveWhenFull: Bool = false) {
        self.segmentSize = segmentSize
        self.reserve = reserve
        self.serveWhenFull = serveWhenFull
    }
}

/// The calls of a writer that tests let fail.
package struct JournalCalls: Sendable {
    package var write: @Sendable (borrowing Descriptor, UnsafeRawBufferPointer) throws(SystemError) -> Int
    package var sync: @Sendable (borrowing Descriptor) throws(SystemError) -> Void

    package static let system = JournalCalls(
        write: { descriptor, bytes throws(SystemError) in try descriptor.writeOnce(bytes) },
        sync: { descriptor throws(SystemError) in try descriptor.syncData() })
}
