import CLinux
import Glibc

/// The far or near end of a TCP socket. IPv4-mapped IPv6 addresses always appear as IPv4.
package struct TCPAddress: Sendable, Hashable {
    /// 4 or 16 bytes, network order.
    package let bytes: [UInt8]
    package let port: UInt16
    /// Interface of a link-local IPv6 address, else 0.
    package let scope: UInt32

    /// nil unless there are 4 or 16 bytes.
    package init?(bytes: [UInt8], port: UInt16, scope: UInt32 = 0) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
        self.port = port
        self.scope = scope
    }

    init(_ raw: ffs_address) {
        var raw = raw
        bytes = withUnsafeBytes(of: &raw.bytes) { Array($0.prefix(raw.family == 4 ? 4 : 16)) }
        port = raw.port
        scope = raw.scope
    }

    var raw: ffs_address {
        var raw = ffs_address()
        raw.family = bytes.count == 4 ? 4 : 6
        raw.port = port
        raw.scope = scope
        withUnsafeMutableBytes(of: &raw.bytes) { $0.copyBytes(from: bytes) }
        return raw
    }
}

/// Options of TCP sockets that FFS sets; tcp(7), socket(7).
package enum SocketOption: Sendable {
    case noDelay(Bool)
    /// Holds back partial segments until it is taken off.
    case cork(Bool)
    /// Urgent data stays in the stream; FTP's ABOR comes with it.
    case urgentInline
    case keepAlive
    case sendBuffer(Int)
    /// Bytes that may wait unsent in the kernel before the socket stops being writable.
    case unsentLowWater(Int)
    /// close(2) sends RST and forgets what is unsent.
    case resetOnClose

    fileprivate var raw: (ffs_socket_option, Int32) {
        switch self {
        case .noDelay(let on): (FFS_NO_DELAY, on ? 1 : 0)
        case .cork(let on): (FFS_CORK, on ? 1 : 0)
        case .urgentInline: (FFS_URGENT_INLINE, 1)
        case .keepAlive: (FFS_KEEP_ALIVE, 1)
        case .sendBuffer(let bytes): (FFS_SEND_BUFFER, Int32(clamping: bytes))
        case .unsentLowWater(let bytes): (FFS_UNSENT_LOW_WATER, Int32(clamping: bytes))
        case .resetOnClose: (FFS_RESET_ON_CLOSE, 1)
        }
    }
}

/// Numbers of options that SwiftNIO is told to set and ask for.
package enum SocketOptionNumber {
    /// Milliseconds without an acknowledgement after which a peer is given up; tcp(7).
    package static let tcpUserTimeout = TCP_USER_TIMEOUT
    /// The process behind a UNIX socket, ``PeerCredentials``; unix(7).
    package static let peerCredentials = SO_PEERCRED
}

/// What a non-blocking call on a socket came to.
package enum SocketResult: Sendable, Hashable {
    case bytes(Int)
    /// Try again when epoll says so.
    case wouldBlock
    /// The peer closed its side; only when receiving.
    case end
    case failed(Errno)
}

/// Non-blocking TCP. Failures of a peer are ordinary results; only what the operator must mend is thrown.
extension Descriptor {
    /// A listening socket. `bothFamilies`: `::` takes IPv4 as well.
    package static func listen(
        _ address: TCPAddress, backlog: Int, bothFamilies: Bool = false
    ) throws(SystemError) -> Descriptor {
        var raw = address.raw
        return Descriptor(
            owning: try check(ffs_listen(&raw, Int32(clamping: backlog), bothFamilies ? 1 : 0), "listen", nil))
    }

    /// accept4(2); nil when nobody waits. Throws when descriptors or memory ran out.
    package func accept() throws(SystemError) -> AcceptedSocket? {
        var peer = ffs_address()
        let number = ffs_accept(rawValue, &peer)
        if number == -EAGAIN { return nil }
        return AcceptedSocket(
            socket: Descriptor(owning: try check(number, "accept4", nil)), peer: TCPAddress(peer))
    }

    /// Starts connect(2) from `local`; writable means connected or failed, ``socketError()`` tells which.
    package static func connect(
        from local: TCPAddress, to remote: TCPAddress
    ) throws(SystemError) -> Descriptor {
        var (from, to) = (local.raw, remote.raw)
        return Descriptor(owning: try check(ffs_connect(&from, &to), "connect", nil))
    }

    /// The pending error of a socket, taken off it.
    package func socketError() -> Errno? {
        let result = ffs_socket_error(rawValue)
        return result < 0 ? Errno(-result) : nil
    }

    /// getsockname(2).
    package func localAddress() throws(SystemError) -> TCPAddress {
        var raw = ffs_address()
        try check(ffs_local_address(rawValue, &raw), "getsockname", nil)
        return TCPAddress(raw)
    }

    /// Sets an option whose failure changes nothing but speed.
    package func set(_ option: SocketOption) {
        let (name, value) = option.raw
        _ = ffs_socket_option(rawValue, Int32(name.rawValue), value)
    }

    package func receive(into buffer: UnsafeMutableRawBufferPointer) -> SocketResult {
        let count = ffs_receive(rawValue, buffer.baseAddress, buffer.count)
        return count == 0 ? .end : Self.result(count)
    }

    /// What is there to be received, without taking it.
    package func peek(into buffer: UnsafeMutableRawBufferPointer) -> SocketResult {
        let count = ffs_peek(rawValue, buffer.baseAddress, buffer.count)
        return count == 0 ? .end : Self.result(count)
    }

    package func send(_ buffer: UnsafeRawBufferPointer) -> SocketResult {
        Self.result(ffs_send(rawValue, buffer.baseAddress, buffer.count))
    }

    /// As ``send(_:)`` over a UNIX socket; `passed` goes with the first byte and is the peer's own from then on.
    package func send(_ buffer: UnsafeRawBufferPointer, passing passed: LentDescriptor?) -> SocketResult {
        Self.result(ffs_send_passing(rawValue, buffer.baseAddress, buffer.count, passed?.number ?? -1))
    }

    /// As ``receive(into:)`` from a UNIX socket, with the descriptor that came along.
    package func receivePassed(
        into buffer: UnsafeMutableRawBufferPointer
    ) -> (result: SocketResult, passed: LentDescriptor?) {
        var passed: Int32 = -1
        let count = ffs_receive_passed(rawValue, buffer.baseAddress, buffer.count, &passed)
        return (
            count == 0 ? .end : Self.result(count), passed < 0 ? nil : LentDescriptor(Descriptor(owning: passed))
        )
    }

    /// sendfile(2) of up to `count` bytes from `offset` of `file`; 0 bytes at the file's end.
    package func send(file: borrowing Descriptor, offset: UInt64, count: Int) -> SocketResult {
        Self.result(ffs_sendfile(rawValue, file.rawValue, Int64(offset), count))
    }

    /// Ends the stream towards the peer; what is queued still goes out.
    package func finishSending() { _ = ffs_shutdown_write(rawValue) }

    private static func result(_ count: Int) -> SocketResult {
        if count >= 0 { return .bytes(count) }
        return count == -Int(EAGAIN) ? .wouldBlock : .failed(Errno(Int32(-count)))
    }

    /// Two connected UNIX stream sockets, blocking.
    package static func socketPair() throws(SystemError) -> SocketPair {
        var numbers: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &numbers) { ffs_socket_pair($0.bindMemory(to: Int32.self).baseAddress) }
        try check(result, "socketpair", nil)
        return SocketPair(first: Descriptor(owning: numbers.0), second: Descriptor(owning: numbers.1))
    }

    /// O_NONBLOCK of fcntl(2).
    package func setNonBlocking() throws(SystemError) { try check(ffs_set_nonblocking(rawValue), "ioctl", nil) }
}

/// A descriptor with several users, or one on its way to another process; closed with the last reference.
package final class LentDescriptor: Sendable {
    private let descriptor: Descriptor

    package init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

    package var number: Int32 { descriptor.rawValue }

    /// One of the caller's own.
    package func duplicate() throws(SystemError) -> Descriptor { try descriptor.duplicate() }

    /// Writes all of `bytes`; throws what write(2) says.
    package func write(_ bytes: [UInt8]) throws(SystemError) { try descriptor.write(bytes) }
}

/// A connection taken from a listener.
package struct AcceptedSocket: ~Copyable {
    package let socket: Descriptor
    package let peer: TCPAddress

    package consuming func take() -> Descriptor { socket }
}

package struct SocketPair: ~Copyable {
    package let first: Descriptor
    package let second: Descriptor

    /// Keeps the first and closes the second.
    package consuming func takeFirst() -> Descriptor { first }
}
