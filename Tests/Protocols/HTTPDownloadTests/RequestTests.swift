import FFSModel
import HTTPDownload
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct ByteRangesTests {
    @Test(arguments: [
        ("bytes=0-0", [0..<1]), ("bytes=0-", [0..<100]), ("Bytes=10-19", [10..<20]), ("bytes=-5", [95..<100]),
        ("bytes=-500", [0..<100]), ("bytes=90-200", [90..<100]), ("bytes=0-1, 5-6 ,,99-", [0..<2, 5..<7, 99..<100]),
        ("bytes=200-300,1-1", [1..<2]), ("bytes=99-18446744073709551616", [99..<100]),
    ])
    func partsAreInsideTheFile(_ value: String, _ parts: [Range<Int>]) {
        #expect(ByteRanges.select(bytes(value), size: 100) == .parts(parts))
    }

    @Test(arguments: [
        "", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=+1-2", "bytes=1--2", "chunks=0-1",
        "bytes=0x1-2", "bytes=1", "bytes=0-1,x",
    ])
    func whatIsMalformedIsIgnored(_ value: String) {
        #expect(ByteRanges.select(bytes(value), size: 100) == .whole)
    }

    @Test(arguments: ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=9223372036854775808-"])
    func whatIsOutsideIsUnsatisfiable(_ value: String) {
        #expect(ByteRanges.select(bytes(value), size: 100) == .unsatisfiable)
    }

    @Test func manyOrOverlappingRangesAreServedWhole() {
        let many = "bytes=" + (0..<17).map { "\($0)-\($0)" }.joined(separator: ",")
        #expect(ByteRanges.select(bytes(many), size: 100) == .whole)
        #expect(ByteRanges.select(bytes("bytes=0-,0-,0-"), size: 100) == .whole)
        #expect(ByteRanges.select(bytes("bytes=0-0"), size: 0) == .unsatisfiable)
    }
}

@Suite struct TargetTests {
    private static let account = "abcdefghij234567"

    @Test func pathsAreDecoded() throws {
        let target = try Target(bytes("/a/\(Self.account)/dir/a%20b%C3%A9?x=1&format=json"))
        #expect(target.account.text == Self.account)
        #expect(target.path.bytes == bytes("/dir/a bé"))
        #expect(target.wantsJSON && !target.isDirectory && target.link == nil)
        #expect(try Target(bytes("/a/\(Self.account)/x?format=json&link=1-ab&link=2")).link == bytes("1-ab"))
        #expect(try Target(bytes("/a/\(Self.account)/link=x")).link == nil)
        #expect(try Target(bytes("/a/\(Self.account)/dir/")).isDirectory)
        #expect(try Target(bytes("/a/\(Self.account)")).path == .root)
        #expect(try Target(bytes("/a/\(Self.account)/x%FF")).path.bytes == bytes("/x") + [0xFF])
    }

    @Test(arguments: [
        "", "a", "*", "/a/x%", "/a/x%2", "/a/x%zz", "/a/\(account)/x%00", "/a/\(account)/x%0d%0aSet-Cookie:", "/a b",
        "/a/\(account)/a%2Fb", "/a/\(account)/\u{E9}", "http://h/a/\(account)/x",
    ])
    func malformed(_ text: String) { #expect(throws: Target.Refusal.malformed) { try Target(bytes(text)) } }

    @Test(arguments: [
        "/", "/b/\(account)/x", "/a/", "/a/../x", "/a/UPPER/x", "/a/\(account)/../x", "/a/\(account)/x/%2e%2e/y",
        "/a/\(account)/" + String(repeating: "x/", count: 3_000),
    ])
    func notFound(_ text: String) { #expect(throws: Target.Refusal.notFound) { try Target(bytes(text)) } }

    @Test func encodingIsTheInverse() throws {
        let name = (UInt8(1)...255).filter { $0 != 0x2F && $0 != 0x0A && $0 != 0x0D }
        let target = try Target(bytes("/a/\(Self.account)/\(Target.encode(name))"))
        #expect(target.path.bytes == [0x2F] + name)
    }
}

@Suite struct BasicCredentialsTests {
    @Test func credentials() throws {
        let given = try #require(BasicCredentials(bytes("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")))  // RFC 7617 §2
        #expect(given.user == bytes("Aladdin") && given.password == bytes("open sesame"))
        #expect(BasicCredentials(bytes("bAsIc   YTo6"))?.password == bytes(":"))
    }

    @Test(arguments: ["", "Basic", "Basic ", "Basic YQ==", "Bearer YTpi", "Basic YTpi=", "Basic Y T p i"])
    func whatIsNone(_ value: String) { #expect(BasicCredentials(bytes(value)) == nil) }
}

@Suite struct HTTPDateTests {
    @Test func theExampleOfTheRFC() {
        let time = Timestamp(seconds: 784_111_777)
        #expect(HTTPDate.format(time) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.parse(bytes("Sun, 06 Nov 1994 08:49:37 GMT")) == time)
        #expect(HTTPDate.format(Timestamp(seconds: -1)) == "Wed, 31 Dec 1969 23:59:59 GMT")
    }

    @Test(arguments: [
        "", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
    ])
    func whatIsNone(_ text: String) { #expect(HTTPDate.parse(bytes(text)) == nil) }
}
