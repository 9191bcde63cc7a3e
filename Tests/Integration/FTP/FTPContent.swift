import FFSModel
import Glibc
import StoredFormats
import TestSupport

/// A file's content as the accounts of every row share it, through hard links as in a repository.
struct FTPContent: Sendable {
    let path: String
    let size: Int
    let digest: ContentDigest

    /// 8 MiB.
    static let big = FTPContent("big.iso", mebibytes: 8, seed: 1)
    /// 96 MiB: more than any socket buffers, and some seconds at a rate limit.
    static let huge = FTPContent("huge.bin", mebibytes: 96, seed: 2)

    /// Made once; goes when the tests end.
    private static let directory: Result<TemporaryDirectory, any Error> = {
        atexit {
            if case .success(let directory) = FTPContent.directory { directory.remove() }
        }
        return Result { try TemporaryDirectory("ftp-content") }
    }()

    /// A failure to write shows when the file is linked.
    private init(_ name: String, mebibytes: Int, seed: UInt64) {
        let bytes = Self.noise(mebibytes: mebibytes, seed: seed)
        size = bytes.count
        digest = .sha256(of: bytes)
        path = (try? Self.directory.get()(name)) ?? ""
        try? Files.write(bytes, to: path)
        try? Files.setMode(0o444, of: path)
    }

    func link(to other: String) throws {
        guard Glibc.link(path, other) == 0 else { throw TestFailure("link \(path) \(other): errno \(errno)") }
    }

    /// Bytes that nothing on the way can compress by much: one mebibyte of xorshift again and again, each with its number
    /// in front, so that a block in the wrong place is another content.
    private static func noise(mebibytes: Int, seed: UInt64) -> [UInt8] {
        var state = seed &* 0x9E37_79B9_7F4A_7C15
        let block = (0..<(1 << 17)).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        return [UInt8](unsafeUninitializedCapacity: mebibytes << 20) { out, initialized in
            block.withUnsafeBytes { block in
                for index in 0..<mebibytes {
                    let place = UnsafeMutableRawBufferPointer(
                        rebasing: UnsafeMutableRawBufferPointer(out)[(index << 20)...])
                    place.copyMemory(from: block)
                    place.storeBytes(of: UInt64(index), as: UInt64.self)
                }
            }
            initialized = mebibytes << 20
        }
    }
}
