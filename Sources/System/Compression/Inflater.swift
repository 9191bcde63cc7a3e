import CZlib

/// Whole zlib streams (RFC 1950), made and read in one go.
package enum ZlibStream {
    /// Nil when there is no memory for it.
    package static func deflate(_ bytes: [UInt8], level: Int) -> [UInt8]? {
        guard let deflater = Deflater(level: level) else { return nil }
        var out: [UInt8] = []
        bytes.withUnsafeBytes { deflater.append($0, isLast: true, to: &out) }
        return out
    }

    /// What `bytes` were before; nil when they are damaged, when something follows the stream, or when it is more than `limit`
    /// bytes, of which no more are held.
    package static func inflate(_ bytes: [UInt8], limit: Int) -> [UInt8]? {
        var stream = z_stream()
        guard ffs_inflate_init(&stream) == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        var out = [UInt8](repeating: 0, count: min(limit + 1, max(4_096, 4 * bytes.count)))
        var filled = 0
        // zlib only reads from it.
        return bytes.withUnsafeBufferPointer { input -> [UInt8]? in
            stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            stream.avail_in = UInt32(input.count)
            while true {
                let room = out.count - filled
                let result = out.withUnsafeMutableBufferPointer { output in
                    stream.next_out = output.baseAddress.map { $0 + filled }
                    stream.avail_out = UInt32(room)
                    return CZlib.inflate(&stream, Z_NO_FLUSH)
                }
                filled += room - Int(stream.avail_out)
                guard filled <= limit else { return nil }
                if result == Z_STREAM_END { break }
                guard result == Z_OK, stream.avail_in > 0 || stream.avail_out == 0 else { return nil }
                if filled == out.count {
                    out += [UInt8](repeating: 0, count: min(out.count, limit + 1 - out.count))
                }
            }
            guard stream.avail_in == 0 else { return nil }
            return Array(out[..<filled])
        }
    }
}
