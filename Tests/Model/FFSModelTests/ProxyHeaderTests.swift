import FFSModel
import Testing

@Suite struct ProxyHeaderTests {
    private func parse(_ bytes: [UInt8]) -> ProxyHeader { bytes.withUnsafeBytes { ProxyHeader($0) } }
    private func endpoint(_ address: String, _ port: UInt16) throws -> Endpoint {
        Endpoint(try #require(IPAddress(text: address.utf8)), port)
    }

    @Test func version1() throws {
        let line = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 21\r\n"
        #expect(
            parse(bytes(line + "USER x\r\n"))
                == .header(length: line.utf8.count, client: try endpoint("192.0.2.1", 56_324)))
        #expect(
            parse(bytes("PROXY TCP6 2001:db8::1 ::1 5 21\r\n"))
                == .header(length: 33, client: try endpoint("2001:db8::1", 5)))
        #expect(parse(bytes("PROXY UNKNOWN\r\n")) == .header(length: 15, client: nil))
        for count in 0..<line.utf8.count { #expect(parse(Array(line.utf8.prefix(count))) == .incomplete) }
    }

    @Test(arguments: [
        "USER x\r\n", "PROXY TCP4 ::1 ::1 5 21\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 21\r\n",
        "PROXY TCP4 1.2.3.4\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 5 21\n", "PROXY " + String(repeating: "x", count: 120),
    ])
    func refuses(text: String) { #expect(parse(bytes(text)) == .malformed) }

    @Test func version2() throws {
        let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
        let four = signature + [0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 1, 0xDC, 0x04, 0, 21]
        #expect(parse(four) == .header(length: 28, client: try endpoint("192.0.2.1", 56_324)))
        for count in 0..<four.count { #expect(parse(Array(four.prefix(count))) == .incomplete) }
        #expect(parse(signature + [0x20, 0, 0, 0]) == .header(length: 16, client: nil))
        #expect(parse(signature + [0x31, 0x11, 0, 12] + four[16...]) == .malformed)
        #expect(parse(signature + [0x21, 0x11, 0xFF, 0xFF]) == .malformed)
        #expect(parse(signature + [0x21, 0x31, 0, 0]) == .malformed)
    }
}
