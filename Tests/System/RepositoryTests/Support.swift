import FFSModel
import Glibc
import Repository
import StoredFormats
import SystemSupport
import TestSupport
import Testing

/// A repository and a source folder side by side in a temporary directory, or on a file system of their own.
struct Fixture {
    private let directory: TemporaryDirectory
    private let mount: Mount?
    let repository: Repository
    let top: String
    var source: String { "\(top)/source" }
    var objects: String { "\(top)/repository/objects" }

    /// Who tests that run as root let own the repository.
    static let ownerName = "nobody"
    static let isRoot = geteuid() == 0
    static let isNotRoot = !isRoot
    let owner: SystemUser?

    /// - Parameters:
    ///   - mountOptions: when set, a tmpfs with these options holds everything. Needs root.
    ///   - fileSystem: when set, a fresh file system of this type, 400 MiB large, holds everything. Needs root.
    init(mountOptions: String? = nil, fileSystem: String? = nil) async throws {
        directory = try TemporaryDirectory("repository")
        let place = directory("mount")
        if let mountOptions {
            mount = try await Mount(["-t", "tmpfs", "-o", mountOptions, "tmpfs"], at: place, in: directory)
        } else if let fileSystem {
            let image = directory("image")
            try await command("truncate", "-s", "400M", image).succeeded()
            try await command("mkfs.\(fileSystem)", "-q", image).succeeded()
            mount = try await Mount(["-o", "loop", image], at: place, in: directory)
        } else {
            mount = nil
        }
        top = mount?.path ?? directory.path
        owner = Self.isRoot ? try SystemUser(named: Self.ownerName) : nil
        for name in ["repository", "source"] { try Files.makeDirectory("\(top)/\(name)") }
        repository = try Repository(path: "\(top)/repository", owner: owner)
    }

    func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let path = "\(source)/\(name)"
        if let slash = path.lastIndex(of: "/") { try Files.makeDirectory(String(path[..<slash])) }
        try Files.write(bytes, to: path)
    }

    func item(_ version: String = "1.0") throws -> Item {
        Item(product: try ProductName("tools"), version: try VersionName(version))
    }

    @discardableResult
    func publish(
        _ version: String = "1.0", from path: String? = nil, method: PublishMethod = .copy, replacing: Bool = false
    ) throws -> PublishedVersion {
        let tree = try SourceTree(path: path ?? source)
        return try repository.publish(tree, as: item(version), method: method, replacing: replacing)
    }

    func path(of digest: ContentDigest) -> String { "\(objects)/\("\(digest)".prefix(2))/\(digest)" }

    /// Names of all objects.
    func objectNames() throws -> [String] {
        try Files.below(objects).compactMap { $0.split(separator: "/").last.map(String.init) }.sorted()
    }

    /// Nothing visible came to be, and nothing was left behind.
    func expectUntouched(objects names: [String] = [], _ location: SourceLocation = #_sourceLocation) throws {
        #expect(try Files.names(in: "\(top)/repository/incoming") == [], sourceLocation: location)
        #expect(try objectNames() == names, sourceLocation: location)
        #expect(try repository.versions().isEmpty, sourceLocation: location)
    }

    /// What `sha256sum` of coreutils says of a file.
    func sha256sum(_ path: String) async throws -> String {
        String(try await command("sha256sum", path).succeeded().output.prefix(64))
    }
}

/// A file system that is there as long as the object is.
final class Mount: Sendable {
    let path: String
    /// Goes when nothing is mounted in it any more.
    private let directory: TemporaryDirectory?

    init(_ arguments: [String], at path: String, in directory: TemporaryDirectory? = nil) async throws {
        self.path = path
        self.directory = directory
        try Files.makeDirectory(path)
        try await command(["mount"] + arguments + [path]).succeeded()
        guard chmod(path, 0o755) == 0 else { throw TestFailure("chmod \(path)") }
    }

    // Lazily: descriptors below it may still be open.
    deinit { umount2(path, Int32(MNT_DETACH)) }
}

/// Runs `body` and returns the failure that it must throw.
func failure(_ body: () throws -> Void, _ location: SourceLocation = #_sourceLocation) throws -> Failure {
    try #require(#expect(throws: Failure.self, sourceLocation: location, performing: body), sourceLocation: location)
}
