import Crypto
import Events
package import FFSModel

/// What a node and the internal host share: who is in between can delay batches and acknowledgements, and neither make
/// nor swallow one. In `pipeline.key-directory`, a file named as the node: 64 hexadecimal digits and a line's end.
package struct PipelineKey: Sendable {
    private let key: SymmetricKey

    /// nil unless the text is 64 hexadecimal digits, with or without a line's end.
    package init?(file: [UInt8]) {
        let digits = file.last == UInt8(ascii: "\n") ? file.dropLast() : file[...]
        guard digits.count == 64, let bytes = Hex.decode(digits) else { return nil }
        key = SymmetricKey(data: bytes)
    }

    /// The text of a file with these 32 random bytes.
    package static func file(_ bytes: [UInt8]) -> [UInt8] {
        precondition(bytes.count == 32, "a pipeline key has 32 bytes")
        return Array((Hex.string(bytes) + "\n").utf8)
    }

    /// Of a batch: HMAC-SHA-256 over who sends, which producer, from where to where, and the running hash at both ends, which
    /// stands for all the bytes. `nonce` is the push's own.
    package func seal(_ batch: ProducerBatch, nonce: ID128) -> [UInt8] { mac(Self.text("batch", batch, nonce)) }

    /// Of the acknowledgement of that push: how far the producer is committed, in which log.
    package func seal(_ mark: ProducerMark, log: String, of batch: ProducerBatch, nonce: ID128) -> [UInt8] {
        var text = Self.text("acknowledgement", batch, nonce)
        BigEndian.append(mark.offset, to: &text)
        text += mark.hash.bytes
        text += log.utf8
        return mac(text)
    }

    /// In a time that does not tell where they differ.
    package func isSeal(_ mac: [UInt8], of batch: ProducerBatch, nonce: ID128) -> Bool {
        Self.equal(mac, seal(batch, nonce: nonce))
    }

    package func isSeal(
        _ mac: [UInt8], of mark: ProducerMark, log: String, of batch: ProducerBatch, nonce: ID128
    ) -> Bool {
        Self.equal(mac, seal(mark, log: log, of: batch, nonce: nonce))
    }

    private func mac(_ text: [UInt8]) -> [UInt8] { Array(HMAC<SHA256>.authenticationCode(for: text, using: key)) }

    private static func text(_ kind: String, _ batch: ProducerBatch, _ nonce: ID128) -> [UInt8] {
        var text = Array("ffs-pipeline \(kind) 1\0".utf8)
        nonce.append(to: &text)
        text.append(UInt8(batch.node.text.utf8.count))
        text += batch.node.text.utf8
        batch.incarnation.append(to: &text)
        batch.segment.append(to: &text)
        text.append(UInt8(batch.stream.utf8.count))
        text += batch.stream.utf8
        BigEndian.append(batch.start.offset, to: &text)
        text += batch.start.hash.bytes
        BigEndian.append(batch.end, to: &text)
        text += batch.hash.bytes
        text.append(batch.isSealedEnd ? 1 : 0)
        return text
    }

    private static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.count == b.count && zip(a, b).reduce(0) { $0 | $1.0 ^ $1.1 } == 0
    }
}
