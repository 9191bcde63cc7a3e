import FoundationEssentials
import Glibc

/// Where the programs under test are, and the project's own files.
package enum Project {
    /// The directory of the test bundle, where the build put every program.
    package static let products: String = {
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return parent(executable)
    }()

    /// The clone's top: the directory that holds Package.swift, found from this file's own place.
    package static let root = parent(parent(parent(#filePath)))

    package static func program(_ name: String) -> String { "\(products)/\(name)" }

    private static func parent(_ path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }
}

/// A directory that goes with its last reference, with everything in it.
package final class TemporaryDirectory: Sendable {
    package let path: String

    /// Readable and searchable by every user, as daemons that gave up root must reach it.
    package init(_ name: String = "test") throws {
        var template = Array("/var/tmp/ffs-\(name)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil, chmod(&template, 0o755) == 0 else {
            throw TestFailure("cannot make a directory in /var/tmp: errno \(errno)")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { remove() }

    /// At once; for directories that no reference gives up before the process ends.
    package func remove() { try? FileManager.default.removeItem(atPath: path) }

    package func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

package enum Files {
    package static func read(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    }

    package static func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path))) }

    package static func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }

    package static func write(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: URL(filePath: path))
    }

    package static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    package static func makeDirectory(_ path: String, mode: Int = 0o755) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try setMode(mode, of: path)
    }

    package static func setMode(_ mode: Int, of path: String) throws {
        guard chmod(path, mode_t(mode)) == 0 else { throw TestFailure("chmod \(path): errno \(errno)") }
    }

    /// Names in `path`, sorted.
    package static func names(in path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }

    /// Paths below `path` of regular files whose name ends in `suffix`, sorted; names that begin with "." are left
    /// out, and so is what lies below them.
    package static func below(_ path: String, suffix: String = "") throws -> [String] {
        var found: [String] = []
        for name in try names(in: path) where !name.hasPrefix(".") {
            let inner = "\(path)/\(name)"
            let status = try status(inner)
            if status.st_mode & S_IFMT == S_IFDIR {
                found += try below(inner, suffix: suffix)
            } else if status.st_mode & S_IFMT == S_IFREG, name.hasSuffix(suffix) {
                found.append(inner)
            }
        }
        return found
    }

    package static func inode(_ path: String) throws -> UInt64 { UInt64(try status(path).st_ino) }
    package static func links(_ path: String) throws -> Int { Int(try status(path).st_nlink) }
    package static func size(_ path: String) throws -> Int { Int(try status(path).st_size) }
    package static func mode(_ path: String) throws -> Int { Int(try status(path).st_mode & 0o7777) }

    private static func status(_ path: String) throws -> stat {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw TestFailure("lstat \(path): errno \(errno)") }
        return status
    }
}
