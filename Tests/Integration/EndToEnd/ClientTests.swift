import TestSupport
import Testing

/// The clients that customers have, on an account that was staged through the web front.
@Suite(.delivered, .timeLimit(.minutes(5)))
struct ClientTests {
    @Test func replyListsWhatWasPublished() throws {
        let delivery = try Delivery.shared
        #expect(delivery.staged.fileCount == 205)
        #expect(delivery.staged.files.contains { $0.path == "\(Delivery.folder)/image.bin" && $0.size == 24 << 20 })
    }

    @Test(arguments: ["ftp", "ftps", "https"]) func curl(scheme: String) async throws {
        let delivery = try Delivery.shared
        let home = try TemporaryDirectory("curl")
        let base = scheme == "https" ? delivery.https : delivery.ftp
        let tls = scheme == "ftps" ? ["--ssl-reqd"] : []
        let user = ["--user", "\(delivery.account):\(delivery.password)"]
        let names = delivery.staged.files.map(\.path).filter { !$0.contains("/many/") } + ["SHA256SUMS"]
        for name in names {
            let fetched = try await delivery.system.curl(
                user + tls + ["--fail", "--create-dirs", "--output", home(name), "\(base)/\(encoded(name))"])
            try fetched.succeeded()
        }
        let (sums, listed) = (try Files.read(home("SHA256SUMS")), delivery.staged.files)
        for name in names.dropLast() {
            let digest = try #require(listed.first { $0.path == name }).sha256
            let found = try await command("sha256sum", "-z", home(name)).succeeded().output.prefix(64)
            #expect(found == digest, "\(name) over \(scheme)")
            #expect(sums.contains(digest))
        }
    }

    @Test(arguments: ["ftp", "https"]) func curlResumes(scheme: String) async throws {
        let delivery = try Delivery.shared
        let home = try TemporaryDirectory("resume")
        let url = (scheme == "https" ? delivery.https : delivery.ftp) + "/\(Delivery.folder)/image.bin"
        let user = ["--user", "\(delivery.account):\(delivery.password)", "--fail", "--output", home("image.bin")]
        try await delivery.system.curl(user + ["--range", "0-9999999", url]).succeeded()
        #expect(try Files.size(home("image.bin")) == 10_000_000)
        try await delivery.system.curl(user + ["--continue-at", "-", url]).succeeded()
        try await command("cmp", home("image.bin"), delivery.content("image.bin")).succeeded()
    }

    @Test func wgetMirrors() async throws {
        let delivery = try Delivery.shared
        let home = try TemporaryDirectory("wget")
        try await command(
            "wget", "--no-config", "--quiet", "--mirror", "--no-host-directories", "--restrict-file-names=nocontrol",
            "--user=\(delivery.account)", "--password=\(delivery.password)", "\(delivery.ftp)/", directory: home.path
        ).succeeded()
        try await command("find", home.path, "-name", ".listing", "-delete").succeeded()
        try await delivery.compare(home.path)
    }

    @Test func wgetOverHTTPS() async throws {
        let delivery = try Delivery.shared
        let home = try TemporaryDirectory("wget")
        try await command(
            "wget", "--no-config", "--quiet", "--ca-certificate=\(delivery.system.certificate)",
            "--user=\(delivery.account)", "--password=\(delivery.password)", "--auth-no-challenge",
            "\(delivery.https)/\(Delivery.folder)/image.bin", directory: home.path
        ).succeeded()
        try await command("cmp", home("image.bin"), delivery.content("image.bin")).succeeded()
    }

    @Test(arguments: [false, true]) func lftpMirrors(tls: Bool) async throws {
        let delivery = try Delivery.shared
        let home = try TemporaryDirectory("lftp")
        try await lftp(delivery, tls: tls, "mirror --parallel=4 / \(home.path)")
        try await delivery.compare(home.path)
    }

    /// Four segments at once of one file.
    @Test(arguments: [false, true]) func lftpFetchesInParts(tls: Bool) async throws {
        let delivery = try Delivery.shared
        let home = try TemporaryDirectory("pget")
        try await lftp(delivery, tls: tls, "pget -n 4 -O \(home.path) /\(Delivery.folder)/image.bin")
        try await command("cmp", home("image.bin"), delivery.content("image.bin")).succeeded()
    }

    private func lftp(_ delivery: Delivery, tls: Bool, _ job: String) async throws {
        let script = [
            "set cmd:fail-exit true", "set net:max-retries 1", "set net:timeout 20", "set ftp:ssl-allow \(tls)",
            "set ftp:ssl-force \(tls)", "set ftp:ssl-protect-data \(tls)",
            "set ssl:ca-file \(delivery.system.certificate)",
            "open -u \(delivery.account),\(delivery.password) \(delivery.ftp)", job, "quit",
        ].joined(separator: "; ")
        try await command("lftp", "--norc", "-c", script).succeeded()
    }

    @Test func tnftpFetches() async throws {
        let delivery = try Delivery.shared
        let home = try TemporaryDirectory("tnftp")
        let session = """
            open localhost \(delivery.system.ftpPort)
            user \(delivery.account) \(delivery.password)
            binary
            cd \(Delivery.folder)
            get image.bin
            cd many
            mget record-1*
            quit

            """
        try await command("tnftp", "-n", "-i", input: session, directory: home.path).succeeded()
        try await command("cmp", home("image.bin"), delivery.content("image.bin")).succeeded()
        #expect(try Files.names(in: home.path).count == 1 + 111)
    }

    @Test func pythonsFTPLibFetches() async throws {
        let delivery = try Delivery.shared
        let script = Project.root + "/Tests/Integration/Clients/fetch_ftplib.py"
        let home = try TemporaryDirectory("ftplib")
        for tls in ["plain", "tls"] {
            try await command(
                "/usr/bin/python3", script, tls, "\(delivery.system.ftpPort)", delivery.account, delivery.password,
                delivery.system.certificate, home(tls)
            ).succeeded()
            try await delivery.compare(home(tls))
        }
    }

    private func encoded(_ path: String) -> String {
        path.utf8.map { byte in
            let plain =
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || "/-._~".utf8.contains(byte)
            return plain ? String(UnicodeScalar(byte)) : "%" + hex(byte)
        }.joined()
    }

    private func hex(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16, uppercase: true)
        return text.utf8.count == 1 ? "0" + text : text
    }
}
