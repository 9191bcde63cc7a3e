import FFSModel
import Testing

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("::", "::"), ("::1", "::1"), ("2001:DB8::1", "2001:db8::1"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1::", "1::"), ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
    ])
    func readsAndShows(given: String, shown: String) throws {
        let address = try #require(IPAddress(text: given.utf8))
        #expect(address.description == shown)
        #expect(IPAddress(bytes: address.bytes) == address)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.-4", ":", ":::", "1::2::3", "1:2:3:4:5:6:7",
        "12345::",
        "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", "localhost", "1:2:3:4:5:6:7::8", "::1.2.3", "1:",
    ])
    func refuses(given: String) { #expect(IPAddress(text: given.utf8) == nil) }

    @Test func networks() throws {
        func network(_ text: String) throws -> IPNetwork { try #require(IPNetwork(text: text.utf8), "\(text)") }
        func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text: text.utf8), "\(text)") }
        for (inside, text) in [
            ("10.1.255.9", "10.1.0.0/16"), ("10.1.255.9", "10.1.7.7/16"), ("10.1.0.1", "0.0.0.0/0"),
            ("2001:db8:1::9", "2001:db8::/32"), ("2001:db8:8000::", "2001:db8:8000::/33"), ("::1", "::/0"),
            ("2001:db8::1:0:0:1", "2001:db8::1:0:0:0/80"), ("::ffff:10.1.1.1", "10.0.0.0/8"), ("::1", "::1"),
        ] { #expect(try network(text).contains(address(inside)), "\(inside) in \(text)") }
        for (outside, text) in [
            ("10.2.0.1", "10.1.0.0/16"), ("::1", "0.0.0.0/0"), ("10.0.0.1", "::/0"), ("2001:db9::", "2001:db8::/32"),
            ("2001:db8::2:0:0:1", "2001:db8::1:0:0:0/80"), ("::2", "::1"), ("192.0.2.2", "192.0.2.1"),
        ] { #expect(try !network(text).contains(address(outside)), "\(outside) in \(text)") }
        #expect(try network("10.9.9.9/8").description == "10.0.0.0/8")
        #expect(try network("2001:db8::1").description == "2001:db8::1")
        for bad in ["", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/8/8", "10.0.0.0/-1", "balancer/8"] {
            #expect(IPNetwork(text: bad.utf8) == nil, "\(bad)")
        }
    }

    /// One grouping for every limit and lock-out.
    @Test(
        arguments: [
            ("192.0.2.1", "192.0.2.1", [192, 0, 2, 1]), ("::ffff:192.0.2.1", "192.0.2.1", [192, 0, 2, 1]),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", [0x20, 1, 0xD, 0xB8, 0, 1, 0, 2]),
            ("2001:db8:1:2::", "2001:db8:1:2::/64", [0x20, 1, 0xD, 0xB8, 0, 1, 0, 2]),
            ("2001:db8:1:3::", "2001:db8:1:3::/64", [0x20, 1, 0xD, 0xB8, 0, 1, 0, 3]),
        ] as [(String, String, [UInt8])])
    func sources(of address: String, shown: String, bytes: [UInt8]) throws {
        let source = try #require(IPAddress(text: address.utf8)).source
        #expect(source.description == shown && source.bytes == bytes)
    }
}
