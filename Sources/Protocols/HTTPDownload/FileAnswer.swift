package import FFSModel

/// What is known of a file that is asked for.
package struct FileFacts: Sendable {
    package let name: [UInt8]
    package let size: Int
    package let modified: Timestamp
    /// Known when the account was published; nil for what has none.
    package let digest: ContentDigest?
    package let mediaType: String

    package init(name: [UInt8], size: Int, modified: Timestamp, digest: ContentDigest?, mediaType: String) {
        self.name = name
        self.size = size
        self.modified = modified
        self.digest = digest
        self.mediaType = mediaType
    }

    /// A strong validator: the digest, else size and time (RFC 9110 §8.8.3).
    package var entityTag: String { digest.map { "\"\($0)\"" } ?? "\"\(size)-\(modified.seconds)\"" }
}

/// The header fields of a request that choose among answers.
package struct RequestConditions: Sendable {
    package var range: [UInt8]?
    package var ifRange: [UInt8]?
    package var ifMatch: [UInt8]?
    package var ifNoneMatch: [UInt8]?
    package var ifModifiedSince: [UInt8]?
    package var ifUnmodifiedSince: [UInt8]?

    package init() {}

    package var isEmpty: Bool {
        range == nil && ifRange == nil && ifMatch == nil && ifNoneMatch == nil && ifModifiedSince == nil
            && ifUnmodifiedSince == nil
    }
}

/// The status, header fields and body of the answer to GET or HEAD of a file: a pure decision.
package struct FileAnswer: Sendable {
    package enum Piece: Sendable, Hashable {
        case bytes([UInt8])
        /// Bytes of the file.
        case file(Range<Int>)

        package var count: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .file(let range): range.count
            }
        }
    }

    package let status: Int
    package private(set) var fields: [(name: String, value: String)]
    /// Empty for 304 and 412; for HEAD the driver sends none of it.
    package let body: [Piece]

    /// - Parameter boundary: separates the parts of a multipart answer; must be random.
    package init(to conditions: RequestConditions, of file: FileFacts, boundary: @autoclosure () -> String) {
        fields = Self.describe(file)
        switch Self.evaluate(conditions, file) {
        case .preconditionFailed: (status, body) = (412, [])
        case .notModified: (status, body) = (304, [])
        case .proceed(let honoursRange):
            let selection = honoursRange ? conditions.range.map { ByteRanges.select($0, size: file.size) } : nil
            switch selection ?? .whole {
            case .whole:
                (status, body) = (200, [.file(0..<file.size)])
                fields.append(("content-type", file.mediaType))
            case .unsatisfiable:
                (status, body) = (416, [])
                fields.append(("content-range", "bytes */\(file.size)"))
            case .parts(let parts) where parts.count == 1:
                (status, body) = (206, [.file(parts[0])])
                fields.append(("content-type", file.mediaType))
                fields.append(("content-range", Self.contentRange(parts[0], file)))
            case .parts(let parts):
                let boundary = boundary()
                (status, body) = (206, Self.multipart(parts, file, boundary))
                fields.append(("content-type", "multipart/byteranges; boundary=\(boundary)"))
            }
        }
        if status != 304 { fields.append(("content-length", "\(contentLength)")) }
    }

    /// What is sent of the file, in order; none when it is none of its content.
    package var ranges: [Range<Int>] {
        body.compactMap { if case .file(let range) = $0 { range } else { nil } }
    }

    package var contentLength: Int { body.reduce(0) { $0 + $1.count } }

    private enum Verdict { case proceed(honoursRange: Bool), notModified, preconditionFailed }

    /// RFC 9110 §13.2.2, in its order.
    private static func evaluate(_ conditions: RequestConditions, _ file: FileFacts) -> Verdict {
        if let ifMatch = conditions.ifMatch {
            if !lists(ifMatch, file, weakly: false) { return .preconditionFailed }
        } else if let since = conditions.ifUnmodifiedSince.flatMap(HTTPDate.parse), file.modified > since {
            return .preconditionFailed
        }
        if let ifNoneMatch = conditions.ifNoneMatch {
            if lists(ifNoneMatch, file, weakly: true) { return .notModified }
        } else if let since = conditions.ifModifiedSince.flatMap(HTTPDate.parse), file.modified <= since {
            return .notModified
        }
        guard let ifRange = conditions.ifRange else { return .proceed(honoursRange: true) }
        if ifRange.first == UInt8(ascii: "\"") {
            return .proceed(honoursRange: ifRange.elementsEqual(file.entityTag.utf8))
        }
        return .proceed(honoursRange: HTTPDate.parse(ifRange) == file.modified)
    }

    /// Whether a list of entity tags, or `*`, holds the file's.
    private static func lists(_ value: [UInt8], _ file: FileFacts, weakly: Bool) -> Bool {
        value.split(separator: UInt8(ascii: ",")).contains { piece in
            var tag = trimmed(piece)
            if tag.elementsEqual("*".utf8) { return true }
            if weakly, tag.starts(with: "W/".utf8) { tag = tag.dropFirst(2) }
            return tag.elementsEqual(file.entityTag.utf8)
        }
    }

    /// What every answer about the file says.
    private static func describe(_ file: FileFacts) -> [(name: String, value: String)] {
        var fields = [
            (name: "etag", value: file.entityTag), (name: "last-modified", value: HTTPDate.format(file.modified)),
            (name: "accept-ranges", value: "bytes"), (name: "cache-control", value: "private, no-transform"),
            (name: "content-disposition", value: disposition(file.name)),
        ]
        if let digest = file.digest {
            // RFC 9530: of the whole file, whatever part of it this answer carries.
            let value = String(decoding: Base64.encode(digest.bytes), as: UTF8.self)
            fields.append((name: "repr-digest", value: "sha-256=:\(value):"))
        }
        return fields
    }

    /// RFC 6266: an ASCII name for old clients, the true one percent-encoded.
    static func disposition(_ name: [UInt8]) -> String {
        let plain = name.map { byte in
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "%"): UInt8(ascii: "_")
            case 0x20...0x7E: byte
            default: UInt8(ascii: "_")
            }
        }
        let quoted = String(decoding: plain, as: UTF8.self)
        return plain == name
            ? "attachment; filename=\"\(quoted)\""
            : "attachment; filename=\"\(quoted)\"; filename*=UTF-8''\(Target.encode(name))"
    }

    private static func contentRange(_ range: Range<Int>, _ file: FileFacts) -> String {
        "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.size)"
    }

    /// RFC 9110 §14.6.
    private static func multipart(_ parts: [Range<Int>], _ file: FileFacts, _ boundary: String) -> [Piece] {
        var body: [Piece] = []
        for part in parts {
            let head =
                "\(body.isEmpty ? "" : "\r\n")--\(boundary)\r\ncontent-type: \(file.mediaType)\r\n"
                + "content-range: \(contentRange(part, file))\r\n\r\n"
            body.append(.bytes(Array(head.utf8)))
            body.append(.file(part))
        }
        return body + [.bytes(Array("\r\n--\(boundary)--\r\n".utf8))]
    }
}
