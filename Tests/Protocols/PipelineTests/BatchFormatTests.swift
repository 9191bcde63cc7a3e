import Events
import FFSModel
import Pipeline
import Testing

@Suite struct BatchFormatTests {
    private let node = NodeName(validated: "storage-1")
    private let nonce = ID128("0f0e0d0c0b0a09080706050403020100")!

    private var batch: ProducerBatch {
        ProducerBatch(
            node: node, incarnation: ID128("ffeeddccbbaa99887766554433221100")!,
            segment: ID128("00112233445566778899aabbccddeeff")!, stream: "ffsstaged", start: .start,
            records: [
                ProducerBatch.Record(offset: 4_096, bytes: Array("hello".utf8)),
                ProducerBatch.Record(offset: 4_136, bytes: [9]),
            ], gaps: [4_112..<4_136], end: 4_152, isSealedEnd: false)
    }

    @Test func goldenBytes() throws {
        let hex =
            "01" + "ffeeddccbbaa99887766554433221100" + "00112233445566778899aabbccddeeff" + "09"
            + Hex.string(Array("ffsstaged".utf8)) + "0000000000001000" + String(repeating: "00", count: 32)
            + "0000000000001038" + "00" + "01" + "0000000000001000" + "0005" + "68656c6c6f" + "02"
            + "0000000000001010" + "0000000000001028" + "01" + "0000000000001028" + "0001" + "09"
        #expect(Hex.string(batch.encoded) == hex)
        #expect(try ProducerBatch(encoded: batch.encoded, node: node) == batch)
        #expect(Hex.string(batch.hash.bytes) == "be3cb222d793838fb829d714184324debbf832a82e89912d9ec699a7b2bf8dd4")
    }

    /// Whatever is cut off or changed is refused, or is another batch with another hash.
    @Test func damageIsSeen() throws {
        let bytes = batch.encoded
        for length in 0..<bytes.count {
            #expect(throws: Failure.self, "\(length)") {
                try ProducerBatch(encoded: Array(bytes[..<length]), node: node)
            }
        }
        let key = try #require(PipelineKey(file: PipelineKey.file([UInt8](repeating: 7, count: 32))))
        let seal = key.seal(batch, nonce: nonce)
        for place in bytes.indices {
            var changed = bytes
            changed[place] ^= 1
            guard let other = try? ProducerBatch(encoded: changed, node: node) else { continue }
            #expect(!key.isSeal(seal, of: other, nonce: nonce), "byte \(place)")
        }
    }

    @Test func sealsBelongToKeyNodeAndPush() throws {
        let key = try #require(PipelineKey(file: PipelineKey.file([UInt8](repeating: 7, count: 32))))
        let seal = key.seal(batch, nonce: nonce)
        #expect(Hex.string(seal) == "0b7d1fdb36d59f57e45b770c1d8a9e254a2ed54e2d87efccd0be910d3b8cb9cc")
        #expect(key.isSeal(seal, of: batch, nonce: nonce))
        #expect(!key.isSeal(seal, of: batch, nonce: ID128(high: 0, low: 0)))
        let other = try #require(PipelineKey(file: PipelineKey.file([UInt8](repeating: 8, count: 32))))
        #expect(!other.isSeal(seal, of: batch, nonce: nonce))
        let elsewhere = try ProducerBatch(encoded: batch.encoded, node: NodeName(validated: "storage-2"))
        #expect(!key.isSeal(seal, of: elsewhere, nonce: nonce))
        // An acknowledgement says how far, in which log, and answers this push.
        let mark = ProducerMark(offset: batch.end, hash: batch.hash)
        let answer = key.seal(mark, log: "log", of: batch, nonce: nonce)
        #expect(key.isSeal(answer, of: mark, log: "log", of: batch, nonce: nonce))
        #expect(!key.isSeal(answer, of: mark, log: "other", of: batch, nonce: nonce))
        #expect(!key.isSeal(answer, of: .start, log: "log", of: batch, nonce: nonce))
        #expect(!key.isSeal(answer, of: mark, log: "log", of: batch, nonce: ID128(high: 0, low: 0)))
        #expect(!key.isSeal(seal, of: mark, log: "log", of: batch, nonce: nonce))
    }

    @Test func keysAreHexadecimal() {
        #expect(PipelineKey(file: Array(String(repeating: "ab", count: 32).utf8)) != nil)
        for text in ["", String(repeating: "ab", count: 31), String(repeating: "zz", count: 32)] {
            #expect(PipelineKey(file: Array(text.utf8)) == nil)
        }
    }
}
