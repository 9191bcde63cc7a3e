import FoundationEssentials
import Glibc
import TestSupport
import Testing

/// `ffsctl product publish` and `ffsctl repository` as operators use them, with the real ffsauthd.
@Suite(.timeLimit(.minutes(5)))
struct PublishTests {
    /// What `product publish --json` prints.
    private struct Published: Decodable {
        let manifest: String
        let files, size, newFiles: Int
        let outcome: String

        enum CodingKeys: String, CodingKey {
            case manifest, files, size, outcome
            case newFiles = "new-files"
        }
    }

    private let system: System
    private let source: String

    init() async throws {
        system = try await System()
        source = system.directory("source")
        try Files.makeDirectory("\(source)/sub")
        try Files.write("read me\n", to: "\(source)/readme")
        try Files.write("#!/bin/sh\n", to: "\(source)/sub/run")
        try Files.setMode(0o755, of: "\(source)/sub/run")
    }

    private func publish(_ words: String...) async throws -> CommandResult {
        try await command(
            [Project.program("ffsctl"), "product", "publish"] + words + ["--config", system.configuration])
    }

    private func published(_ result: CommandResult) throws -> Published {
        try JSONDecoder().decode(Published.self, from: Data(result.succeeded().outputBytes))
    }

    private var incoming: [String] { get throws { try Files.names(in: "\(system.repository)/incoming") } }

    /// Everything below the repository that is not an empty folder.
    private func content() throws -> [String] { try Files.below(system.repository) }

    @Test func whatIsPublishedIsOffered() async throws {
        try await system.start(.ffsauthd)
        let first = try published(await publish("tools", "1.0", source, "--title", "Tools", "--json"))
        #expect(first.files == 2 && first.size == 18 && first.newFiles == 2 && first.outcome == "registered")
        let shown = try await system.ctl("product", "show", "tools", "--json").succeeded()
        #expect(shown.output.contains(first.manifest) && shown.output.contains(#""title": "Tools""#))

        let again = try published(await publish("tools", "1.0", source, "--json"))
        #expect(again.manifest == first.manifest && again.newFiles == 0 && again.outcome == "unchanged")
        try await system.ctl("product", "withdraw", "tools", "1.0").succeeded()
        #expect(try published(await publish("tools", "1.0", source, "--json")).outcome == "restored")

        let people = try await publish("tools", "1.1", "\(source)/readme").succeeded()
        #expect(people.output == "Published tools 1.1: 1 file, 8 B; the repository held all of it.\n")
        let list = try await system.ctl("repository", "list", "--json").succeeded().output
        #expect(list.contains(#""version": "1.0", "size": 18, "files": 2"#))
        #expect(list.contains(#""version": "1.1", "size": 8, "files": 1"#))
        let files = try await system.ctl("repository", "show", "tools", "1.0").succeeded().output
        let digest = try await command("sha256sum", "\(source)/sub/run").succeeded().output.prefix(64)
        #expect(files.lines.contains { $0.hasPrefix(digest) && $0.hasSuffix("yes         sub/run") }, "\(files)")
        try await system.stop()
    }

    @Test func withoutFfsauthdNothingIsCopied() async throws {
        let refused = try await publish("tools", "1.0", source)
        #expect(refused.status == 69 && refused.errorOutput.contains("--no-register"), "\(refused)")
        #expect(try content() == [])
        let put = try await publish("tools", "1.0", source, "--no-register").succeeded()
        #expect(put.output == "Put tools 1.0 into the repository: 2 files, 18 B; all new.\n")
        try await system.start(.ffsauthd)
        #expect(try await system.ctl("product", "list", "--json").succeeded().trimmed == "[]")
        #expect(try published(await publish("tools", "1.0", source, "--json")).outcome == "registered")
        try await system.stop()
    }

    @Test func otherContentNeedsToBeMeant() async throws {
        try await system.start(.ffsauthd)
        let first = try published(await publish("tools", "1.0", source, "--json"))
        try Files.write("READ ME\n", to: "\(source)/readme")
        let refused = try await publish("tools", "1.0", source)
        #expect(refused.status == 73 && refused.errorOutput.contains("--replace"), "\(refused)")
        // Gone from here but not from ffsauthd: that one objects.
        try await system.ctl("repository", "withdraw", "tools", "1.0", "--here-only", "--yes").succeeded()
        let objected = try await publish("tools", "1.0", source)
        #expect(objected.status == 73 && objected.errorOutput.contains("customers cannot have it yet"), "\(objected)")
        #expect(objected.errorOutput.contains("--replace"), "\(objected)")
        let second = try published(await publish("tools", "1.0", source, "--replace", "--json"))
        #expect(second.outcome == "replaced" && second.manifest != first.manifest)

        try await system.ctl("repository", "withdraw", "tools", "1.0", "--yes").succeeded()
        #expect(try await system.ctl("repository", "list", "--json").succeeded().trimmed == "[]")
        let list = try await system.ctl("product", "list", "--all").succeeded().output
        #expect(list.contains("withdrawn"), "\(list)")
        let missing = try await system.ctl("repository", "withdraw", "tools", "1.0", "--yes")
        #expect(missing.status == 66 && missing.errorOutput.contains("tools 1.0"), "\(missing)")
        try await system.stop()
    }

    @Test func argumentsAreCheckedBeforeAnythingIsDone() async throws {
        for words in [
            ["../tools", "1.0", source], ["tools", "1/0", source], ["tools", "1.0\r\n", source], ["tools", "1.0"],
            ["tools", "1.0", source, "--title", "two\nlines"], ["tools", "1.0", source, "--title", ""],
            ["tools", "1.0", source, "--title", String(repeating: "t", count: 201)],
            ["tools", "1.0", source, "--no-register", "--title", "lost"],
            ["tools", "1.0", system.directory("missing"), "--no-register"],
            [String(repeating: "n", count: 5_000), "1.0", source],
        ] {
            let refused = try await command(
                [Project.program("ffsctl"), "product", "publish"] + words + ["--config", system.configuration])
            #expect(refused.status == 64 || refused.status == 66, "\(refused)")
            #expect(refused.errorOutput.utf8.count < 7_000 && refused.output.isEmpty)
        }
        #expect(try content() == [])
    }

    @Test func aRestrictiveUmaskDoesNotShow() async throws {
        try await command(
            "sh", "-c", #"umask 077; exec "$@""#, "sh", Project.program("ffsctl"), "product", "publish", "tools", "1.0",
            source, "--no-register", "--config", system.configuration
        ).succeeded()
        let objects = try Files.below("\(system.repository)/objects")
        #expect(objects.count == 3)
        for object in objects {
            #expect(try Files.mode(object) == 0o444)
            #expect(try Files.mode(String(object[..<(object.lastIndex(of: "/") ?? object.startIndex)])) == 0o755)
        }
        #expect(try Files.mode("\(system.repository)/index/tools") == 0o755)
    }

    @Test(.enabled(if: System.isRoot, "needs other users")) func usersAreToldApart() async throws {
        let words = [
            Project.program("ffsctl"), "product", "publish", "tools", "1.0", source, "--no-register", "--config",
            system.configuration,
        ]
        func asUser(_ user: String) async throws -> CommandResult {
            try await command(["setpriv", "--reuid=\(user)", "--regid=\(user)", "--init-groups"] + words)
        }
        // The repository is not for strangers' eyes, so its owner cannot even be named to them.
        let stranger = try await asUser("ffsweb")
        #expect(stranger.status == 77 && stranger.errorOutput.contains(system.repository), "\(stranger)")
        try Files.setMode(0o755, of: system.repository)
        let reader = try await asUser("ffsweb")
        #expect(reader.status == 77 && reader.errorOutput.contains("belongs to ffsrepo and you are ffsweb"))
        #expect(reader.errorOutput.contains("sudo -u ffsrepo"), "\(reader)")
        #expect(try content() == [])

        try await asUser("ffsrepo").succeeded()
        try Files.setMode(0, of: "\(source)/readme")
        let unreadable = try await asUser("ffsrepo")
        #expect(unreadable.status == 64 && unreadable.errorOutput.contains("readme is unreadable"), "\(unreadable)")

        // Root's objects are the owner's, too.
        try Files.write("more", to: "\(source)/more")
        try await command(words.map { $0 == "1.0" ? "2.0" : $0 }).succeeded()
        let owners = try await command("find", system.repository, "!", "-user", "ffsrepo").succeeded()
        #expect(owners.output == "")
        let wrong = try await command(words + ["--set", "staging.user=ffsweb"])
        #expect(wrong.status == 78 && wrong.errorOutput.contains("chown -R ffsweb"), "\(wrong)")
        let nobody = try await command(words + ["--set", "staging.user=no-such-user"])
        #expect(nobody.status == 78 && nobody.errorOutput.contains("no-such-user"), "\(nobody)")
    }

    // MARK: Stopped half-way

    /// Starts to publish something large and waits until its copy has begun.
    private func begin(_ log: String) async throws -> DaemonProcess {
        if !Files.exists("\(source)/large") {
            try await command("sh", "-c", "head -c 1G /dev/zero > \(source)/large").succeeded()
        }
        let process = try await DaemonProcess.start(
            [
                Project.program("ffsctl"), "product", "publish", "tools", "1.0", source, "--no-register", "--config",
                system.configuration,
            ], name: "ffsctl", logPath: system.directory(log))
        try await eventually("the copy has begun") {
            let copies = (try? Files.below("\(system.repository)/incoming")) ?? []
            return try copies.contains { try Files.exists($0) && Files.size($0) > 1 << 20 } || !process.isRunning
        }
        return process
    }

    @Test func killedInTheMiddleAndPublishedAgain() async throws {
        for round in 0..<3 {
            let process = try await begin("killed\(round).log")
            try await process.kill9()
            #expect(try !incoming.isEmpty && Files.below("\(system.repository)/index").isEmpty)
            #expect(try await system.ctl("repository", "list", "--json").succeeded().trimmed == "[]")
        }
        let result = try published(await publish("tools", "1.0", source, "--no-register", "--json"))
        #expect(result.files == 3 && result.size == 18 + 1 << 30)
        #expect(try incoming == [])
        let verified = try await system.ctl("repository", "verify", "--json").succeeded().output
        #expect(verified.contains(#""complete": true"#) && verified.contains(#""damaged": []"#), "\(verified)")
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func stoppedByTheOperator(signal: Int32) async throws {
        let process = try await begin("stopped.log")
        process.signal(signal)
        #expect(try await process.ended() == 128 + signal)
        #expect(process.log == "Stopped; nothing was published.\n")
        #expect(try incoming == [])
        #expect(try Files.below("\(system.repository)/objects") == [])
    }

    // MARK: Verification

    @Test func damageIsFoundNamedAndMended() async throws {
        try await publish("tools", "1.0", source, "--no-register").succeeded()
        let digest = try await command("sha256sum", "\(source)/readme").succeeded().output.prefix(64)
        let object = "\(system.repository)/objects/\(digest.prefix(2))/\(digest)"
        try Files.setMode(0o644, of: object)
        try Files.write("r3ad me\n", to: object)

        let found = try await system.ctl("repository", "verify")
        #expect(found.status == 65, "\(found)")
        #expect(found.output.contains(digest) && found.output.contains("missing 1"), "\(found)")
        #expect(found.errorOutput.contains("1 damaged object, now in the repository's quarantine/"), "\(found)")
        #expect(found.errorOutput.contains("publish again from their sources: tools 1.0"), "\(found)")
        #expect(try Files.names(in: "\(system.repository)/quarantine").count == 1)
        let json = try await system.ctl("repository", "verify", "--json")
        #expect(json.status == 65 && json.output.contains(#""missing": 1"#) && json.output.contains(#""damaged": []"#))

        let mended = try published(await publish("tools", "1.0", source, "--no-register", "--json"))
        #expect(mended.newFiles == 1)
        let clean = try await system.ctl("repository", "verify", "--rate", "1G", "--restart").succeeded()
        #expect(clean.output.contains("objects     3"), "\(clean)")
        for rate in ["fast", "-1", "5X", ""] {
            #expect(try await system.ctl("repository", "verify", "--rate=\(rate)").status == 64)
        }
    }

    @Test func verificationGoesOnAfterCtrlC() async throws {
        for number in 0..<40 {
            let line = "head -c 4M /dev/zero | tr '\\0' '\\\(String(number + 64, radix: 8))' > \(source)/\(number)"
            try await command("sh", "-c", line).succeeded()
        }
        try await publish("tools", "1.0", source, "--no-register").succeeded()
        let process = try await DaemonProcess.start(
            [
                Project.program("ffsctl"), "repository", "verify", "--rate", "40M", "--config", system.configuration,
            ], name: "ffsctl", logPath: system.directory("verify.log"))
        try await eventually("the resume point is written") {
            Files.exists("\(system.repository)/verify") || !process.isRunning
        }
        process.signal(SIGINT)
        #expect(try await process.ended() == 130)
        #expect(process.log.contains("Stopped; the next run goes on from here."))
        // 160 MiB at 20 MiB a second would be eight seconds; what is left is less.
        let rest = try await system.ctl("repository", "verify", "--rate", "20M").succeeded()
        #expect(rest.elapsed < .seconds(7.5), "\(rest.elapsed)")
        #expect(!Files.exists("\(system.repository)/verify"))
    }

    @Test func aTerminalGetsAProgressBar() async throws {
        let line = [
            Project.program("ffsctl"), "product", "publish", "tools", "1.0", source, "--no-register", "--config",
            system.configuration,
        ].joined(separator: " ")
        let shown = try await command("script", "-qec", line, "/dev/null").succeeded()
        #expect(shown.output.contains("Publishing  [####################] 100 %"), "\(shown)")
        #expect(shown.output.contains("Put tools 1.0 into the repository: 2 files, 18 B; all new."))
    }
}
