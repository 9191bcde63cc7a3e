import HTTPDownload
import Testing

@Suite struct RequestReaderTests {
    /// What is made of `text`, given in pieces of `step` bytes.
    private func read(_ text: String, step: Int = .max) throws -> [DownloadRequest] {
        var reader = RequestReader()
        var requests: [DownloadRequest] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let part = rest.prefix(step)
            Array(part).withUnsafeBytes { reader.append($0) }
            rest = rest.dropFirst(part.count)
            while let request = try reader.next() { requests.append(request) }
        }
        return requests
    }

    private func refusal(_ text: String) -> RequestReader.Refusal? {
        do {
            _ = try read(text)
            return nil
        } catch { return error as? RequestReader.Refusal }
    }

    private static let plain =
        "GET /a/x?format=json HTTP/1.1\r\nHost: ffs.example:2121\r\nAUTHORIZATION: \t Basic eDp5 \r\n"
        + "Range: bytes=0-1\r\nCookie: a=b; __Secure-ffs-link=12-34\r\nAccept: text/html;q=0.9, */*\r\n\r\n"

    @Test(arguments: [1, 2, 3, 7, 1_000])
    func aRequestInPieces(_ step: Int) throws {
        let requests = try read(Self.plain + Self.plain, step: step)
        #expect(requests.count == 2)
        for request in requests {
            #expect(request.method == .get && request.keepsAlive && request.hasOneHost && !request.isOld)
            #expect(request.target.elementsEqual("/a/x?format=json".utf8) && request.path.elementsEqual("/a/x".utf8))
            #expect(request.authorization.map { String(decoding: $0, as: UTF8.self) } == "Basic eDp5")
            #expect(request.conditions.range.map { String(decoding: $0, as: UTF8.self) } == "bytes=0-1")
            #expect(request.cookie("__Secure-ffs-link").map { String(decoding: $0, as: UTF8.self) } == "12-34")
            #expect(request.cookie("b") == nil && request.wantsPage && !request.prefersJSON)
        }
    }

    /// Contents are skipped wherever they are cut, and hide nothing.
    @Test(arguments: [1, 5, 64, 1_000])
    func contentsAreSkipped(_ step: Int) throws {
        let text =
            "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /POST /2 HTTP/1.1\r\nHost: x\r\n"
            + "Transfer-Encoding: Chunked\r\n\r\n5;x=\"y\"\r\nGET /\r\nA\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\n"
            + "GET /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        let requests = try read(text, step: step)
        #expect(requests.map { String(decoding: $0.target, as: UTF8.self) } == ["/1", "/2", "/3"])
        #expect(requests.map(\.method) == [.other, .other, .get])
    }

    @Test func connectionsEndAsAsked() throws {
        func keeps(_ version: String, _ field: String) throws -> Bool? {
            try read("GET / \(version)\r\nHost: x\r\n\(field)\r\n").first?.keepsAlive
        }
        #expect(try keeps("HTTP/1.1", "") == true && keeps("HTTP/1.1", "Connection: a, Close\r\n") == false)
        #expect(try keeps("HTTP/1.0", "") == false && keeps("HTTP/1.0", "Connection: Keep-Alive\r\n") == true)
        #expect(try read("GET / HTTP/1.0\r\n\r\n").first?.hasOneHost == true)
    }

    @Test(arguments: [
        "GET\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / / HTTP/1.1\r\nHost: x\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\u{E9} HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\nHost: x\n\r\n",
        // No Host, two, an empty one, one that is none.
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
        // Fields.
        "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: \u{0}\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
        // Lengths and codings that two readers could take differently.
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \u{B}chunked\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        // Chunks.
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ])
    func whatTwoCouldReadInTwoWaysIsRefused(_ text: String) {
        #expect(refusal(text) == .malformed)
    }

    @Test func whatIsTooMuchIsRefused() {
        let start = "GET / HTTP/1.1\r\nHost: x\r\n"
        #expect(refusal("GET /" + String(repeating: "a", count: 40_000)) == .headTooLarge)
        #expect(refusal(start + "A: " + String(repeating: "a", count: 40_000) + "\r\n\r\n") == .headTooLarge)
        #expect(refusal(start + String(repeating: "A: b\r\n", count: 101) + "\r\n") == .headTooLarge)
        #expect(refusal(start + "Content-Length: 65537\r\n\r\n") == .contentTooLarge)
        #expect(refusal(start + "Content-Length: 999999999999999999\r\n\r\n") == .contentTooLarge)
        #expect(refusal(start + "Transfer-Encoding: chunked\r\n\r\n10001\r\n") == .contentTooLarge)
        let chunk = "1000\r\n" + String(repeating: "x", count: 4_096) + "\r\n"
        #expect(
            refusal(start + "Transfer-Encoding: chunked\r\n\r\n" + String(repeating: chunk, count: 17))
                == .contentTooLarge)
    }

    /// However a client cuts what it sends, memory holds no more than a few heads.
    @Test func leftoversDoNotPileUp() throws {
        var reader = RequestReader()
        let stream = Array(String(repeating: Self.plain, count: 1_000).utf8)
        var (count, most) = (0, 0)
        // There is always a piece of the next request left.
        for start in stride(from: 0, to: stream.count, by: Self.plain.utf8.count - 1) {
            Array(stream[start...].prefix(Self.plain.utf8.count - 1)).withUnsafeBytes { reader.append($0) }
            while let _ = try reader.next() { count += 1 }
            most = max(most, reader.held)
        }
        #expect(count == 1_000 && most < 40_000)
    }
}
