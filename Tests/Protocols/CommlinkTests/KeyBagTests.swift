import Crypto
import FFSModel
import Testing

@testable import Commlink

@Suite("key bags")
struct KeyBagTests {
    @Test("the published bag is read and written back byte for byte")
    func published() throws {
        let text = Array(try Vectors.ffs2().keybag.utf8)
        let bag = try KeyBag.parse(text)
        #expect(bag.id.description == "00000000000000a1")
        #expect(bag.id.isTest)
        #expect(bag.link == "test-vectors")
        #expect(bag.count == 31)
        #expect(bag.serialized() == text)
        #expect(bag.entry(forPort: 31).index == 0)
        #expect(bag.entry(forPort: 65_535).index == 65_535 % 31)
    }

    @Test("generated bags: odd parity, no weak key, not for tests, read back the same")
    func generated() throws {
        for seed in 0..<20 {
            let bag = try makeBag(UInt64(seed), count: 127)
            #expect(!bag.id.isTest)
            #expect(bag.count == 127)
            let text = bag.serialized()
            #expect(try KeyBag.parse(text).serialized() == text)
            for port in 0..<127 {
                let bits = bag.entry(forPort: UInt16(port)).key.bits
                for shift in stride(from: 0, to: 64, by: 8) {
                    #expect(!UInt8(truncatingIfNeeded: bits >> UInt64(shift)).nonzeroBitCount.isMultiple(of: 2))
                }
            }
        }
    }

    @Test("a host's own bag names it; several in one file are read one behind the other")
    func ofHosts() throws {
        var random = SystemRandomNumberGenerator()
        let node = try NodeName("storage-1")
        let bag = try KeyBag.generate(
            link: "storage-web", node: node, count: 31, created: Timestamp(seconds: 0), random: &random)
        let text = bag.serialized()
        let read = try KeyBag.parse(text)
        #expect(read.node == node && read.serialized() == text)
        #expect(lines(of: bag)[3] == "node storage-1")
        let other = try makeBag()
        #expect(other.node == nil)
        #expect(try KeyBag.parseAll(text + other.serialized()).map(\.id) == [bag.id, other.id])
        #expect(throws: KeyBagError.self) { _ = try KeyBag.parseAll(text + other.serialized().dropLast()) }
        #expect(throws: KeyBagError.self) { _ = try KeyBag.parseAll([]) }
        let bad = Array(String(decoding: text, as: UTF8.self).replacing("node storage-1", with: "node a b").utf8)
        #expect(throws: KeyBagError(.badNode, line: 4)) { _ = try KeyBag.parse(bad) }
    }

    @Test("a bag with an even or a small number of keys cannot be made", arguments: [0, 1, 29, 30, 32, 128, 65_537])
    func badCounts(_ count: Int) {
        #expect(throws: KeyBagError.self) { _ = try makeBag(1, count: count) }
    }

    @Test("half of the bag would go unused with an even number: with an odd one every key is met on even ports")
    func coverage() throws {
        let bag = try makeBag(1, count: 127)
        let met = Set(stride(from: 32_768, through: 60_999, by: 2).map { bag.entry(forPort: UInt16($0)).index })
        #expect(met.count == 127)
    }

    /// FIPS 74 and SP 800-67: the 4 weak and some of the 12 semi-weak keys.
    @Test(
        "weak and semi-weak keys are no keys",
        arguments: [
            0x0101_0101_0101_0101, 0xFEFE_FEFE_FEFE_FEFE, 0xE0E0_E0E0_F1F1_F1F1, 0x1F1F_1F1F_0E0E_0E0E,
            0x01FE_01FE_01FE_01FE, 0xFE01_FE01_FE01_FE01, 0x1FE0_1FE0_0EF1_0EF1, 0xE01F_E01F_F10E_F10E,
            0x01E0_01E0_01F1_01F1, 0xE001_E001_F101_F101, 0x1FFE_1FFE_0EFE_0EFE, 0xFE1F_FE1F_FE0E_FE0E,
            0x011F_011F_010E_010E, 0x1F01_1F01_0E01_0E01, 0xE0FE_E0FE_F1FE_F1FE, 0xFEE0_FEE0_FEF1_FEF1,
        ] as [UInt64])
    func weakKeys(_ bits: UInt64) {
        #expect(DESKey(bits: bits) == nil)
        // The same with a parity bit turned is no key either.
        #expect(DESKey(bits: bits ^ 1) == nil)
    }

    @Test("each fault in the file has its own error, with the line")
    func faults() throws {
        let good = try lines(of: makeBag())
        func reason(_ edit: (inout [String]) -> Void, fixDigest: Bool = true) -> KeyBagError? {
            var lines = good
            edit(&lines)
            if fixDigest {
                lines.removeLast()
                let body = lines.map { $0 + "\n" }.joined()
                lines.append("sha256 \(Hex.string(SHA256.hash(data: Array(body.utf8))))")
            }
            do {
                _ = try KeyBag.parse(Array(lines.map { $0 + "\n" }.joined().utf8))
                return nil
            } catch { return error }
        }
        #expect(reason { _ in } == nil)
        #expect(reason { $0[0] = "ffs-keybag 2" } == KeyBagError(.notAKeyBag, line: 1))
        #expect(reason { $0[0] += "\r" } == KeyBagError(.notAKeyBag, line: 1))
        #expect(reason { $0[1] = "id 5F0C9A4E1B7D2386" } == KeyBagError(.badID, line: 2))
        #expect(reason { $0[1] = "id  5f0c9a4e1b7d2386" } == KeyBagError(.badID, line: 2))
        #expect(reason { $0[2] = "link Web" } == KeyBagError(.badLink, line: 3))
        #expect(reason { $0[2] = "link ../etc" } == KeyBagError(.badLink, line: 3))
        #expect(reason { $0[3] = "created yesterday" } == KeyBagError(.badCreated, line: 4))
        #expect(reason { $0[4] = "keys 032" } == KeyBagError(.badCount, line: 5))
        #expect(reason { $0[4] = "keys 30" } == KeyBagError(.evenCount(30), line: 5))
        #expect(reason { $0[4] = "keys 29" } == KeyBagError(.countOutOfBounds(29), line: 5))
        #expect(reason { $0[4] = "keys 33" } == KeyBagError(.badEntry, line: 37))
        #expect(reason { $0[4] = "keys 99999999999999999999" } == KeyBagError(.badCount, line: 5))
        #expect(reason { $0.swapAt(5, 6) } == KeyBagError(.badEntry, line: 6))
        #expect(reason { $0[5] += " " } == KeyBagError(.badEntry, line: 6))
        #expect(reason { $0[5] = "0 0303030303030303 " + $0[5].suffix(64) } == KeyBagError(.badParity, line: 6))
        #expect(reason { $0[5] = "0 0101010101010101 " + $0[5].suffix(64) } == KeyBagError(.weakKey, line: 6))
        #expect(reason({ $0[36] = "sha1 00" }, fixDigest: false) == KeyBagError(.badTrailer, line: 37))
        #expect(
            reason(
                {
                    $0[7].removeLast(); $0[7] += "0"
                }, fixDigest: false)?.reason == .digestMismatch)
        #expect(reason({ $0.append("") }, fixDigest: false) == KeyBagError(.trailingBytes, line: 37))
    }

    @Test("cut anywhere, or with any byte changed, a bag is refused")
    func damage() throws {
        let text = try makeBag().serialized()
        for count in 0..<text.count {
            #expect(throws: KeyBagError.self) { _ = try KeyBag.parse(Array(text[..<count])) }
        }
        for place in stride(from: 0, to: text.count, by: 3) {
            var bytes = text
            bytes[place] ^= 1
            #expect(throws: KeyBagError.self) { _ = try KeyBag.parse(bytes) }
        }
    }

    @Test("current and next are live; previous until its deadline")
    func ring() throws {
        let bags = try (1...4).map { try makeBag(UInt64($0)) }
        let ring = KeyRing(
            current: bags[0], previous: (bags[1], Timestamp(seconds: 100)), next: bags[2])
        #expect(ring.bag(bags[0].id, now: 1_000)?.id == bags[0].id)
        #expect(ring.bag(bags[2].id, now: 1_000)?.id == bags[2].id)
        #expect(ring.bag(bags[1].id, now: 99)?.id == bags[1].id)
        #expect(ring.bag(bags[1].id, now: 100) == nil)
        #expect(ring.bag(bags[3].id, now: 0) == nil)
    }

    private func lines(of bag: KeyBag) -> [String] {
        String(decoding: bag.serialized(), as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
