package import SystemSupport
package import TLSEngine

/// A connected socket, in clear or under TLS: the one thing that control, data and HTTPS connections read and write.
/// Non-blocking; owned by one loop's thread at a time.
package final class ByteStream {
    package let socket: Descriptor
    package private(set) var tls: TLSConnection?

    package init(_ socket: consuming Descriptor) { self.socket = socket }

    package enum Outcome: Sendable, Hashable {
        case bytes(Int)
        case wantsInput
        case wantsOutput
        /// The peer ended the stream in order: FIN in clear, close_notify under TLS.
        case end
        case failed(String)
    }

    // MARK: TLS

    /// Puts TLS around the stream; ``handshake()`` comes next.
    package func startTLS(
        _ context: TLSContext, identity: TLSContext.SessionIdentity, mustResumeOwnSession: Bool = false,
        kernelMayEncrypt: Bool = true
    ) throws(TLSError) {
        tls = try TLSConnection(
            .server, context: context, descriptor: socket.rawValue, identity: identity,
            mustResumeOwnSession: mustResumeOwnSession, kernelMayEncrypt: kernelMayEncrypt)
    }

    /// `.bytes(0)` once it is done; at once in clear.
    package func handshake() -> Outcome {
        guard let tls, !tls.isEstablished else { return .bytes(0) }
        do {
            switch try tls.handshake() {
            case .done: return .bytes(0)
            case .needsInput: return .wantsInput
            case .needsOutput: return .wantsOutput
            }
        } catch { return .failed(error.description) }
    }

    // MARK: Bytes

    package func read(into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        if let tls {
            do {
                switch try tls.read(into: buffer) {
                case .bytes(let count): return .bytes(count)
                case .needsInput: return .wantsInput
                case .needsOutput: return .wantsOutput
                case .closed: return .end
                }
            } catch { return .failed(error.description) }
        }
        switch socket.receive(into: buffer) {
        case .bytes(let count): return .bytes(count)
        case .wouldBlock: return .wantsInput
        case .end: return .end
        case .failed(let errno): return .failed(errno.description)
        }
    }

    package func write(_ buffer: UnsafeRawBufferPointer) -> Outcome {
        if let tls {
            do {
                switch try tls.write(buffer) {
                case .bytes(let count): return .bytes(count)
                case .needsInput: return .wantsInput
                case .needsOutput: return .wantsOutput
                }
            } catch { return .failed(error.description) }
        }
        return outcome(socket.send(buffer))
    }

    /// What TLS gathered (``TLSConnection/gatherRecords(bytes:)``) is given to the socket; `.bytes(0)` once it is.
    package func flush() -> Outcome {
        do {
            switch try tls?.flushRecords() {
            case nil, .done: return .bytes(0)
            case .needsInput: return .wantsInput
            case .needsOutput: return .wantsOutput
            }
        } catch { return .failed(error.description) }
    }

    /// Whether ``send(file:offset:count:)`` works: in clear, and where the kernel does the encryption.
    package var canSendFile: Bool { tls?.kernelEncrypts ?? true }

    /// From the page cache to the socket.
    package func send(file: borrowing Descriptor, offset: UInt64, count: Int) -> Outcome {
        if let tls {
            do {
                switch try tls.sendFile(file.rawValue, offset: Int64(offset), count: count) {
                case .bytes(let count): return .bytes(count)
                case .needsInput: return .wantsInput
                case .needsOutput: return .wantsOutput
                }
            } catch { return .failed(error.description) }
        }
        return outcome(socket.send(file: file, offset: offset, count: count))
    }

    private func outcome(_ result: SocketResult) -> Outcome {
        switch result {
        case .bytes(let count): .bytes(count)
        case .wouldBlock: .wantsOutput
        case .end: .end
        case .failed(let errno): .failed(errno.description)
        }
    }

    /// Says that no more comes: close_notify under TLS, then FIN. `.bytes(0)` once both are on their way.
    package func finish() -> Outcome {
        if let tls, tls.isEstablished {
            do {
                switch try tls.sendCloseNotify() {
                case .done: break
                case .needsInput: return .wantsInput
                case .needsOutput: return .wantsOutput
                }
            } catch { return .failed(error.description) }
        }
        socket.finishSending()
        return .bytes(0)
    }

    /// `TLSv1.3 TLS_AES_128_GCM_SHA256`, or nil in clear; for logs.
    package var protection: String? { tls.map { "\($0.version) \($0.cipher)" } }
}
