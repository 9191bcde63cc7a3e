import CLinux

/// Memory that processes share. It has no name and a fixed size; pages that nobody writes to cost nothing.
///
/// Sendable, unchecked: those who use it agree on what lies where, and on atomic operations.
package final class SharedMemory: @unchecked Sendable {
    package let start: UnsafeMutableRawPointer
    private let descriptor: Descriptor
    private let size: Int

    /// Fresh memory, all zero.
    package convenience init(size: Int) throws(SystemError) {
        try self.init(Descriptor(owning: try check(ffs_shared_memory(size), "memfd_create", nil)), size: size)
    }

    /// The memory of another process that passed its descriptor on. A worker maps it before it is confined.
    package init(_ descriptor: consuming Descriptor, size: Int) throws(SystemError) {
        guard let start = ffs_map_shared(descriptor.rawValue, size) else { throw SystemError("mmap", Errno(12)) }
        self.start = start
        self.descriptor = descriptor
        self.size = size
    }

    deinit { ffs_unmap_shared(start, size) }

    /// To be inherited by another process.
    package var number: Int32 { descriptor.rawValue }
    // MARK: Words and bytes

    private func word(_ place: Int) -> UnsafeMutablePointer<Int64> {
        precondition(place >= 0 && place % 8 == 0 && place + 8 <= size, "beyond the shared memory")
        return (start + place).assumingMemoryBound(to: Int64.self)
    }

    /// What another process stored, and all that it wrote before.
    package func load(at place: Int) -> Int64 { ffs_acquire64(word(place)) }

    package func store(_ value: Int64, at place: Int) { ffs_release64(word(place), value) }

    package func copy(_ bytes: [UInt8], to place: Int) {
        precondition(place >= 0 && place + bytes.count <= size, "beyond the shared memory")
        bytes.withUnsafeBytes { (start + place).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }

    /// A copy, as another process may still change them.
    package func bytes(at place: Int, count: Int) -> [UInt8] {
        precondition(place >= 0 && count >= 0 && place + count <= size, "beyond the shared memory")
        return Array(UnsafeRawBufferPointer(start: start + place, count: count))
    }
}
