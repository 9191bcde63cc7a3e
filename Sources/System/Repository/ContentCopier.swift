import Crypto
import FFSModel
import SystemSupport

/// Copies and hashes contents for one thread: its buffer, and for large contents its ``HashThread``.
final class ContentCopier {
    /// A content up to this size is read at once and hashed on the spot; a larger one is hashed beside the copying.
    static let wholeSize = 1 << 20
    /// Dirty bytes after which write-out starts, so that a final sync does not stall everyone else.
    private static let writebackWindow = 8 << 20

    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: wholeSize, alignment: 4096)
    private var hasher: HashThread?

    deinit { buffer.deallocate() }

    private func hashThread() throws(SystemError) -> HashThread {
        if let hasher { return hasher }
        let new = try HashThread()
        hasher = new
        return new
    }

    /// Copies `source`'s `size` bytes to the empty `file`; what is a hole in a sparse source stays one.
    ///
    /// - Parameter progress: bytes just done.
    /// - Returns: nil when the source turned out shorter than `size`.
    func copy(
        _ source: borrowing Descriptor, to file: borrowing Descriptor, size: Int, isSparse: Bool,
        progress: (Int) -> Void
    ) throws(SystemError) -> ContentDigest? {
        guard size > Self.wholeSize || isSparse else {
            guard let bytes = try readWhole(source, size: size) else { return nil }
            try file.write(bytes)
            progress(size)
            return ContentDigest(SHA256.hash(bytes))
        }
        var unsynced = 0
        let digest = try pass(over: source, size: size, skippingHoles: isSparse, progress: progress) {
            bytes, offset throws(SystemError) in
            try file.write(bytes, at: offset)
            unsynced += bytes.count
            if unsynced >= Self.writebackWindow {
                file.startWriteback(offset + bytes.count - unsynced..<offset + bytes.count)
                unsynced = 0
            }
        }
        if isSparse { try file.truncate(to: size) }
        return digest
    }

    /// The digest of `file`'s first `size` bytes; nil when it is shorter.
    func hash(_ file: borrowing Descriptor, size: Int, progress: (Int) -> Void) throws(SystemError) -> ContentDigest? {
        guard size > Self.wholeSize else {
            guard let bytes = try readWhole(file, size: size) else { return nil }
            progress(size)
            return ContentDigest(SHA256.hash(bytes))
        }
        return try pass(over: file, size: size, skippingHoles: false, progress: progress) { _, _ in }
    }

    private func readWhole(_ file: borrowing Descriptor, size: Int) throws(SystemError) -> UnsafeRawBufferPointer? {
        var filled = 0
        while filled < size {
            let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<size]), at: filled)
            guard count > 0 else { return nil }
            filled += count
        }
        return UnsafeRawBufferPointer(rebasing: buffer[..<size])
    }

    /// One reading of `source`, hashed on the other thread, with `body` called for each stretch of data.
    private func pass(
        over source: borrowing Descriptor, size: Int, skippingHoles: Bool, progress: (Int) -> Void,
        _ body: (UnsafeRawBufferPointer, Int) throws(SystemError) -> Void
    ) throws(SystemError) -> ContentDigest? {
        let hasher = try hashThread()
        var offset = 0
        source.adviseSequential()
        do throws(SystemError) {
            while offset < size {
                var data = offset..<size
                if skippingHoles {
                    data = (try source.dataRange(from: offset) ?? size..<size).clamped(to: offset..<size)
                    hasher.submit(zeros: data.lowerBound - offset)
                    progress(data.lowerBound - offset)
                    offset = data.lowerBound
                }
                while offset < data.upperBound {
                    let (number, memory) = hasher.takeBuffer()
                    let wanted = min(memory.count, data.upperBound - offset)
                    let count: Int
                    do throws(SystemError) {
                        count = try source.read(
                            into: UnsafeMutableRawBufferPointer(rebasing: memory[..<wanted]), at: offset)
                    } catch {
                        hasher.giveBack(buffer: number)
                        throw error
                    }
                    guard count > 0 else {
                        hasher.giveBack(buffer: number)
                        _ = hasher.finish()
                        return nil
                    }
                    hasher.submit(buffer: number, count: count)
                    try body(UnsafeRawBufferPointer(rebasing: memory[..<count]), offset)
                    offset += count
                    progress(count)
                }
            }
        } catch {
            // Empties the queue, so that the next content starts afresh.
            _ = hasher.finish()
            throw error
        }
        return hasher.finish()
    }
}

extension SHA256 {
    fileprivate static func hash(_ bytes: UnsafeRawBufferPointer) -> SHA256.Digest {
        var hash = SHA256()
        hash.update(bufferPointer: bytes)
        return hash.finalize()
    }
}
