import FFSModel
import Testing

@testable import HTTPDownload

@Suite struct FileAnswerTests {
    private static let digest = ContentDigest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    private static let tag = "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\""
    private static let date = "Sun, 06 Nov 1994 08:49:37 GMT"

    private func answer(_ change: (inout RequestConditions) -> Void = { _ in }) -> FileAnswer {
        var conditions = RequestConditions()
        change(&conditions)
        let file = FileFacts(
            name: Array("a.iso".utf8), size: 1_000, modified: Timestamp(seconds: 784_111_777), digest: Self.digest,
            mediaType: "application/x-iso9660-image")
        return FileAnswer(to: conditions, of: file, boundary: "BOUNDARY")
    }

    private func field(_ name: String, of answer: FileAnswer) -> String? {
        answer.fields.first { $0.name == name }?.value
    }

    @Test func aWholeFile() {
        let answer = answer()
        #expect(answer.status == 200 && answer.body == [.file(0..<1_000)])
        #expect(field("content-length", of: answer) == "1000")
        #expect(field("etag", of: answer) == Self.tag)
        #expect(field("last-modified", of: answer) == Self.date)
        #expect(field("repr-digest", of: answer) == "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")
        #expect(field("content-disposition", of: answer) == "attachment; filename=\"a.iso\"")
    }

    @Test func oneRange() {
        let answer = answer { $0.range = Array("bytes=10-19".utf8) }
        #expect(answer.status == 206 && answer.body == [.file(10..<20)])
        #expect(field("content-range", of: answer) == "bytes 10-19/1000")
        #expect(field("content-length", of: answer) == "10")
    }

    @Test func severalRanges() {
        let answer = answer { $0.range = Array("bytes=0-0,-1".utf8) }
        #expect(answer.status == 206)
        #expect(field("content-type", of: answer) == "multipart/byteranges; boundary=BOUNDARY")
        let first =
            "--BOUNDARY\r\ncontent-type: application/x-iso9660-image\r\ncontent-range: bytes 0-0/1000\r\n\r\n"
        #expect(answer.body.first == .bytes(Array(first.utf8)))
        #expect(answer.body.last == .bytes(Array("\r\n--BOUNDARY--\r\n".utf8)))
        #expect(
            answer.body.filter { if case .file = $0 { true } else { false } } == [.file(0..<1), .file(999..<1_000)])
        #expect(field("content-length", of: answer) == "\(answer.contentLength)")
    }

    @Test func aRangeOutside() {
        let answer = answer { $0.range = Array("bytes=1000-".utf8) }
        #expect(answer.status == 416 && answer.body.isEmpty)
        #expect(field("content-range", of: answer) == "bytes */1000")
    }

    @Test(arguments: [
        (tag, 206), (date, 206), ("\"other\"", 200), ("W/" + tag, 200), ("Mon, 07 Nov 1994 08:49:37 GMT", 200),
    ])
    func ifRange(_ value: String, _ status: Int) {
        let answer = answer {
            $0.range = Array("bytes=0-0".utf8)
            $0.ifRange = Array(value.utf8)
        }
        #expect(answer.status == status)
    }

    @Test(arguments: [(tag, 304), ("W/" + tag, 304), ("*", 304), ("\"a\", " + tag, 304), ("\"a\"", 200)])
    func ifNoneMatch(_ value: String, _ status: Int) {
        let answer = answer { $0.ifNoneMatch = Array(value.utf8) }
        #expect(answer.status == status)
        #expect(status != 304 || answer.body.isEmpty && field("content-length", of: answer) == nil)
    }

    @Test(arguments: [(tag, 200), ("*", 200), ("W/" + tag, 412), ("\"a\"", 412)])
    func ifMatch(_ value: String, _ status: Int) {
        #expect(answer { $0.ifMatch = Array(value.utf8) }.status == status)
    }

    @Test func dates() {
        #expect(answer { $0.ifModifiedSince = Array(Self.date.utf8) }.status == 304)
        #expect(answer { $0.ifModifiedSince = Array("Sat, 05 Nov 1994 08:49:37 GMT".utf8) }.status == 200)
        #expect(answer { $0.ifModifiedSince = Array("nonsense".utf8) }.status == 200)
        #expect(answer { $0.ifUnmodifiedSince = Array("Sat, 05 Nov 1994 08:49:37 GMT".utf8) }.status == 412)
    }

    @Test func namesCannotLeaveTheirField() {
        #expect(
            FileAnswer.disposition(Array("a\"b\r\nX: é".utf8))
                == "attachment; filename=\"a_b__X: __\"; filename*=UTF-8''a%22b%0D%0AX%3A%20%C3%A9")
    }
}

@Suite struct DirectoryPageTests {
    private let entry = ListingEntry(
        name: Array("<script>\"&'\u{202E}".utf8), kind: .file, size: 1_536, modified: Timestamp(seconds: 0),
        mode: 0o444,
        digest: ContentDigest(bytes: [UInt8](repeating: 1, count: 32)))

    @Test func namesAreEscapedInPages() {
        var out: [UInt8] = []
        DirectoryPage.htmlRow(entry, into: &out)
        let text = String(decoding: out, as: UTF8.self)
        #expect(text.contains("href=\"./%3Cscript%3E%22%26%27%E2%80%AE\""))
        #expect(text.contains(">&lt;script&gt;&quot;&amp;&#39;\u{FFFD}</a>"))
        #expect(text.contains("<td>1.5 KiB</td><td>1970-01-01 00:00</td>"))
    }

    @Test func namesAreEscapedInJSON() {
        var out: [UInt8] = []
        DirectoryPage.jsonRow(entry, isFirst: true, into: &out)
        let text = String(decoding: out, as: UTF8.self)
        #expect(text.contains("\"name\":\"<script>\\\"&'\\u202e\"") && text.contains("\"size\":1536"))
        #expect(!text.contains("nameBase64"))
        out = []
        let latin = ListingEntry(name: [0xFF], kind: .directory, size: 0, modified: Timestamp(seconds: 0), mode: 0o555)
        DirectoryPage.jsonRow(latin, isFirst: false, into: &out)
        #expect(String(decoding: out, as: UTF8.self).contains("\"nameBase64\":\"/w==\",\"type\":\"directory\""))
    }

    @Test(arguments: [
        (UInt64(0), "0 B"), (1_023, "1023 B"), (1_024, "1 KiB"), (2_147_483_648, "2 GiB"), (123_456_789, "117.7 MiB"),
    ])
    func sizes(_ size: UInt64, _ text: String) {
        #expect(DirectoryPage.readable(size) == (size == 123_456_789 ? "118 MiB" : text))
    }
}
