import Crypto
import FFSModel
import FTPProtocol
import Synchronization
import SystemSupport

/// Reads a range of a file on a data thread and digests it, a megabyte in each turn of the thread's loop so that
/// transfers there go on.
final class DigestJob: Sendable {
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
    private let range: Range<UInt64>
    private let algorithm: HashAlgorithm
    private let stopped = Atomic(false)
    private static let turn = 1 << 20

    init(_ file: OpenFile, _ range: Range<UInt64>, _ algorithm: HashAlgorithm) {
        self.file = file
        self.range = range
        self.algorithm = algorithm
    }

    /// The next turn ends it.
    func stop() { stopped.store(true, ordering: .relaxed) }
    var isStopped: Bool { stopped.load(ordering: .relaxed) }

    /// `done` gets the digest in lower-case hexadecimal, or nil when it was stopped or the file cannot be read.
    func run(on mailbox: Mailbox, done: @escaping @Sendable (String?) -> Void) {
        go(on: mailbox, State(algorithm), range.lowerBound, done)
    }

    private func go(
        on mailbox: Mailbox, _ state: sending State, _ position: UInt64, _ done: @escaping @Sendable (String?) -> Void
    ) {
        let carried = Handoff(state)
        mailbox.post { [self] loop in
            guard !isStopped else { return done(nil) }
            var state = carried.value
            let wanted = Int(min(UInt64(Self.turn), range.upperBound - position))
            guard wanted > 0 else { return done(state.hex) }
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: wanted, alignment: 16)
            defer { buffer.deallocate() }
            guard let count = try? file.descriptor.read(into: buffer, at: Int(position)), count > 0 else {
                return done(nil)
            }
            state.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            go(on: loop.mailbox, state, position + UInt64(count), done)
        }
    }
}
