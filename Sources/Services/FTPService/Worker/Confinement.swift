import SystemSupport

/// What keeps a worker in, as it found by trying what it must not be able to do.
package struct Confinement: Sendable, Hashable {
    /// Landlock: a directory outside the account area did not open.
    package var restrictsFiles: Bool
    /// seccomp(2): a UNIX socket could not be made.
    package var restrictsSystemCalls: Bool

    /// - Parameter outside: a directory that was opened before the worker gave its rights up, outside the account area.
    static func tried(_ outside: borrowing Descriptor) -> Confinement {
        var restrictsFiles = false
        do throws(SystemError) { _ = try outside.open(".", [.read, .directory]) } catch { restrictsFiles = true }
        return Confinement(restrictsFiles: restrictsFiles, restrictsSystemCalls: !Sandbox.canMakeLocalSockets())
    }
}
