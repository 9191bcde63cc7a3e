import FFSModel
import Testing

@Suite struct ValueTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (1_795_219_199, "2026-11-20T23:59:59Z"),
        (-1, "1969-12-31T23:59:59Z"), (4_107_542_399, "2100-02-28T23:59:59Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
    ])
    func timestampsRoundTrip(_ seconds: Int64, _ text: String) {
        #expect(Timestamp(seconds: seconds).description == text)
        #expect(Timestamp(text) == Timestamp(seconds: seconds))
    }

    @Test func everyDayOfFourCenturiesRoundTrips() {
        for day in stride(from: Int64(-80_000), to: 80_000, by: 1) {
            let moment = Timestamp(seconds: day * 86_400 + 43_200)
            guard Timestamp(moment.description) == moment else {
                Issue.record("day \(day) does not round trip: \(moment)")
                return
            }
        }
    }

    @Test(arguments: [
        "", "2026-13-01", "2026-02-30", "2025-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00+", "2026-1-1", "yesterday!",
    ])
    func whatIsNoTimestamp(_ text: String) { #expect(Timestamp(text) == nil) }

    @Test func digests() throws {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        let digest = try #require(ContentDigest(hex))
        #expect(digest.description == hex)
        #expect(ContentDigest(bytes: digest.bytes) == digest)
        for bad in [String(hex.dropLast()), hex + "0", hex.uppercased(), String(hex.dropLast()) + "g"] {
            #expect(ContentDigest(bad) == nil)
        }
        #expect(ContentDigest(bytes: [UInt8](repeating: 0, count: 31)) == nil)
        #expect(ContentDigest(bytes: [UInt8](repeating: 0, count: 33)) == nil)
    }

    @Test func identifiers() {
        let id = ID128(high: 0x0123_4567_89AB_CDEF, low: 1)
        #expect(id.description == "0123456789abcdef0000000000000001")
        #expect(ID128(id.description) == id)
        #expect(ID128.random() != ID128.random())
        #expect(ID128("0123456789ABCDEF0000000000000001") == nil)
    }

    @Test(arguments: [ExpiryPolicy.finish, .cut, .grace(seconds: 1), .grace(seconds: 604_800)])
    func policies(_ policy: ExpiryPolicy) { #expect(ExpiryPolicy(policy.description) == policy) }

    @Test(arguments: ["", "Finish", "grace", "grace 0", "grace -1", "grace 604801", "grace 1 ", "cut "])
    func whatIsNoPolicy(_ text: String) { #expect(ExpiryPolicy(text) == nil) }

    @Test func base64IsCanonical() {
        for count in 0...100 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        #expect(Base64.encode(Array("foobar".utf8)).elementsEqual("Zm9vYmFy".utf8))  // RFC 4648 §10
        #expect(Base64.encode(Array("fooba".utf8)).elementsEqual("Zm9vYmE=".utf8))
        #expect(Base64.encode(Array("foob".utf8)).elementsEqual("Zm9vYg==".utf8))
        for bad in ["Zm9vYg=", "Zm9vYh==", "Zm9vYmF=", "Zm9v Yg==", "Zm9vYg==Zm9v", "=", "====", "Zm9=vYmE", "Zm9-"] {
            #expect(Base64.decode(Array(bad.utf8)) == nil, "\(bad)")
        }
    }

    @Test func retryClassesAndExitCodesCoverEveryFailure() {
        for code in FailureCode.allCases {
            #expect((64...78).contains(code.exitStatus))
            #expect(FailureCode(rawValue: code.rawValue) == code)
        }
    }
}
