import Glibc

/// Keys in memory: out of swap, out of core dumps, gone after use.
package enum SecretMemory {
    /// Keeps the pages around `region` in memory (mlock(2)) and out of core dumps (MADV_DONTDUMP), as long as the
    /// process lives. False when the kernel refuses, most often for RLIMIT_MEMLOCK.
    package static func protect(_ region: UnsafeRawBufferPointer) -> Bool {
        guard let base = region.baseAddress, region.count > 0 else { return true }
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        let start = UInt(bitPattern: base) & ~(page - 1)
        let end = (UInt(bitPattern: base) + UInt(region.count) + page - 1) & ~(page - 1)
        guard let pages = UnsafeMutableRawPointer(bitPattern: start) else { return false }
        let dumped = madvise(pages, Int(end - start), MADV_DONTDUMP)
        return mlock(pages, Int(end - start)) == 0 && dumped == 0
    }

    /// Overwrites memory that held a secret.
    package static func wipe(_ memory: UnsafeMutableRawBufferPointer) {
        if let base = memory.baseAddress { explicit_bzero(base, memory.count) }
    }

    /// Overwrites bytes that held a secret; explicit_bzero(3), which the compiler may not leave out.
    package static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { if let base = $0.baseAddress { explicit_bzero(base, $0.count) } }
    }

    /// The same for the first bytes.
    package static func wipe(_ bytes: inout [UInt8], _ range: PartialRangeUpTo<Int>) {
        bytes.withUnsafeMutableBytes { if let base = $0.baseAddress { explicit_bzero(base, range.upperBound) } }
    }
}

/// A password on its way, in memory of its own that is overwritten when the last reference goes.
///
/// Sendable, unchecked: the memory is written by `init` and `deinit` alone.
package final class SecretBytes: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer

    package init(_ bytes: [UInt8]) {
        memory = .allocate(byteCount: bytes.count, alignment: 1)
        memory.copyBytes(from: bytes)
    }

    deinit {
        if let base = memory.baseAddress { explicit_bzero(base, memory.count) }
        memory.deallocate()
    }

    /// A copy, for what takes bytes.
    package var bytes: [UInt8] { Array(memory) }
}
