import FFSModel
package import SystemSupport

/// One end of the socket pair between supervisor and worker, on an event loop.
package final class WorkerChannel: EventLoop.Source {
    private let socket: Descriptor
    private unowned let loop: EventLoop
    private var framer = ChannelFramer()
    private var output: [UInt8] = []
    private let onMessage: (ChannelMessage) -> Void
    /// The other side is gone.
    private let onEnd: () -> Void

    package init(
        _ socket: consuming Descriptor, framer: ChannelFramer = ChannelFramer(), loop: EventLoop,
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

    package func send(_ message: ChannelMessage) {
        var framed = message.framed
        output += framed
        SecretMemory.wipe(&framed)
        write()
    }

    package func close() { loop.remove(self) }

    package override func ready(_ readiness: Readiness) {
        if readiness.contains(.output) { write() }
        guard readiness.mayRead else { return }
        let ended = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { space -> Bool in
            switch socket.receive(into: space) {
            case .bytes(let count):
                framer.append(UnsafeRawBufferPointer(rebasing: space[..<count]))
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
        var start = 0
        loop: while start < output.count {
            let result = output.withUnsafeBytes { socket.send(UnsafeRawBufferPointer(rebasing: $0[start...])) }
            switch result {
            case .bytes(let count): start += count
            case .wouldBlock, .end, .failed: break loop
            }
        }
        SecretMemory.wipe(&output, ..<start)
        output.removeFirst(start)
        loop.watch(self, output.isEmpty ? .input : .inputAndOutput)
    }
}

extension Descriptor {
    /// Waits for the first message of a channel that is still blocking; nil when the other side is gone.
    package func firstMessage(_ framer: inout ChannelFramer) throws -> ChannelMessage? {
        while true {
            if let message = try framer.next() { return message }
            let more = try withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { space throws -> Bool in
                let count = try read(into: space)
                framer.append(UnsafeRawBufferPointer(rebasing: space[..<count]))
                return count > 0
            }
            guard more else { return nil }
        }
    }
}
