import FTPProtocol
import Testing

@Suite struct AddressTests {
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
        let network = try #require(IPAddress(text: "10.1.0.0".utf8))
        #expect(try #require(IPAddress(text: "10.1.255.9".utf8)).isInside(network, prefix: 16))
        #expect(try #require(IPAddress(text: "10.2.0.1".utf8)).isInside(network, prefix: 15) == false)
        #expect(try #require(IPAddress(text: "10.1.0.1".utf8)).isInside(network, prefix: 0))
        #expect(try #require(IPAddress(text: "::1".utf8)).isInside(network, prefix: 0) == false)
    }

    @Test func hostPort() {
        #expect(Endpoint(hostPort: bytes("192,0,2,1,200,10")[...])?.description == "192.0.2.1:51210")
        for bad in ["1,2,3,4,5", "1,2,3,4,5,256", "1,2,3,4,5,+6", "1,2,3,4,5,6,7", "1,2,3,4,,6", "1.2.3.4,5,6"] {
            #expect(Endpoint(hostPort: bytes(bad)[...]) == nil, "\(bad)")
        }
    }

    @Test func extendedHostPort() throws {
        #expect(try Endpoint(extended: bytes("|1|192.0.2.1|6275|")[...]).description == "192.0.2.1:6275")
        #expect(try Endpoint(extended: bytes("!2!2001:db8::1!6275!")[...]).description == "[2001:db8::1]:6275")
        #expect(throws: Endpoint.ExtendedError.protocolNumber) { try Endpoint(extended: bytes("|3|x|1|")[...]) }
        for bad in ["|1|::1|1|", "|2|1.2.3.4|1|", "|1|1.2.3.4|65536|", "|1|1.2.3.4|1", "1|1.2.3.4|1|", "||||", ""] {
            #expect(throws: Endpoint.ExtendedError.syntax, "\(bad)") { try Endpoint(extended: bytes(bad)[...]) }
        }
    }

    @Test func passiveReplies() throws {
        let endpoint = Endpoint(try #require(IPAddress(text: "192.0.2.1".utf8)), 51_210)
        #expect(text(endpoint.passiveReply().encoded) == "227 Entering Passive Mode (192,0,2,1,200,10).\r\n")
        #expect(
            text(Endpoint.extendedPassiveReply(port: 6_446).encoded)
                == "229 Entering Extended Passive Mode (|||6446|)\r\n")
    }
}
