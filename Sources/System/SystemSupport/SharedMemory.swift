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
}
