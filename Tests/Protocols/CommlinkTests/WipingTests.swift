import FFSModel
import TestSupport
import Testing

@testable import Commlink

/// A handshake leaves no key behind: neither the bag's pre-shared key nor what was derived from it.
@Suite(.serialized) struct WipingTests {
    @Test func aHandshakeLeavesNoCopyOfThePSK() throws {
        let bag = try makeBag(41)
        func psk() -> [UInt8] { bag.entry(forPort: 40_000).psk }
        let secret = psk()
        let before = try MemoryCopies.count(of: secret)
        // The bag's own, and this test's.
        #expect(before == 2)
        let pair = try Pair(bag: bag)
        let after = try withExtendedLifetime(pair) { try MemoryCopies.count(of: secret) }
        #expect(after == before)
    }

    @Test func chainingKeysAreOverwritten() throws {
        let psk = try makeBag(42).entry(forPort: 40_000).psk
        var state = SymmetricState(prologue: [1], psk: psk)
        var seen: [[UInt8]] = []
        func note() {
            // Where it lies differs, so that only the state's own copy is left to count.
            seen.append(state.chainingKey.map { ~$0 })
        }
        note()
        state.mixKey([2])
        note()
        _ = state.split()
        for key in seen { #expect(try MemoryCopies.count(of: key.map { ~$0 }) <= 1) }
    }
}
