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

    /// Overwrites bytes that held a secret; explicit_bzero(3), which the compiler may not leave out.
    package static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { if let base = $0.baseAddress { explicit_bzero(base, $0.count) } }
    }
}
