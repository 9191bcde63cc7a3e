import CZlib

/// A zlib stream (RFC 1950) that is made piece by piece. Some 260 KiB, whatever goes through it.
package final class Deflater {
    /// zlib keeps a pointer to it, so it has one place for all its life.
    private let stream: UnsafeMutablePointer<z_stream>

    /// Levels of zlib that compress at all.
    package static let levels = 1...9

    /// nil when there is no memory for it.
    package init?(level: Int) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard ffs_deflate_init(stream, Int32(level)) == Z_OK else {
            stream.deallocate()
            return nil
        }
        self.stream = stream
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Appends to `out` what `bytes` become so far; with `isLast` the rest and the checksum too, after which there is no
    /// further call.
    package func append(_ bytes: UnsafeRawBufferPointer, isLast: Bool, to out: inout [UInt8]) {
        // zlib only reads from it.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.assumingMemoryBound(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = UInt32(bytes.count)
        withUnsafeTemporaryAllocation(byteCount: 32 * 1_024, alignment: 1) { space in
            let first = space.assumingMemoryBound(to: UInt8.self).baseAddress
            repeat {
                stream.pointee.next_out = first
                stream.pointee.avail_out = UInt32(space.count)
                deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
                out.append(contentsOf: space[..<(space.count - Int(stream.pointee.avail_out))])
                // Room left over means that there is no more to come.
            } while stream.pointee.avail_out == 0
        }
        stream.pointee.next_in = nil
    }
}
