import FFSModel

/// Takes the requests of one HTTP/1.1 connection apart (RFC 9112), strictly: what two programs could read in two ways
/// is refused, and the connection ends. Contents of requests are skipped; only their size counts.
///
///     head ──┬─▶ content(length) ──┬─▶ head
///            └─▶ chunk sizes, chunks, trailer
package struct RequestReader: Sendable {
    /// Why the connection is ended.
    package enum Refusal: Error, Sendable, Hashable {
        /// 400
        case malformed
        /// 431: the head has more bytes or fields than any that asks for a file.
        case headTooLarge
        /// 413: a request to a read-only server has no use for so much content.
        case contentTooLarge
    }

    private enum State: Sendable {
        case head
        /// So many bytes are still to be skipped.
        case content(Int)
        case chunkSize
        /// Bytes of the chunk and its CRLF.
        case chunk(Int)
        case trailer
    }

    private var bytes: [UInt8] = []
    /// Bytes before this one are done with.
    private var start = 0
    private var state = State.head
    /// The one whose content is being skipped.
    private var request: DownloadRequest?
    private var contentBytes = 0
    private var trailerBytes = 0
    /// Where the search for the head's end goes on, and where the line begins that it is in.
    private var looked = 0
    private var lineStart = 0

    /// Bytes of a head, and how many fields it may have.
    package static let longestHead = 32_768
    private static let mostFields = 100
    private static let longestContent = 65_536
    /// Longest line with a chunk's size.
    private static let longestSizeLine = 256

    package init() {}

    package mutating func append(_ more: UnsafeRawBufferPointer) {
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            (start, looked, lineStart) = (0, 0, 0)
        } else if start > Self.longestHead {
            bytes.removeFirst(start)
            (looked, lineStart, start) = (max(0, looked - start), max(0, lineStart - start), 0)
        }
        bytes.append(contentsOf: more)
    }

    /// Bytes that wait.
    package var waiting: Int { bytes.count - start }

    /// Bytes in memory, those that are done with among them.
    package var held: Int { bytes.count }

    /// The next whole request; nil: more bytes are needed.
    package mutating func next() throws(Refusal) -> DownloadRequest? {
        while true {
            switch state {
            case .head:
                guard let length = try headLength() else { return nil }
                try readHead(length)
                if case .head = state { return request.take() }
            case .content(let count):
                let taken = min(count, waiting)
                start += taken
                guard taken == count else {
                    state = .content(count - taken)
                    return nil
                }
                state = .head
                return finish()
            case .chunkSize:
                guard let line = try nextLine(atMost: Self.longestSizeLine) else { return nil }
                let size = try Self.chunkSize(line)
                contentBytes += size
                guard contentBytes <= Self.longestContent else { throw .contentTooLarge }
                state = size == 0 ? .trailer : .chunk(size + 2)
            case .chunk(let count):
                guard waiting >= count else {
                    // Chunks are small here; what is longer was refused.
                    return nil
                }
                let end = start + count
                guard bytes[end - 2] == 0x0D, bytes[end - 1] == 0x0A else { throw .malformed }
                start = end
                state = .chunkSize
            case .trailer:
                guard let line = try nextLine(atMost: Self.longestHead) else { return nil }
                trailerBytes += line.count
                guard trailerBytes <= Self.longestHead else { throw .headTooLarge }
                guard line.isEmpty else { continue }
                state = .head
                return finish()
            }
        }
    }

    private mutating func finish() -> DownloadRequest? {
        (looked, lineStart) = (start, start)
        return request.take()
    }

    // MARK: Lines

    /// The next line without its CRLF; nil when it is not whole.
    private mutating func nextLine(atMost longest: Int) throws(Refusal) -> ArraySlice<UInt8>? {
        guard let end = bytes[start...].firstIndex(of: 0x0A) else {
            guard waiting <= longest else { throw .malformed }
            return nil
        }
        guard end > start, bytes[end - 1] == 0x0D, end - start <= longest else { throw .malformed }
        defer { start = end + 1 }
        return bytes[start..<(end - 1)]
    }

    /// `1a[;extension]`: hexadecimal digits, no sign and no blanks.
    private static func chunkSize(_ line: ArraySlice<UInt8>) throws(Refusal) -> Int {
        let digits = line.prefix { $0 != UInt8(ascii: ";") }
        guard (1...8).contains(digits.count), line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw .malformed }
        var size = 0
        for digit in digits {
            guard let value = Hex.value(lowercased(digit)) else { throw .malformed }
            size = size << 4 | Int(value)
        }
        return size
    }

    // MARK: Head

    /// Bytes up to and with the empty line; nil when it has not come.
    private mutating func headLength() throws(Refusal) -> Int? {
        // One empty line before a request is tolerated (RFC 9112 §2.2).
        if lineStart == start, waiting >= 2, bytes[start] == 0x0D, bytes[start + 1] == 0x0A {
            start += 2
            (looked, lineStart) = (start, start)
            if waiting >= 2, bytes[start] == 0x0D { throw .malformed }
        }
        while looked < bytes.count {
            defer { looked += 1 }
            guard bytes[looked] == 0x0A else { continue }
            guard looked > lineStart, bytes[looked - 1] == 0x0D else { throw .malformed }
            if looked - lineStart == 1, lineStart > start { return looked + 1 - start }
            lineStart = looked + 1
        }
        guard waiting <= Self.longestHead else { throw .headTooLarge }
        return nil
    }

    /// Request line and fields of a head of `length` bytes.
    private mutating func readHead(_ length: Int) throws(Refusal) {
        guard length <= Self.longestHead else { throw .headTooLarge }
        let end = start + length
        let range = start..<end
        let head = try bytes.withUnsafeBufferPointer { all throws(Refusal) in
            try Head(UnsafeBufferPointer(rebasing: all[range]), mostFields: Self.mostFields)
        }
        start = end
        (looked, lineStart, contentBytes, trailerBytes) = (end, end, 0, 0)
        request = head.request
        if head.isChunked {
            state = .chunkSize
        } else if head.contentLength > 0 {
            guard head.contentLength <= Self.longestContent else { throw .contentTooLarge }
            state = .content(head.contentLength)
        }
    }
}

/// The request line and the fields.
private struct Head {
    private(set) var request: DownloadRequest
    private(set) var isChunked = false
    private(set) var contentLength = 0
    private var hasLength = false

    /// `text`: lines with CRLF, the last one empty.
    init(_ text: UnsafeBufferPointer<UInt8>, mostFields: Int) throws(RequestReader.Refusal) {
        var lineStart = 0
        var lineEnd = Self.end(text, lineStart)
        request = try Self.requestLine(UnsafeBufferPointer(rebasing: text[lineStart..<lineEnd]))
        var count = 0
        while true {
            lineStart = lineEnd + 2
            lineEnd = Self.end(text, lineStart)
            if lineEnd == lineStart { break }
            count += 1
            guard count <= mostFields else { throw .headTooLarge }
            try field(UnsafeBufferPointer(rebasing: text[lineStart..<lineEnd]))
        }
        // Two ways to tell where the content ends are one too many (RFC 9112 §6.1).
        guard !(isChunked && (hasLength || request.isOld)), request.hasOneHost else { throw .malformed }
    }

    /// The line's end, where its CR is: every LF has one before it.
    private static func end(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var index = start
        while text[index] != 0x0A { index += 1 }
        return index - 1
    }

    /// `GET /a/… HTTP/1.1`
    private static func requestLine(
        _ line: UnsafeBufferPointer<UInt8>
    ) throws(RequestReader.Refusal) -> DownloadRequest {
        guard let first = line.firstIndex(of: 0x20), let last = line.lastIndex(of: 0x20), first < last else {
            throw .malformed
        }
        let method = line[..<first]
        let target = line[(first + 1)..<last]
        let version = line[(last + 1)...]
        let isOld = version.elementsEqual("HTTP/1.0".utf8)
        guard isOld || version.elementsEqual("HTTP/1.1".utf8), !method.isEmpty, method.allSatisfy(isToken),
            !target.isEmpty, target.allSatisfy({ (0x21...0x7E).contains($0) })
        else { throw .malformed }
        return DownloadRequest(method: method, target: Array(target), isOld: isOld)
    }

    /// `name: value`; a line that goes on in the next one, or a blank before the colon, is refused.
    private mutating func field(_ line: UnsafeBufferPointer<UInt8>) throws(RequestReader.Refusal) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0, line[..<colon].allSatisfy(isToken) else {
            throw .malformed
        }
        var (from, to) = (colon + 1, line.count)
        while from < to, line[from] == 0x20 || line[from] == 0x09 { from += 1 }
        while to > from, line[to - 1] == 0x20 || line[to - 1] == 0x09 { to -= 1 }
        let value = UnsafeBufferPointer(rebasing: line[from..<to])
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { throw .malformed }
        let name = UnsafeBufferPointer(rebasing: line[..<colon])
        switch FieldName(name) {
        case .connection: connection(value)
        case .contentLength: try length(value)
        case .transferEncoding:
            guard !isChunked, value.map(lowercased).elementsEqual("chunked".utf8) else { throw .malformed }
            isChunked = true
        default: request.add(name, Array(value))
        }
    }

    private mutating func connection(_ value: UnsafeBufferPointer<UInt8>) {
        for part in value.split(separator: UInt8(ascii: ",")) {
            let word = trimmed(Array(part)[...]).map(lowercased)
            if word.elementsEqual("close".utf8) { request.keepsAlive = false }
            if request.isOld, word.elementsEqual("keep-alive".utf8) { request.keepsAlive = true }
        }
    }

    private mutating func length(_ value: UnsafeBufferPointer<UInt8>) throws(RequestReader.Refusal) {
        guard !hasLength, (1...18).contains(value.count), value.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw .malformed
        }
        hasLength = true
        contentLength = value.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}

/// RFC 9110 §5.6.2.
private func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60, 0x7C, 0x7E: true
    default: false
    }
}
