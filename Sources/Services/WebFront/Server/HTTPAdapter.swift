import HTTPDownload
import HTTPTypes
import HummingbirdCore
import NIOCore

/// Between Hummingbird's requests and ours: collects the body within its bound, and nothing else happens here.
struct HTTPAdapter: Sendable {
    /// The largest body of any form or API call: 256 items and a password fit many times.
    static var mostBodyBytes: Int { 128 << 10 }

    let front: @Sendable () -> WebFront
    let isSecure: Bool

    func respond(
        to request: Request, _ writer: consuming ResponseWriter, on channel: any Channel
    ) async throws {
        let response = await answer(request, from: Source(channel.remoteAddress))
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
    }

    private func answer(_ request: Request, from source: Source) async -> WebResponse {
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
        var web = WebRequest(
            method: request.method.rawValue, target: request.head.path ?? "", headers: headers, source: source,
            isSecure: isSecure)
        // Unread, a body is thrown away as it comes, under the connection's deadline.
        let announced = headers["content-length"].flatMap { Int($0) } ?? 0
        guard announced <= Self.mostBodyBytes else { return front().refuse(web, status: 413) }
        do {
            web.body = Array(buffer: try await request.body.collect(upTo: Self.mostBodyBytes))
        } catch is NIOTooManyBytesError {
            return front().refuse(web, status: 413)
        } catch {
            return front().refuse(web, status: 400)
        }
        return await front().respond(to: web)
    }
}
