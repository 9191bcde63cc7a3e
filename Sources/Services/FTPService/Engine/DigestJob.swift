import Crypto
import FFSModel
import FTPProtocol
import SystemSupport

/// Reads a range of a file and digests it, a megabyte a turn.
final class DigestJob {
    private enum State {
        case crc32(CRC32)
        case md5(Insecure.MD5)
        case sha1(Insecure.SHA1)
        case sha256(SHA256)
        case sha512(SHA512)

        init(_ algorithm: HashAlgorithm) {
            switch algorithm {
            case .crc32: self = .crc32(CRC32())
            case .md5: self = .md5(Insecure.MD5())
            case .sha1: self = .sha1(Insecure.SHA1())
            case .sha256: self = .sha256(SHA256())
            case .sha512: self = .sha512(SHA512())
            }
        }

        mutating func update(_ bytes: UnsafeRawBufferPointer) {
            switch self {
            case .crc32(var state):
                state.update(bytes)
                self = .crc32(state)
            case .md5(var state):
                state.update(bufferPointer: bytes)
                self = .md5(state)
            case .sha1(var state):
                state.update(bufferPointer: bytes)
                self = .sha1(state)
            case .sha256(var state):
                state.update(bufferPointer: bytes)
                self = .sha256(state)
            case .sha512(var state):
                state.update(bufferPointer: bytes)
                self = .sha512(state)
            }
        }

        var hex: String {
            switch self {
            case .crc32(let state):
                let digits = String(state.value, radix: 16)
                return String(repeating: "0", count: 8 - digits.utf8.count) + digits
            case .md5(let state): return Self.hex(state.finalize())
            case .sha1(let state): return Self.hex(state.finalize())
            case .sha256(let state): return Self.hex(state.finalize())
            case .sha512(let state): return Self.hex(state.finalize())
            }
        }

        private static func hex(_ digest: some Sequence<UInt8>) -> String { Hex.string(digest) }
    }

    private let file: OpenFile
    private let end: UInt64
    private var position: UInt64
    private var state: State
    private let format: (String) -> Reply
    private static let most = 1 << 20

    /// - Parameter format: makes the reply from the digest in lower-case hexadecimal.
    init(
        _ file: OpenFile, _ range: Range<UInt64>, _ algorithm: HashAlgorithm,
        _ format: @escaping (String) -> Reply
    ) {
        self.file = file
        position = range.lowerBound
        end = range.upperBound
        state = State(algorithm)
        self.format = format
    }

    /// nil: there is more to do.
    func turn() -> Reply? {
        let wanted = Int(min(UInt64(Self.most), end - position))
        guard wanted > 0 else { return format(state.hex) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: wanted, alignment: 16)
        defer { buffer.deallocate() }
        guard let count = try? file.descriptor.read(into: buffer, at: Int(position)), count > 0 else {
            return Reply(451, "The file cannot be read.")
        }
        state.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        position += UInt64(count)
        return nil
    }
}
