import Foundation
import TestSupport
import Testing

/// What each process of a running system may do, as the kernel tells it.
@Suite struct PrivilegeTests {
    /// Field → value of `/proc/<pid>/task/<task>/status`, for every thread.
    private static func threads(_ process: Int32) throws -> [[String: String]] {
        let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
        return try tasks.map { task in
            let text = try String(contentsOfFile: "/proc/\(process)/task/\(task)/status", encoding: .utf8)
            return Dictionary(
                text.lines.compactMap { line in
                    let parts = line.split(separator: ":", maxSplits: 1)
                    return parts.count == 2 ? (String(parts[0]), String(parts[1]).trimmed) : nil
                }, uniquingKeysWith: { first, _ in first })
        }
    }

    private static func user(_ name: String) async throws -> String {
        try await command(["id", "-u", name]).succeeded().trimmed
    }

    @Test(.enabled(if: System.isRoot, "needs root to give up")) func everyThreadGaveUpRoot() async throws {
        let system = try await System.start()
        for (daemon, name) in [(System.Daemon.ffsauthd, "ffsauth"), (.ffsstaged, "ffsrepo"), (.ffswebd, "ffsweb")] {
            let user = try await Self.user(name)
            for thread in try Self.threads(system.process(daemon).processIdentifier) {
                #expect(thread["Uid"] == [user, user, user, user].joined(separator: "\t"), "\(daemon)")
                #expect(thread["NoNewPrivs"] == "1", "\(daemon)")
                #expect(thread["CapEff"] == "0000000000000000", "\(daemon)")
            }
        }
        try await system.stop()
    }

    @Test func workersAreConfined() async throws {
        let system = try await System.start()
        let supervisor = try system.process(.ffsftpd).processIdentifier
        let children = try await command(["pgrep", "-P", "\(supervisor)"]).succeeded().output
        let workers = children.lines.compactMap { Int32($0) }
        #expect(!workers.isEmpty)
        let user = System.isRoot ? try await Self.user("ffsftp") : "\(getuid())"
        for worker in workers {
            for thread in try Self.threads(worker) {
                #expect(thread["Uid"] == [user, user, user, user].joined(separator: "\t"))
                #expect(thread["Seccomp"] == "2" && thread["NoNewPrivs"] == "1")
                #expect(thread["CapEff"] == "0000000000000000" || !System.isRoot)
            }
            guard System.isRoot else { continue }
            let root = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(worker)/root")
            #expect(root == system.accounts)
        }
        try await system.stop()
    }
}
