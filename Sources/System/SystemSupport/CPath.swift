package import FFSModel
import Glibc

/// Bytes of a path with the NUL that system calls want. Any bytes but NUL; a NUL inside is cut off by no one:
/// the initialisers that take foreign bytes refuse it.
package struct CPath: Sendable, Hashable, Comparable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// Ends with a single 0.
    private let storage: [CChar]

    /// nil when `bytes` hold a NUL.
    package init?(bytes: some Collection<UInt8>) {
        var hasNull = false
        func copy(_ bytes: UnsafeBufferPointer<UInt8>) -> [CChar] {
            [CChar](unsafeUninitializedCapacity: bytes.count + 1) { out, count in
                for (index, byte) in bytes.enumerated() {
                    hasNull = hasNull || byte == 0
                    out[index] = CChar(bitPattern: byte)
                }
                out[bytes.count] = 0
                count = bytes.count + 1
            }
        }
        // Bytes that lie together need no witness table asked for each.
        storage = bytes.withContiguousStorageIfAvailable(copy) ?? Array(bytes).withUnsafeBufferPointer(copy)
        guard !hasNull else { return nil }
    }

    /// A path that the operator or this program wrote; everything from a NUL on is dropped.
    package init(_ text: String) {
        storage = text.utf8.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
    }

    package init(_ path: RelativePath) { storage = path.bytes.map { CChar(bitPattern: $0) } + [0] }
    package init(stringLiteral text: String) { self.init(text) }

    package func withCString<Result, E: Error>(
        _ body: (UnsafePointer<CChar>) throws(E) -> Result
    ) throws(E) -> Result {
        try storage.withUnsafeBufferPointer { buffer throws(E) in
            // Never empty: the NUL is always there.
            try body(buffer.baseAddress!)
        }
    }

    /// Without the NUL.
    package var bytes: [UInt8] { storage.dropLast().map { UInt8(bitPattern: $0) } }

    /// Byte order.
    package static func < (a: CPath, b: CPath) -> Bool {
        a.withCString { a in b.withCString { b in strcmp(a, b) < 0 } }
    }

    /// For people.
    package var description: String { printable(bytes) }
}
