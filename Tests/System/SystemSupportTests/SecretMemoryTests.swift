import SystemSupport
import TestSupport
import Testing

@Suite(.serialized) struct SecretMemoryTests {
    /// A password of 96 bytes that is nowhere else.
    private static func secret() -> [UInt8] { randomBytes(96) }

    @Test func copiesAreFound() throws {
        let secret = Self.secret()
        let before = try MemoryCopies.count(of: secret)
        let second = secret.map(\.self)
        #expect(before >= 1)
        let after = try withExtendedLifetime(second) { try MemoryCopies.count(of: secret) }
        #expect(after == before + 1)
    }

    @Test func aPasswordGoesWithItsLastReference() throws {
        let secret = Self.secret()
        let before = try MemoryCopies.count(of: secret)
        func hold() throws -> Int {
            let held = SecretBytes(secret)
            return try withExtendedLifetime(held) { try MemoryCopies.count(of: secret) }
        }
        #expect(try hold() == before + 1)
        #expect(try MemoryCopies.count(of: secret) == before)
    }

    @Test func whatIsWipedIsGone() throws {
        let secret = Self.secret()
        let before = try MemoryCopies.count(of: secret)
        var copy = secret.map(\.self)
        SecretMemory.wipe(&copy)
        #expect(try MemoryCopies.count(of: secret) == before)
        #expect(copy.allSatisfy { $0 == 0 })
        copy = secret.map(\.self)
        SecretMemory.wipe(&copy, ..<90)
        #expect(copy[..<90].allSatisfy { $0 == 0 } && copy[90...].elementsEqual(secret[90...]))
    }
}
