import Glibc

/// `struct ucred` of unix(7): who is behind a UNIX socket.
package struct PeerCredentials: Sendable {
    package let pid: Int32
    package let uid: UInt32
    package let gid: UInt32
}

/// UNIX sockets as names in the file system.
package enum LocalSocket {
    /// Makes a directory for sockets, mode 0755 past the creation mask: ffsftpd's gate has to reach one in ffsstaged's. Why it
    /// was not made, or nil.
    package static func makeDirectory(_ path: String) -> Errno? {
        guard mkdir(path, 0o755) == 0 else { return Errno(errno) }
        chmod(path, 0o755)
        return nil
    }

    /// Removes the name; nothing when there is none.
    package static func remove(_ path: String) { unlink(path) }

    /// chown(2) of the group alone; what failed, or nil. Nothing when it is this process's own.
    package static func give(_ path: String, group: UInt32) -> Errno? {
        group == getegid() || chown(path, uid_t.max, group) == 0 ? nil : Errno(errno)
    }

    /// Gives a socket its mode, 0660, and only then the name by which it is found.
    package static func publish(_ fresh: String, as path: String) throws(SystemError) {
        guard chmod(fresh, 0o660) == 0 else { throw SystemError("chmod", Errno(errno), path: fresh) }
        guard rename(fresh, path) == 0 else { throw SystemError("rename", Errno(errno), path: path) }
    }

    /// The group whose it is; nil when it is not there.
    package static func group(of path: String) -> UInt32? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_gid : nil
    }

    /// Sends `message` as one datagram to `path`, where `@` begins a name of the abstract namespace; nothing when nobody
    /// listens there.
    package static func send(_ message: String, to path: String) {
        let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = Array(message.utf8).withUnsafeBytes {
                    sendto(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL), address, length)
                }
            }
        }
    }
}
