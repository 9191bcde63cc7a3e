import Compression
import SystemSupport

/// MODE Z (draft-preston-ftpext-deflate-04): what a transfer would have sent, as one zlib stream. Reads and compresses
/// a piece at a time, so a file of any size costs a buffer.
final class DeflatingProducer: ChunkProducer {
    private var content: Transfer.Content
    private let deflater: Deflater
    private var position: UInt64 = 0
    /// Before compression.
    private var raw: [UInt8] = []
    private static let piece = 64 * 1_024

    /// nil when there is no memory for it.
    init?(_ content: Transfer.Content, level: Int) {
        guard let deflater = Deflater(level: level) else { return nil }
        self.content = content
        self.deflater = deflater
        if case .file(_, let range) = content { position = range.lowerBound }
    }

    func produce(into buffer: inout [UInt8]) throws(SystemError) -> Bool {
        raw.removeAll(keepingCapacity: true)
        let goesOn = try readSome()
        raw.withUnsafeBytes { deflater.append($0, isLast: !goesOn, to: &buffer) }
        return goesOn
    }

    /// Fills `raw`; false when that was the last.
    private func readSome() throws(SystemError) -> Bool {
        switch content {
        case .bytes(let bytes):
            raw = bytes
            return false
        case .produced(let producer): return try producer.produce(into: &raw)
        case .translated(let file, var translation):
            let goesOn = try translation.fill(&raw, from: file, at: &position, about: Self.piece)
            content = .translated(file, translation)
            return goesOn
        case .file(let file, let range):
            try read(file, upTo: Int(min(range.upperBound - position, UInt64(Self.piece))))
            return position < range.upperBound
        }
    }

    private func read(_ file: OpenFile, upTo wanted: Int) throws(SystemError) {
        var failure: SystemError?
        raw = [UInt8](unsafeUninitializedCapacity: wanted) { space, initialized in
            do throws(SystemError) {
                initialized = try file.descriptor.read(into: UnsafeMutableRawBufferPointer(space), at: Int(position))
            } catch { failure = error }
        }
        if let failure { throw failure }
        // The file is shorter than it was.
        if raw.isEmpty, wanted > 0 { throw SystemError("pread", .invalid) }
        position += UInt64(raw.count)
    }
}
