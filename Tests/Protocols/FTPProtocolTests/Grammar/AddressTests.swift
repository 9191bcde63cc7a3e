import FFSModel
import FTPProtocol
import Testing

@Suite struct AddressTests {
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
