import Testing
import Tobj

@Suite("the Tobj serializer")
struct SerializerTests {
    private func text(_ element: Element) -> String { String(decoding: element.serialized(), as: UTF8.self) }

    @Test(
        "golden bytes",
        arguments: [
            (Element("a"), "<a/>"), (Element("a", text: ""), "<a/>"), (Element("a", text: "x y"), "<a>x y</a>"),
            (Element("a", text: "<&>\""), "<a>&lt;&amp;&gt;&quot;</a>"),
            (Element("a", text: "caf\u{E9}"), "<a>caf&#xE9;</a>"),
            (Element("a", text: "1\r\n2"), "<a>1&#xD;&#xA;2</a>"),
            (Element("a", text: [0xFF, 0x00]), "<a enc=\"base64\">/wA=</a>"),
            (Element("a", text: "\u{65E5}\u{672C}\u{8A9E}"), "<a enc=\"base64\">5pel5pys6Kqe</a>"),
            (Element("a", [.init("b", "\"\n".utf8)]), "<a b=\"&quot;&#xA;\"/>"),
            (Element("a", children: [Element("b"), Element("c", text: "1")]), "<a><b/><c>1</c></a>"),
        ])
    func golden(_ element: Element, _ expected: String) throws {
        #expect(text(element) == expected)
        #expect(try parseTobj(element.serialized()) == element)
    }

    @Test("any bytes as text go through and back; the wire is one printable line")
    func anyBytes() throws {
        var random = Seeded(5)
        for round in 0..<2_000 {
            let count = Int.random(in: 0...60, using: &random)
            let range: ClosedRange<UInt8> = [0...255, 0x20...0x7E, 0x70...0x90][round % 3]
            let bytes = (0..<count).map { _ in UInt8.random(in: range, using: &random) }
            let element = Element("a", children: [Element("b", text: bytes), Element("c")])
            let wire = element.serialized()
            #expect(wire.allSatisfy { (0x20...0x7E).contains($0) })
            #expect(try parseTobj(wire) == element)
        }
    }

    @Test("whatever parses has one canonical form, which parses to the same: 20,000 mutated documents")
    func mutations() throws {
        let seeds = [
            "<tobj type=\"stage.create\" id=\"7f3a9c0de1b24865a0f1c2d3e4b5a697\" v=\"1\"><item product=\"p\" version=\"1\"/></tobj>",
            "<a b=\"&#x41;&quot;\" c=\"\">text &amp; &#xE9; more</a>",
            "<a>\r\n <b enc=\"base64\">AAECAw==</b>\t<c d=\"1\"/>\n</a>",
        ].map { Array($0.utf8) }
        let interesting = Array("<>&;\"=/!?# \n\tax0.-".utf8) + [0, 0x7F, 0x80, 0xFF]
        var random = Seeded(99)
        var parsed = 0
        for round in 0..<20_000 {
            var bytes = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                guard !bytes.isEmpty else { break }
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[place] = interesting.randomElement(using: &random) ?? 0
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(interesting.randomElement(using: &random) ?? 0, at: place)
                case 3: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...20, using: &random)))
                default:
                    let end = min(bytes.count, place + Int.random(in: 1...20, using: &random))
                    bytes.insert(contentsOf: bytes[place..<end], at: place)
                }
            }
            guard let element = try? parseTobj(bytes) else { continue }
            parsed += 1
            let canonical = element.serialized()
            let again = try parseTobj(canonical)
            #expect(again == element, "\(String(decoding: bytes, as: UTF8.self))")
            #expect(again.serialized() == canonical)
        }
        #expect(parsed > 1_000)
    }
}

/// SplitMix64, so that a failure can be repeated.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
