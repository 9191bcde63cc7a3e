import Crypto
import FFSModel
import SystemSupport

/// SHA-256 of one content after the other, computed on a thread of its own while the caller reads and writes.
///
/// The caller takes a free buffer, fills it, submits it, and may go on reading it until it takes the next.
final class HashThread {
    /// What one buffer holds is read, hashed and written while it is still in a core's own cache.
    static let bufferSize = 256 << 10
    private static let bufferCount = 4

    private enum Work {
        case bytes(buffer: Int, count: Int)
        /// A hole: so many zero bytes.
        case zeros(Int)
        case finish
        case end
    }

    private struct State {
        var queue: [Work] = []
        var free = Array(0..<HashThread.bufferCount)
        var result: ContentDigest?
    }

    /// Memory shared by the two threads: a buffer belongs to the hashing thread from its submission until its number
    /// is in `State.free` again; meanwhile nobody writes to it.
    private struct Buffers: @unchecked Sendable {
        // Sendable: the rule above, kept by the monitor that guards `State`.
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: HashThread.bufferSize * HashThread.bufferCount, alignment: 4096)

        subscript(number: Int) -> UnsafeMutableRawBufferPointer {
            let start = number * HashThread.bufferSize
            return UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + HashThread.bufferSize])
        }
    }

    private let buffers = Buffers()
    private let monitor = Monitor(State())

    init() throws(SystemError) {
        let thread = try SystemThread(name: "hash") { [buffers, monitor] in
            Self.run(buffers, monitor)
            buffers.memory.deallocate()
        }
        thread.detach()
    }

    deinit { submit(.end) }

    private static func run(_ buffers: Buffers, _ monitor: Monitor<State>) {
        var hash = SHA256()
        let zeros = [UInt8](repeating: 0, count: bufferSize)
        while true {
            let work = monitor.wait { state in state.queue.isEmpty ? nil : state.queue.removeFirst() }
            switch work {
            case .bytes(let number, let count):
                hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffers[number][..<count]))
                monitor.withLock(wake: .all) { $0.free.append(number) }
            case .zeros(var count):
                while count > 0 {
                    let part = min(count, bufferSize)
                    zeros.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<part])) }
                    count -= part
                }
            case .finish:
                let digest = ContentDigest(hash.finalize())
                hash = SHA256()
                monitor.withLock(wake: .all) { $0.result = digest }
            case .end: return
            }
        }
    }

    private func submit(_ work: Work) { monitor.withLock(wake: .all) { $0.queue.append(work) } }

    /// Waits for a buffer that is neither being hashed nor waiting for it.
    func takeBuffer() -> (number: Int, memory: UnsafeMutableRawBufferPointer) {
        let number = monitor.wait { state in state.free.popLast() }
        return (number, buffers[number])
    }

    /// The content goes on with the first `count` bytes of this buffer.
    func submit(buffer number: Int, count: Int) { submit(.bytes(buffer: number, count: count)) }

    /// The content goes on with `count` zero bytes.
    func submit(zeros count: Int) { submit(.zeros(count)) }

    /// A buffer that was taken and not needed.
    func giveBack(buffer number: Int) { monitor.withLock { $0.free.append(number) } }

    /// The digest of all that was submitted since the last call.
    func finish() -> ContentDigest {
        submit(.finish)
        return monitor.wait { state in
            defer { state.result = nil }
            return state.result
        }
    }
}

extension ContentDigest {
    init(_ digest: SHA256.Digest) {
        self = digest.withUnsafeBytes { bytes in
            ContentDigest(
                words: (
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
                ))
        }
    }
}
