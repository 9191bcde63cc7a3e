import ArgumentParser
import FFSModel
import FoundationEssentials

/// The daemons of one installation, in the order in which they start.
enum DaemonName: String, CaseIterable, ExpressibleByArgument {
    case ffsauthd, ffspiped, ffsstaged, ffsftpd, ffswebd

    /// The program: in the directory of this ffsctl, where the build puts it, or in the sbin beside its bin, where
    /// install.sh puts it.
    func program() throws(Failure) -> String {
        let own =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        let directory = own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let candidates = ["\(directory)/\(rawValue)", "\(directory)/../sbin/\(rawValue)"]
        guard let found = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw Failure(.notFound, "\(rawValue) is neither in \(directory) nor in the sbin beside it; install it")
        }
        return found
    }
}
