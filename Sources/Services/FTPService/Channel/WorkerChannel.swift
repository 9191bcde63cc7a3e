import FFSModel
package import SystemSupport

/// One end of the socket pair between supervisor and worker, on an event loop.
package final class WorkerChannel: PollLoop.Source {
    private let socket: Descriptor
    private unowned let loop: PollLoop
    private var framer = ChannelFramer()
    /// What waits, in order; a piece begins where a descriptor goes along.
    private var output: [(bytes: [UInt8], passed: LentDescriptor?)] = []
    private var waiting = 0
    /// Bytes that may wait for the other side to read; more, and it counts as gone.
    private static let mostWaiting = 64 << 20
    private let onMessage: (ChannelMessage) -> Void
    /// The other side is gone.
    private let onEnd: () -> Void

    package init(
        _ socket: consuming Descriptor, framer: ChannelFramer = ChannelFramer(), loop: PollLoop,
        onMessage: @escaping (ChannelMessage) -> Void, onEnd: @escaping () -> Void
    ) throws(SystemError) {
        try socket.setNonBlocking()
        self.socket = socket
        self.framer = framer
        self.loop = loop
        self.onMessage = onMessage
        self.onEnd = onEnd
        super.init()
        try loop.add(self, self.socket.rawValue, .input)
    }

    /// Sends `message` behind those before it, without waiting: what the socket does not take now goes out as the other
    /// side reads. There is no error to return: when the other side is gone, or has not read for 64 MiB, `onEnd` is called
    /// from the loop. What waits is wiped as it leaves.
    package func send(_ message: ChannelMessage) {
        let framed = message.framed
        let wasOver = waiting > Self.mostWaiting
        waiting += framed.count
        output.append((framed, message.passed))
        write()
        if waiting > Self.mostWaiting, !wasOver { loop.setDeadline(self, in: 1) }
    }

    package override func expired() { if waiting > Self.mostWaiting { end() } }

    package func close() { loop.remove(self) }

    package override func ready(_ readiness: Readiness) {
        if readiness.contains(.output) { write() }
        guard readiness.mayRead else { return }
        let ended = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { space -> Bool in
            let (result, passed) = socket.receivePassed(into: space)
            switch result {
            case .bytes(let count):
                framer.append(UnsafeRawBufferPointer(rebasing: space[..<count]), passed: passed)
                return false
            case .wouldBlock: return false
            case .end, .failed: return true
            }
        }
        do {
            while let message = try framer.next() { onMessage(message) }
        } catch { return end() }
        if ended { end() }
    }

    private func end() {
        guard isRegistered else { return }
        loop.remove(self)
        onEnd()
    }

    private func write() {
        while !output.isEmpty {
            let passed = output[0].passed
            let result = output[0].bytes.withUnsafeBytes { socket.send($0, passing: passed) }
            guard case .bytes(let count) = result else { break }
            waiting -= count
            SecretMemory.wipe(&output[0].bytes, ..<count)
            output[0].bytes.removeFirst(count)
            output[0].passed = nil
            if output[0].bytes.isEmpty { output.removeFirst() }
        }
        loop.watch(self, output.isEmpty ? .input : .inputAndOutput)
    }
}

extension Descriptor {
    /// Waits for the first message of a channel that is still blocking; nil when the other side is gone.
    package func firstMessage(_ framer: inout ChannelFramer) throws -> ChannelMessage? {
        while true {
            if let message = try framer.next() { return message }
            let more = try withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { space throws -> Bool in
                switch receivePassed(into: space) {
                case (.bytes(let count), let passed):
                    framer.append(UnsafeRawBufferPointer(rebasing: space[..<count]), passed: passed)
                    return true
                case (.end, _): return false
                case (.wouldBlock, _): return true
                case (.failed(let errno), _): throw SystemError("recvmsg", errno)
                }
            }
            guard more else { return nil }
        }
    }
}
