package import SystemSupport

/// What TYPE A and STRU R do to stored bytes on their way out.
package struct Translation: Sendable {
    package enum Form: Sendable, Hashable {
        /// TYPE A: LF becomes CR LF; a CR LF stays one (RFC 959 §3.1.1.1).
        case ascii
        /// STRU R: LF becomes an end-of-record mark, 0xFF is doubled, an end-of-file mark closes (RFC 959 §3.4.1).
        case record
    }

    private let form: Form
    private var previous: UInt8 = 0

    package init(_ form: Form) { self.form = form }

    /// Appends the translation of the next `about` bytes of `file` at `position`; false once that was the end.
    package mutating func fill(
        _ out: inout [UInt8], from file: OpenFile, at position: inout UInt64, about: Int
    ) throws(SystemError) -> Bool {
        var count = 0
        var failure: SystemError?
        let chunk = [UInt8](unsafeUninitializedCapacity: about) { space, initialized in
            do throws(SystemError) {
                count = try file.descriptor.read(into: UnsafeMutableRawBufferPointer(space), at: Int(position))
            } catch { failure = error }
            initialized = count
        }
        if let failure { throw failure }
        position += UInt64(count)
        append(chunk, to: &out)
        guard count == 0 else { return true }
        if form == .record { out += [0xFF, 0x02] }
        return false
    }

    mutating func append(_ bytes: [UInt8], to out: inout [UInt8]) {
        out.reserveCapacity(out.count + bytes.count + bytes.count / 16)
        for byte in bytes {
            switch (form, byte) {
            case (.ascii, 0x0A):
                if previous != 0x0D { out.append(0x0D) }
                out.append(0x0A)
            case (.record, 0x0A): out += [0xFF, 0x01]
            case (.record, 0xFF): out += [0xFF, 0xFF]
            default: out.append(byte)
            }
            previous = byte
        }
    }
}
