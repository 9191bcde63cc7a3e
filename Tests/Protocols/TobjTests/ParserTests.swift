import Testing
import Tobj

@Suite("the Tobj parser")
struct ParserTests {
    private func parse(_ text: String, _ limits: TobjLimits = TobjLimits()) throws(TobjError) -> Element {
        try parseTobj(Array(text.utf8), limits: limits)
    }

    private func reason(_ text: String, _ limits: TobjLimits = TobjLimits()) -> TobjError.Reason? {
        do {
            _ = try parse(text, limits)
            return nil
        } catch { return error.reason }
    }

    @Test("elements, attributes, text, white space")
    func structure() throws {
        let root = try parse(
            """
             <tobj type="stage.create"  v = "1" >
            """.replacing(" = ", with: "=")
                + "\r\n\t<item product=\"p\" version=\"1\"/>\n<item  product=\"q\" version=\"2\" />\n<ttl unit=\"s\"> 86400 </ttl >\n<none></none></tobj>\r\n"
        )
        #expect(root.name == "tobj")
        #expect(root.attribute("type") == Array("stage.create".utf8))
        #expect(root.children.map(\.name) == ["item", "item", "ttl", "none"])
        #expect(root.children("item").map { $0.attribute("version") } == [[0x31], [0x32]])
        #expect(root.child("ttl")?.string == " 86400 ")
        #expect(root.child("none")?.text == [])
        #expect(root.text == [])
    }

    @Test(
        "references",
        arguments: [
            ("&amp;&lt;&gt;&quot;", "&<>\""), ("&#x41;&#xe9;&#x1F600;", "A\u{E9}\u{1F600}"),
            ("&#xA;&#xD;&#x9;", "\n\r\t"),
            ("&#x0;", "\0"), ("&#x10FFFF;", "\u{10FFFF}"), ("&#x00041;", "A"),
        ])
    func references(_ text: String, _ value: String) throws {
        #expect(try parse("<a>\(text)</a>").string == value)
        #expect(try parse("<a b=\"\(text)\"/>").attribute("b") == Array(value.utf8))
    }

    @Test(
        "what is no reference",
        arguments: [
            "&", "&;", "&amp", "&AMP;", "&apos;", "&nbsp;", "&#65;", "&#x;", "&#xG;", "&#x+1;", "&#x-1;", "&#xD800;",
            "&#xDFFF;", "&#x110000;", "&#x0000041;", "&#x FF;", "&am p;", "&&amp;",
        ])
    func badReferences(_ text: String) {
        #expect(reason("<a>\(text)</a>") == .badReference)
        #expect(reason("<a b=\"\(text)\"/>") == .badReference)
    }

    @Test(
        "malformed documents, each with its reason",
        arguments: [
            ("", .empty), (" \r\n", .empty), ("x", .badTag), ("<", .unexpectedEnd), ("<a", .unexpectedEnd),
            ("<a>", .unexpectedEnd), ("<a><b></a>", .mismatchedEnd), ("<a></b>", .mismatchedEnd), ("</a>", .badName),
            ("<A/>", .badName), ("<1/>", .badName), ("<-a/>", .badName), ("< a/>", .badName), ("<a_b/>", .badAttribute),
            ("<a/ >", .badTag), ("<a//>", .badTag), ("<a/><b/>", .trailingBytes), ("<a/>x", .trailingBytes),
            ("<a/>\0", .trailingBytes), ("<a>x<b/></a>", .mixedContent), ("<a><b/>x</a>", .mixedContent),
            ("<a>></a>", .badTag), ("<a b/>", .badAttribute), ("<a b=/>", .badAttribute), ("<a b='x'/>", .badAttribute),
            ("<a b=x/>", .badAttribute), ("<a b=\"x\"c=\"y\"/>", .badAttribute), ("<a b =\"x\"/>", .badAttribute),
            ("<a b=\"<\"/>", .badAttribute), ("<a b=\">\"/>", .badAttribute), ("<a b=\"x/>", .badAttribute),
            ("<a b=\"1\" b=\"1\"/>", .duplicateAttribute), ("<a b=\"\t\"/>", .notASCII), ("<a b=\"\n\"/>", .notASCII),
            ("<a>\u{E9}</a>", .notASCII), ("<a>\0</a>", .notASCII), ("<a>\u{7F}</a>", .notASCII),
            ("<a>\u{1B}</a>", .notASCII), ("<!-- x --><a/>", .markup), ("<?xml version=\"1.0\"?><a/>", .markup),
            ("<!DOCTYPE a><a/>", .markup), ("<a><!-- x --></a>", .markup), ("<a><![CDATA[x]]></a>", .markup),
            ("<a><?x?></a>", .markup), ("\u{FEFF}<a/>", .badTag),
        ] as [(String, TobjError.Reason)])
    func malformed(_ text: String, _ expected: TobjError.Reason) {
        #expect(reason(text) == expected)
    }

    @Test("base64 text")
    func base64() throws {
        let element = try parse("<a enc=\"base64\" b=\"1\">AP8=</a>")
        #expect(element.text == [0x00, 0xFF])
        #expect(element.attributes == [.init("b", "1".utf8)])
        #expect(try parse("<a enc=\"base64\"></a>").text == [])
        for text in ["AP8", "AP9=", "AP8==", " AP8=", "AP8=\n", "AP-_", "=", "A", "AP8=AP8="] {
            #expect(reason("<a enc=\"base64\">\(text)</a>") == .badBase64, "\(text)")
        }
        #expect(reason("<a enc=\"hex\">00</a>") == .badBase64)
    }

    @Test("limits hold exactly")
    func limits() {
        func nested(_ depth: Int) -> String {
            String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
        }
        #expect(reason(nested(16)) == nil)
        #expect(reason(nested(17)) == .tooDeep)
        // A bomb of depth is refused long before the stack is.
        #expect(reason(nested(100_000)) == .tooDeep)
        func wide(_ count: Int) -> String { "<a>" + String(repeating: "<b/>", count: count - 1) + "</a>" }
        #expect(reason(wide(4_096)) == nil)
        #expect(reason(wide(4_097)) == .tooManyElements)
        func attributes(_ count: Int) -> String { "<a" + (0..<count).map { " a\($0)=\"\"" }.joined() + "/>" }
        #expect(reason(attributes(64)) == nil)
        #expect(reason(attributes(65)) == .tooManyAttributes)
        func long(_ size: Int) -> String { "<a>" + String(repeating: "x", count: size - 7) + "</a>" }
        #expect(reason(long(1 << 20)) == nil)
        #expect(reason(long(1 << 20 + 1)) == .tooLarge)
        var small = TobjLimits()
        small.size = 10
        #expect(reason("<a>123</a>", small) == nil)
        #expect(reason("<a>1234</a>", small) == .tooLarge)
    }

    @Test("an error says where")
    func offsets() {
        for (text, offset) in [("<a>\u{1}</a>", 3), ("  x", 2), ("<a b=\"1\" b=\"2\"/>", 9), ("<a>&x;</a>", 3)] {
            let error = #expect(throws: TobjError.self) { _ = try parse(text) }
            #expect(error?.offset == offset)
        }
    }

    @Test("a document cut anywhere is an error, never a crash")
    func cuts() {
        let text = Array("<tobj a=\"&#x41;\"><b>x&amp;y</b><c enc=\"base64\">AAAA</c><d/></tobj>".utf8)
        for count in 0..<text.count {
            #expect(throws: TobjError.self) { _ = try parseTobj(Array(text[..<count])) }
        }
    }

    @Test("time is linear: a megabyte of the worst kinds")
    func linear() throws {
        let size = 1 << 20
        for unit in ["&#x1F600;", "&amp;", "x", " "] {
            let text = "<a>" + String(repeating: unit, count: (size - 7) / unit.utf8.count) + "</a>"
            let start = ContinuousClock.now
            _ = try parse(text)
            // Quadratic would take minutes.
            #expect(ContinuousClock.now - start < .seconds(20))
        }
        #expect(reason("<a " + String(repeating: "&", count: size - 10)) == .badName)
        #expect(reason("<a b=\"" + String(repeating: "&", count: size - 10)) == .badReference)
    }
}
