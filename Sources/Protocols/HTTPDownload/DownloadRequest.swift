import FFSModel

/// What a request says as far as downloads care, of HTTP/1.1 and HTTP/2 alike.
package struct DownloadRequest: Sendable {
    package enum Method: Sendable, Hashable { case get, head, other }

    package let method: Method
    /// As sent, percent-encoded.
    package let target: [UInt8]
    /// Whether the client takes another answer on this connection; of no meaning in HTTP/2.
    package internal(set) var keepsAlive: Bool
    /// HTTP/1.0 knows neither chunks nor, necessarily, a Host.
    package let isOld: Bool
    package private(set) var conditions = RequestConditions()
    package private(set) var authorization: [UInt8]?
    package private(set) var accept: [UInt8] = []
    package private(set) var userAgent: [UInt8] = []
    private var cookies: [[UInt8]] = []
    private var hosts: [[UInt8]] = []

    package init(method: some Sequence<UInt8>, target: [UInt8], isOld: Bool = false) {
        self.method = method.elementsEqual("GET".utf8) ? .get : method.elementsEqual("HEAD".utf8) ? .head : .other
        self.target = target
        self.isOld = isOld
        keepsAlive = !isOld
    }

    /// Takes in a header field; of one that may be there once the first counts. The name's case does not matter.
    package mutating func add(_ name: UnsafeBufferPointer<UInt8>, _ value: @autoclosure () -> [UInt8]) {
        switch FieldName(name) {
        case .host: hosts.append(value())
        case .authorization: authorization = authorization ?? value()
        case .cookie: cookies.append(value())
        case .accept: if accept.isEmpty { accept = value() }
        case .userAgent: if userAgent.isEmpty { userAgent = value() }
        case .range: conditions.range = conditions.range ?? value()
        case .ifRange: conditions.ifRange = conditions.ifRange ?? value()
        case .ifMatch: conditions.ifMatch = conditions.ifMatch ?? value()
        case .ifNoneMatch: conditions.ifNoneMatch = conditions.ifNoneMatch ?? value()
        case .ifModifiedSince: conditions.ifModifiedSince = conditions.ifModifiedSince ?? value()
        case .ifUnmodifiedSince: conditions.ifUnmodifiedSince = conditions.ifUnmodifiedSince ?? value()
        case .connection, .contentLength, .transferEncoding, nil: break
        }
    }

    /// Whether it names one host, as HTTP/1.1 demands (RFC 9112 §3.2; of HTTP/2 `:authority` counts as the field): two
    /// could mean different servers to a proxy and to us.
    package var hasOneHost: Bool {
        guard let host = hosts.first else { return isOld }
        return hosts.count == 1 && !host.isEmpty
            && host.allSatisfy { $0.isASCIILetterOrDigit || "-._~:[]%!$&'()*+,;=".utf8.contains($0) }
    }

    package var hasHost: Bool { !hosts.isEmpty }

    /// The value of a cookie; nil when there is none.
    package func cookie(_ name: String) -> [UInt8]? {
        for field in cookies {
            for part in field.split(separator: UInt8(ascii: ";")) {
                let pair = trimmed(part)
                guard let equals = pair.firstIndex(of: UInt8(ascii: "=")), pair[..<equals].elementsEqual(name.utf8)
                else { continue }
                return Array(pair[(equals + 1)...])
            }
        }
        return nil
    }

    /// Whether the client would rather have HTML than anything else.
    package var wantsPage: Bool { mediaRanges.contains { $0.elementsEqual("text/html".utf8) } }

    /// Whether JSON is what the client names first.
    package var prefersJSON: Bool { mediaRanges.first?.elementsEqual("application/json".utf8) == true }

    /// Of `Accept`, without parameters, in lower case.
    private var mediaRanges: [[UInt8]] {
        accept.split(separator: UInt8(ascii: ",")).map { part in
            trimmed(part.prefix { $0 != UInt8(ascii: ";") }).map(lowercased)
        }
    }

    /// The target's path, still encoded.
    package var path: ArraySlice<UInt8> { target.prefix { $0 != UInt8(ascii: "?") } }
}

/// The header fields that decide something here.
enum FieldName {
    case host, authorization, cookie, accept, userAgent, range, ifRange, ifMatch, ifNoneMatch, ifModifiedSince
    case ifUnmodifiedSince, connection, contentLength, transferEncoding

    init?(_ name: UnsafeBufferPointer<UInt8>) {
        func isCalled(_ text: StaticString) -> Bool {
            // Names are tokens: setting the bit turns letters into small ones and leaves `-` what it is.
            for index in 0..<name.count where name[index] | 0x20 != text.utf8Start[index] { return false }
            return true
        }
        switch name.count {
        case 4 where isCalled("host"): self = .host
        case 5 where isCalled("range"): self = .range
        case 6 where isCalled("accept"): self = .accept
        case 6 where isCalled("cookie"): self = .cookie
        case 8 where isCalled("if-range"): self = .ifRange
        case 8 where isCalled("if-match"): self = .ifMatch
        case 10 where isCalled("user-agent"): self = .userAgent
        case 10 where isCalled("connection"): self = .connection
        case 13 where isCalled("authorization"): self = .authorization
        case 13 where isCalled("if-none-match"): self = .ifNoneMatch
        case 14 where isCalled("content-length"): self = .contentLength
        case 17 where isCalled("if-modified-since"): self = .ifModifiedSince
        case 17 where isCalled("transfer-encoding"): self = .transferEncoding
        case 19 where isCalled("if-unmodified-since"): self = .ifUnmodifiedSince
        default: return nil
        }
    }
}
