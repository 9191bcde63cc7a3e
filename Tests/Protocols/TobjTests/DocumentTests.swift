import FFSModel
import Testing
import Tobj

@Suite("requests and replies as documents")
struct DocumentTests {
    private let id = RequestID(high: 1, low: 2)

    private func parse(_ text: String) throws(Failure) -> Document { try Document(bytes: Array(text.utf8)) }

    @Test("golden bytes of a request, a reply, an error")
    func golden() {
        func text(_ document: Document) -> String { String(decoding: document.serialized(), as: UTF8.self) }
        let request = Document(
            request: "stage.status", id: id, trace: TraceID(high: 3, low: 4), body: [.field("account", "abc")])
        let head = "id=\"00000000000000010000000000000002\" v=\"1\" trace=\"00000000000000030000000000000004\""
        #expect(text(request) == "<tobj type=\"stage.status\" \(head)><account>abc</account></tobj>")
        #expect(
            text(request.reply([.field("ttl", 5, unit: "s")]))
                == "<tobj type=\"stage.status.reply\" \(head) status=\"ok\"><ttl unit=\"s\">5</ttl></tobj>")
        #expect(
            text(request.reply(Failure(.busy, "later, please", cause: "not on the wire", retryAfter: 7)))
                == "<tobj type=\"stage.status.reply\" \(head) status=\"error\">"
                + "<error code=\"busy\" retry=\"later\" after=\"7\">later, please</error></tobj>")
    }

    @Test("every code survives, with text and time, without the cause", arguments: FailureCode.allCases)
    func errors(_ code: FailureCode) throws {
        let failure = Failure(code, "text <&> \u{E9}", cause: "secret", retryAfter: 3)
        let bytes = Document(request: "x", id: id).reply(failure).serialized()
        #expect(!String(decoding: bytes, as: UTF8.self).contains("secret"))
        let reply = try Document(bytes: bytes)
        let received = #expect(throws: Failure.self) { _ = try reply.success() }
        #expect(received?.code == code && received?.text == "text <&> \u{E9}" && received?.retryAfter == 3)
        #expect(received?.cause == nil)
    }

    @Test("a code this release does not know is an internal error, not a crash")
    func unknownCode() throws {
        let reply = try parse(
            "<tobj type=\"x.reply\" id=\"\(id)\" v=\"1\" status=\"error\"><error code=\"new\">t</error></tobj>")
        let failure = #expect(throws: Failure.self) { _ = try reply.success() }
        #expect(failure?.code == .internal && failure?.text == "t")
    }

    @Test("a request is not a reply")
    func requestAsReply() throws {
        let request = try parse("<tobj type=\"x\" id=\"\(id)\" v=\"1\"/>")
        #expect(request.status == nil)
        #expect(throws: Failure.self) { _ = try request.success() }
    }

    @Test(
        "what is not a document is a bad request",
        arguments: [
            "", "<a/>", "<tobj/>", "<tobj type=\"x\" v=\"1\"/>", "<tobj type=\"x\" id=\"{id}\"/>",
            "<tobj type=\"x\" id=\"{id}\" v=\"2\"/>", "<tobj type=\"x\" id=\"{id}\" v=\"01\"/>",
            "<tobj id=\"{id}\" v=\"1\"/>", "<tobj type=\"\" id=\"{id}\" v=\"1\"/>",
            "<tobj type=\"x\" id=\"\" v=\"1\"/>",
            "<tobj type=\"x\" id=\"{id}0\" v=\"1\"/>",
            "<tobj type=\"x\" id=\"ABCDEF00000000000000000000000000\" v=\"1\"/>",
            "<tobj type=\"x\" id=\"{id}\" v=\"1\" trace=\"1\"/>",
            "<tobj type=\"x\" id=\"{id}\" v=\"1\" status=\"fine\"/>",
            "<tobj type=\"x\" id=\"{id}\" v=\"1\" status=\"error\"/>", "<tobj type=\"x\" id=\"{id}\" v=\"1\">text",
        ])
    func malformed(_ template: String) {
        let failure = #expect(throws: Failure.self) { _ = try parse(template.replacing("{id}", with: "\(id)")) }
        #expect(failure?.code == .badRequest)
    }

    @Test("a type has at most 64 bytes")
    func longType() throws {
        func document(_ count: Int) -> String {
            "<tobj type=\"\(String(repeating: "x", count: count))\" id=\"\(id)\" v=\"1\"/>"
        }
        #expect(try parse(document(64)).type.utf8.count == 64)
        #expect(throws: Failure.self) { _ = try parse(document(65)) }
    }
}

@Suite("fields by name")
struct FieldsTests {
    private func fields(_ elements: Element...) -> Fields { Fields(elements, of: "stage.create") }

    @Test("what is wrong is named")
    func errors() throws {
        func text(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "nothing wrong"
            } catch { return "\(error)" }
        }
        #expect(text { _ = try fields().text("ttl") } == "stage.create needs a <ttl> field")
        #expect(text { try fields(Element("tll")).allowOnly(["ttl"]) } == "stage.create has no field <tll>")
        for value in ["", "x", "1.5", "0x10", "5 ", "99999999999999999999999", "11", "-1"] {
            #expect(
                text { _ = try fields(.field("ttl", value)).integer("ttl", in: 0...10) }
                    == "stage.create: <ttl> must be a whole number from 0 to 10", "\(value)")
        }
        #expect(text { _ = try fields(Element("t", text: [0xFF])).text("t") } == "stage.create: <t> is not UTF-8")
        #expect(text { _ = try fields(.field("t", "soon")).timestamp("t") } == "stage.create: <t> is malformed")
        #expect(
            text { _ = try fields(.field("customer", "../etc")).name("customer", as: CustomerName.self) }
                .hasPrefix("stage.create: <customer>: a customer name starts with"))
        #expect(text { _ = try fields().items() } == "stage.create needs at least one <item>")
        #expect(
            text { _ = try fields(Element("item", [.init("product", "p".utf8)])).items() }
                .hasPrefix("stage.create: <item>: a version"))
    }

    @Test(
        "names refuse what paths, logs and pages could read as syntax",
        arguments: [
            "", ".", "..", ".x", "-x", "a/b", "a\\b", "a b", "a\0b", "a\nb", "a\r\nb", "a\u{1B}b", "a\u{7F}b",
            "caf\u{E9}",
            "a'b", "a\"b", "a<b", "a&b", "a;b", "a$b", "a*b", String(repeating: "x", count: 65),
            String(repeating: "x", count: 5_000),
        ])
    func names(_ text: String) {
        #expect(throws: NameError.self) { _ = try CustomerName(text) }
        #expect(throws: NameError.self) { _ = try ProductName(text) }
        #expect(throws: NameError.self) { _ = try VersionName(text) }
    }

    private func refusal(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "nothing wrong"
        } catch { return "\(error)" }
    }

    @Test(
        "nothing that was sent is ignored",
        arguments: [
            ("<ttl>+600</ttl>", "a whole number"), ("<ttl>0600</ttl>", "a whole number"),
            ("<ttl>-0</ttl>", "a whole number"), ("<ttl unit=\"h\">600</ttl>", "in the unit \"s\" alone"),
            ("<ttl>600</ttl><ttl>60</ttl>", "<ttl> stands twice"), ("<ttl unix=\"s\">600</ttl>", "no attribute unix"),
            ("<order unit=\"s\">600</order>", "a value without a unit"), ("<flag x=\"\"/>", "no attribute x"),
            ("<item product=\"p\" version=\"1\" force=\"1\"/>", "no attribute force"),
        ])
    func strict(_ sent: String, _ expected: String) throws {
        let root = try parseTobj(Array("<a>\(sent)</a>".utf8))
        let fields = Fields(root.children, of: "test")
        #expect(
            refusal {
                try fields.allowOnly(["ttl", "order", "flag", "item"])
                _ = try fields.integer("ttl", in: 0...1_000)
            }.contains(expected))
        // Where only one field is looked at, as in replies, that one is as strict.
        guard sent.hasPrefix("<ttl") else { return }
        #expect(refusal { _ = try fields.integer("ttl", in: 0...1_000) }.contains(expected))
    }

    @Test("what is sent as it should be is read")
    func plain() throws {
        let text =
            "<a><ttl unit=\"s\">600</ttl><item product=\"p\" version=\"1\"/><item product=\"q\" version=\"1\"/></a>"
        let fields = Fields(try parseTobj(Array(text.utf8)).children, of: "test")
        try fields.allowOnly(["ttl", "item"])
        #expect(try fields.integer("ttl", in: 0...1_000) == 600)
        #expect(try fields.items().count == 2)
        #expect(throws: Failure.self) {
            let id = "0123456789abcdef0123456789abcdef"
            _ = try Document(bytes: Array("<tobj type=\"ping\" id=\"\(id)\" v=\"1\" urgent=\"yes\"/>".utf8))
        }
    }

    @Test("absent and present")
    func optional() throws {
        #expect(try fields().optionalText("t") == nil)
        #expect(try fields(.field("t", "")).optionalText("t") == "")
        #expect(try fields(.field("t", 5)).integer("t", in: 5...5) == 5)
        #expect(fields(.field("t", "a"), .field("t", "b")).all("t").count == 2)
    }
}
