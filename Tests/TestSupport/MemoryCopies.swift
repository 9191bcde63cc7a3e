import Glibc
import SystemSupport

/// How many copies of a secret this process's memory holds: what was used must be overwritten, not only given up.
package enum MemoryCopies {
    private static let block = 1 << 20

    /// Occurrences of `secret` in everything that this process may write to. Hold at least 32 bytes against it: what the
    /// allocator writes into freed memory hides the beginning of a short one.
    package static func count(of secret: [UInt8]) throws -> Int {
        // Copies of this function's own would count: they lie in memory that the search knows and leaves out.
        let needle = UnsafeMutableRawBufferPointer.allocate(byteCount: secret.count, alignment: 16)
        let space = UnsafeMutableRawBufferPointer.allocate(byteCount: block + secret.count, alignment: 16)
        needle.copyBytes(from: secret)
        defer {
            for own in [needle, space] {
                SecretMemory.wipe(own)
                own.deallocate()
            }
        }
        let memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)
        guard memory >= 0 else { throw TestFailure("cannot read /proc/self/mem: errno \(errno)") }
        defer { close(memory) }
        var found = Set<UInt>()
        for region in try regions() {
            var at = region.lowerBound
            while at < region.upperBound {
                let wanted = min(space.count, Int(region.upperBound - at))
                let got = pread(memory, space.baseAddress, wanted, off_t(at))
                // A region may have gone, or hold pages that are nobody's.
                guard got > 0 else { break }
                places(of: needle, in: UnsafeRawBufferPointer(rebasing: space[..<got])) { found.insert(at + UInt($0)) }
                at += UInt(min(got, block))
            }
        }
        let own = [needle, space].map {
            UInt(bitPattern: $0.baseAddress)..<(UInt(bitPattern: $0.baseAddress) + UInt($0.count))
        }
        return found.count { place in !own.contains { $0.contains(place) } }
    }

    private static func places(
        of needle: UnsafeMutableRawBufferPointer, in bytes: UnsafeRawBufferPointer, _ body: (Int) -> Void
    ) {
        guard let base = bytes.baseAddress, let start = needle.baseAddress else { return }
        var from = 0
        while let hit = find(base + from, bytes.count - from, start, needle.count) {
            let offset = UnsafeRawPointer(hit) - base
            body(offset)
            from = offset + 1
        }
    }

    /// memmem(3), which Swift does not see: a loop of our own takes minutes in a debug build.
    private static let find: @convention(c) (UnsafeRawPointer, Int, UnsafeRawPointer, Int) -> UnsafeMutableRawPointer? =
        unsafeBitCast(
            dlsym(nil, "memmem"),
            to: (@convention(c) (UnsafeRawPointer, Int, UnsafeRawPointer, Int) -> UnsafeMutableRawPointer?).self)

    /// What `/proc/self/maps` calls readable and writable.
    private static func regions() throws -> [Range<UInt>] {
        try Files.read("/proc/self/maps").lines.compactMap { line in
            let words = line.split(separator: " ")
            guard words.count >= 2, words[1].hasPrefix("rw") else { return nil }
            let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            return ends.count == 2 ? ends[0]..<ends[1] : nil
        }
    }
}
