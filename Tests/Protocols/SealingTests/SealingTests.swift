import FFSModel
import TestSupport
import Testing

@testable import Sealing

/// Sealed contents are what Debian's age opens, and nothing that it would not take for its own.
@Suite struct SealingTests {
    private static let key = FileKey(bytes: (0..<16).map { UInt8($0) })!
    private static let payload = ContentDigest(bytes: [UInt8](repeating: 0x5A, count: 32))!
    private static let secret = [UInt8](repeating: 0xC3, count: 32)
    private static let nonce = [UInt8](repeating: 0x77, count: 16)

    private func sealed(_ plain: [UInt8], for recipients: [Recipient]) throws -> [UInt8] {
        var out = try SealedHeader.composed(
            for: recipients, key: Self.key, secret: Self.secret, payload: Self.payload)
        var sealer = PayloadSealer(Self.key, nonce: Self.nonce)
        out += Self.nonce
        var rest = plain[...]
        repeat {
            let chunk = Array(rest.prefix(SealedPayload.chunk))
            rest = rest.dropFirst(chunk.count)
            out += try sealer.seal(chunk, isLast: rest.isEmpty)
        } while !rest.isEmpty
        return out
    }

    private func content(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) } }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 200_000])
    func debiansAgeOpensIt(size: Int) async throws {
        let scratch = try TemporaryDirectory("sealing")
        defer { scratch.remove() }
        try await command("age-keygen", "-o", scratch("key.txt")).succeeded()
        try await command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", scratch("ssh")).succeeded()
        let age = try await command("age-keygen", "-y", scratch("key.txt")).succeeded().output
        let recipients = [
            try Recipient(age.utf8), try Recipient(Files.bytes(scratch("ssh.pub"))),
        ]
        let plain = content(size)
        let file = try sealed(plain, for: recipients)
        #expect(file.count == 4_096 + Int(SealedPayload.size(of: UInt64(size))))
        try Files.write(file, to: scratch("content.age"))
        for identity in ["key.txt", "ssh"] {
            let opened = try await command("age", "-d", "-i", scratch(identity), scratch("content.age"))
            #expect(opened.status == 0 && opened.outputBytes == plain, "\(identity): \(opened.errorOutput)")
        }
    }

    @Test func theSameArgumentsGiveTheSameHeader() throws {
        let one = try Recipient("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj".utf8)
        func header(_ recipients: [Recipient], _ payload: ContentDigest = Self.payload) throws -> [UInt8] {
            try SealedHeader.composed(for: recipients, key: Self.key, secret: Self.secret, payload: payload)
        }
        #expect(try header([one]) == header([one]))
        #expect(try header([one]) != header([one], ContentDigest(bytes: [UInt8](repeating: 1, count: 32))!))
        for count in 1...60 {
            let header = try header([Recipient](repeating: one, count: count))
            #expect(SealedHeader.sizes.contains(header.count), "\(count)")
        }
        #expect(throws: Failure.self) { try header([Recipient](repeating: one, count: 200)) }
    }

    @Test func sizesAreOneToOne() {
        for plain: UInt64 in [0, 1, 15, 16, 65_535, 65_536, 65_537, 131_072, 10 << 30] {
            #expect(SealedPayload.plainSize(SealedPayload.size(of: plain)) == plain)
        }
        for none: UInt64 in [0, 16, 31, 16 + 65_552 + 16] { #expect(SealedPayload.plainSize(none) == nil) }
    }

    @Test func whatIsChangedDoesNotOpen() throws {
        var sealer = PayloadSealer(Self.key, nonce: Self.nonce)
        let first = try sealer.seal(content(SealedPayload.chunk), isLast: false)
        let last = try sealer.seal([1, 2, 3], isLast: true)
        func opens(_ chunks: [([UInt8], Bool)]) -> Bool {
            var opener = PayloadOpener(Self.key, nonce: Self.nonce)
            for (chunk, isLast) in chunks {
                do { _ = try opener.open(chunk, isLast: isLast) } catch { return false }
            }
            return true
        }
        #expect(opens([(first, false), (last, true)]))
        #expect(!opens([(first, true)]), "a beginning is no end")
        #expect(!opens([(last, true)]), "another place")
        #expect(!opens([(first, false), (last, false)]))
        for bit in 0..<8 * last.count {
            var changed = last
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(!opens([(first, false), (changed, true)]))
        }
    }

    @Test func foreignKeysAreRefusedInASentence() throws {
        for (text, words) in [
            ("", "no key"), ("hello", "no public key"), ("ssh-rsa AAAA", "kind ssh-rsa"),
            ("ecdsa-sha2-nistp256 AAAA", "kind ecdsa"), ("sk-ssh-ed25519@openssh.com AAAA", "kind sk-"),
            ("age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt", "damaged or of a kind"),
            ("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwk", "damaged"),
            ("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX", "private key"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA", "damaged"),
        ] {
            do {
                _ = try Recipient(text.utf8)
                Issue.record("taken: \(text)")
            } catch { #expect(error.text.contains(words), "\(text): \(error.text)") }
        }
    }

    @Test func pointsOfLowOrderAreRefused() throws {
        let label: [UInt8] = [0, 0, 0, 11] + Array("ssh-ed25519".utf8) + [0, 0, 0, 32]
        for (place, value): (Int, UInt8) in [(0, 0), (0, 1)] {
            var point = [UInt8](repeating: 0, count: 32)
            point[place] = value
            #expect(throws: Failure.self) { try Recipient(Bech32.encode(point, prefix: "age").utf8) }
            let line = "ssh-ed25519 " + String(decoding: Base64.encode(label + point), as: UTF8.self)
            #expect(throws: Failure.self) { try Recipient(line.utf8) }
        }
        // Not on the curve: y = 2.
        let off = Base64.encode(label + [2] + [UInt8](repeating: 0, count: 31))
        #expect(throws: Failure.self) { try Recipient(("ssh-ed25519 " + String(decoding: off, as: UTF8.self)).utf8) }
    }
}
