import FFSModel
import HTTPDownload
import HTTPTypes
import HummingbirdCore
import NIOCore

/// Between Hummingbird's requests and ours: collects the body within its bound, and nothing else happens here.
struct HTTPAdapter: Sendable {
    /// The largest body of any form or API call: 256 items and a password fit many times.
    static var mostBodyBytes: Int { 128 << 10 }

    let front: @Sendable () -> WebFront
    let proxies: TrustedProxies
    let connections: ConnectionTable
    let isTLS: Bool

    func respond(
        to request: Request, _ writer: consuming ResponseWriter, on channel: any Channel
    ) async throws {
        let arrival = TrustedProxies.Arrival(
            peer: IPAddress(channel.remoteAddress), announced: connections.announced(of: channel), isTLS: isTLS)
        let response = await answer(request, arrival)
        var fields = HTTPFields()
        for header in response.headers {
            guard let name = HTTPField.Name(header.name) else { continue }
            fields.append(HTTPField(name: name, value: header.value))
        }
        fields[.date] = HTTPDate.format(front().clocks.now())
        if response.status != 204, fields[.contentLength] == nil {
            fields[.contentLength] = "\(response.body.count)"
        }
        let head = HTTPResponse(status: .init(code: response.status), headerFields: fields)
        let body = response.body.isEmpty ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: response.body))
        try await writer.write(response: head, body: body)
        // Thrown, it ends the connection.
        if response.header("connection") == "close" { throw Malformed() }
    }

    private struct Malformed: Error {}

    private func answer(_ request: Request, _ arrival: TrustedProxies.Arrival) async -> WebResponse {
        var headers: [String: String] = [:]
        for field in request.head.headerFields {
            let name = field.name.canonicalName
            guard let earlier = headers[name] else {
                headers[name] = field.value
                continue
            }
            headers[name] = earlier + (name == "cookie" ? "; " : ", ") + field.value
        }
        headers["host"] = request.head.authority
        let client = proxies.client(arrival, headers: headers)
        var web = WebRequest(
            method: request.method.rawValue, target: request.head.path ?? "", headers: headers,
            source: client?.source ?? Source(arrival.peer), isSecure: client?.isSecure ?? isTLS)
        guard Self.isSound(request.head) else { return refuseMalformed(web) }
        guard client != nil else { return front().refuse(web, status: 421) }
        // Unread, a body is thrown away as it comes, under the connection's deadline.
        let announced = headers["content-length"].flatMap { Int($0) } ?? 0
        guard announced <= Self.mostBodyBytes else { return front().refuse(web, status: 413) }
        do {
            web.body = Array(buffer: try await request.body.collect(upTo: Self.mostBodyBytes))
        } catch is NIOTooManyBytesError {
            return front().refuse(web, status: 413)
        } catch {
            return refuseMalformed(web)
        }
        return await front().respond(to: web)
    }

    /// What follows a malformed request may be anything, so nothing more is read of its connection.
    private func refuseMalformed(_ request: WebRequest) -> WebResponse {
        front().refuse(request, status: 400).setting("connection", "close")
    }

    /// Exactly one Host, which is one (RFC 9112 §3.2), and no transfer coding but chunked (§6.1).
    private static func isSound(_ head: HTTPRequest) -> Bool {
        guard let host = head.authority, !host.isEmpty,
            !head.headerFields.contains(where: { $0.name.canonicalName == "host" }),
            host.utf8.allSatisfy({ $0.isASCIILetterOrDigit || "-._~:[]%!$&'()*+,;=".utf8.contains($0) })
        else { return false }
        let codings = head.headerFields[values: .transferEncoding]
        return codings.isEmpty || (codings.count == 1 && codings[0].token.isSame(as: "chunked"))
    }
}
