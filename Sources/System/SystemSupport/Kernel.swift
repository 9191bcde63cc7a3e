package import FFSModel
import Glibc

/// The running kernel, uname(2).
package enum Kernel {
    /// Whether it is Linux 5.8 or later, which has every system call that FFS makes.
    package static var isRecent: Bool {
        var name = utsname()
        guard uname(&name) == 0 else { return false }
        let release = withUnsafeBytes(of: name.release) { $0.prefix { $0 != 0 }.map { $0 } }
        let numbers = release.split { !(0x30...0x39).contains($0) }.prefix(2).compactMap {
            Int(String(decoding: $0, as: UTF8.self))
        }
        guard numbers.count == 2 else { return false }
        return (numbers[0], numbers[1]) >= (5, 8)
    }

    /// Opens the root directory by openat2(2) under every rule that customers' paths are opened with. Throws
    /// `configuration`, with the cause, where that cannot be done: then nothing can be staged or served.
    package static func checkOpenBeneath() throws(Failure) {
        do throws(SystemError) {
            let root = try Descriptor.open("/", [.pathOnly, .directory])
            _ = try root.open(
                ".", [.pathOnly, .directory], rules: [.inRoot, .noSymbolicLinks, .noMagicLinks, .noMounts])
        } catch {
            throw error.failure("openat2(2), which keeps customers inside their folders, does not work", .configuration)
        }
    }
}
