/// Cuts a byte stream into lines that end in CR LF. Refuses a bare CR, a bare LF, a byte above 127, and a line
/// over its limit as soon as that many bytes are there; looks at each byte once.
package struct LineFramer: Sendable {
    private var buffer: [UInt8] = []
    /// First byte of the unfinished line.
    private var start = 0
    /// First byte not yet looked at.
    private var scanned = 0

    package init() {}

    /// Whether a line has begun and not ended.
    package var isInsideLine: Bool { start < buffer.count }

    /// Bytes from the peer, however they were cut.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            start = 0
            scanned = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole line without its CR LF, nil when more bytes are needed. `limit`: bytes without CR LF.
    package mutating func next(limit: Int) throws(WireError) -> ArraySlice<UInt8>? {
        let outcome = buffer.withUnsafeBufferPointer { bytes in
            Self.scan(bytes, from: scanned, start: start, limit: limit)
        }
        switch outcome {
        case .failure(let error): throw error
        case .more(let scanned):
            self.scanned = scanned
            if start > 0, start < buffer.count { compact() }
            return nil
        case .line(let end):
            let line = buffer[start..<end]
            start = end + 2
            scanned = start
            return line
        }
    }

    private enum Outcome {
        case failure(WireError)
        case more(scanned: Int)
        /// The position of the CR.
        case line(Int)
    }

    private static func scan(
        _ bytes: UnsafeBufferPointer<UInt8>, from: Int, start: Int, limit: Int
    ) -> Outcome {
        var position = from
        while position < bytes.count {
            let byte = bytes[position]
            if byte == 0x0D {
                guard position - start <= limit else { return .failure(.lineTooLong(limit: limit)) }
                guard position + 1 < bytes.count else { return .more(scanned: position) }
                guard bytes[position + 1] == 0x0A else { return .failure(.bareCarriageReturn) }
                return .line(position)
            }
            guard byte != 0x0A else { return .failure(.bareLineFeed) }
            guard byte < 0x80 else { return .failure(.eightBit) }
            position += 1
        }
        guard position - start <= limit else { return .failure(.lineTooLong(limit: limit)) }
        return .more(scanned: position)
    }

    /// Drops what was handed out, so that the buffer never exceeds a line and one read.
    private mutating func compact() {
        buffer.removeSubrange(..<start)
        scanned -= start
        start = 0
    }
}
