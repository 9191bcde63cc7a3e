import FFSModel
import FoundationEssentials
import Glibc
import StoredFormats
import TestSupport

/// ffsftpd alone, with an account area made as docs/formats.md says: no other daemon is needed to serve accounts.
struct FTPServer: Sendable {
    let directory: TemporaryDirectory
    let ports: ClosedRange<Int>
    let settings: [String: String]
    static let account = "abcdefghij234567"
    static let expired = "bbbbbbbbbbbbbbbb"
    static let ending = "cccccccccccccccc"
    static let password = "S3CRETS3CRETS3CRETS3CRET22"

    /// - Parameter endingPolicy: policy of the account that expires three seconds after the start.
    init(_ settings: [String: String] = [:], endingPolicy: ExpiryPolicy = .finish) throws {
        directory = try TemporaryDirectory("ftp")
        ports = try Ports.range(4)
        var all = [
            "staging.accounts": directory("accounts"), "run.directory": directory("run"),
            "log.directory": directory("log"), "ftp.port": "\(ports.lowerBound)",
            "ftp.implicit-port": "\(ports.lowerBound + 1)", "ftp.https-port": "\(ports.lowerBound + 2)",
            "ftp.address": "127.0.0.1", "ftp.user": "nobody", "ftp.workers": "2", "log.level": "info",
            "ftp.certificate": directory("tls/cert.pem"), "ftp.private-key": directory("tls/key.pem"),
            "drain.timeout": "20", "pipeline.journal-directory": directory("journal"),
            // ffsftpd's is the fourth port from the base.
            "metrics.base-port": "\(ports.lowerBound)",
        ]
        // `{tls}` stands for the folder of certificates.
        all.merge(settings.mapValues { [directory] in $0.replacing("{tls}", with: directory("tls")) }) { $1 }
        self.settings = all
        for name in ["accounts", "run", "log", "tls", "journal"] { try Files.makeDirectory(directory(name)) }
        try makeAccount(Self.account, lifetime: 3_600, huge: true)
        try makeAccount(Self.expired, lifetime: -10)
        try makeAccount(Self.ending, lifetime: 3, policy: endingPolicy)
    }

    private func makeAccount(
        _ name: String, lifetime: Int64, policy: ExpiryPolicy = .finish, huge: Bool = false
    ) throws {
        let small: [(String, [UInt8])] = [("d/one", Array("1".utf8)), ("hello.txt", Array("hello\nworld\n".utf8))]
        let shared: [(String, FTPContent)] =
            [("big.iso", FTPContent.big)] + (huge ? [("huge.bin", FTPContent.huge)] : [])
        let root = directory("accounts/\(name)/root")
        try Files.makeDirectory(root + "/d")
        var listed: [(path: String, digest: ContentDigest, size: Int)] = []
        for (path, bytes) in small {
            try Files.write(bytes, to: "\(root)/\(path)")
            try Files.setMode(0o444, of: "\(root)/\(path)")
            listed.append((path, ContentDigest.sha256(of: bytes), bytes.count))
        }
        for (path, content) in shared {
            try content.link(to: "\(root)/\(path)")
            listed.append((path, content.digest, content.size))
        }
        var sums: [UInt8] = []
        for file in listed.sorted(by: { $0.path < $1.path }) {
            ChecksumFile.appendLine(file.digest, path: file.path.utf8, to: &sums)
        }
        try Files.write(sums, to: root + "/SHA256SUMS")
        let now = Timestamp(seconds: Int64(time(nil)))
        let record = AccountRecord(
            account: try AccountID(name), customer: try CustomerName("acme"),
            items: [Item(product: try ProductName("demo"), version: try VersionName("1"))], created: now,
            expires: now + lifetime, policy: policy, order: 0, request: .random(),
            passwordDigest: ContentDigest.sha256(of: Array(Self.password.utf8)), fileCount: listed.count,
            bytes: listed.reduce(0) { $0 + $1.size })
        try Files.write(record.serialized(), to: directory("accounts/\(name)/record"))
    }

    /// Starts it, runs `body`, stops it; throws its log when it did not end well.
    /// - Parameter files: how many descriptors a process may have.
    func run(files: Int? = nil, _ body: (DaemonProcess) async throws -> Void) async throws {
        try await makeCertificate("localhost", "cert.pem", key: "key.pem")
        if settings["ftp.more-certificates"] != nil {
            try await makeCertificate("files.example", "files.pem", key: "files.key", ["rsa:2048"])
            try await makeCertificate("*.wild.example", "wild.pem", key: "wild.pem")
        }
        let words =
            (files.map { ["prlimit", "--nofile=\($0):\($0)"] } ?? []) + [
                Project.program("ffsftpd"), "--config", "/dev/null",
            ]
            + settings.sorted { $0.key < $1.key }.flatMap { ["--set", "\($0.key)=\($0.value)"] }
        let daemon = try await DaemonProcess.start(words, name: "ffsftpd", logPath: directory("log/ffsftpd"))
        try await daemon.logged("ready")
        try await body(daemon)
        if daemon.isRunning {
            let status = try await daemon.stop()
            guard status == 0 else { throw TestFailure("ffsftpd ended with \(status)\n\(daemon.log.suffix(4_000))") }
        }
    }

    private func makeCertificate(
        _ name: String, _ certificate: String, key: String,
        _ kind: [String] = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    ) async throws {
        try await command(
            ["openssl", "req", "-x509", "-newkey"] + kind + [
                "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)", "-keyout",
                directory("tls/\(key)"), "-out", directory("tls/\(certificate)"),
            ]
        ).succeeded()
    }

    /// What the Python clients read (ftp_wire.py).
    func environment(_ daemon: DaemonProcess, endingPolicy: ExpiryPolicy) -> [String: String] {
        let ctl =
            [Project.program("ffsctl"), "--config", "/dev/null"]
            + ["run.directory", "ftp.user"].flatMap { ["--set", "\($0)=\(settings[$0] ?? "")"] }
        return [
            "FFS_PORT": "\(ports.lowerBound)", "FFS_IMPLICIT": "\(ports.lowerBound + 1)",
            "FFS_HTTPS": "\(ports.lowerBound + 2)", "FFS_METRICS": "\(ports.upperBound)",
            "FFS_ACCOUNT": Self.account, "FFS_PASSWORD": Self.password, "FFS_EXPIRED": Self.expired,
            "FFS_ENDING": Self.ending, "FFS_ENDING_POLICY": endingPolicy.description,
            "FFS_TREE": directory("accounts/\(Self.account)/root"), "FFS_AREA": directory("accounts"),
            "FFS_JOURNAL": directory("journal"), "FFS_LOG": directory("log/ffsftpd"),
            "FFS_XFERLOG": directory("log/xferlog"),
            "FFS_PID": "\(daemon.processIdentifier)", "FFS_TLS": directory("tls"),
            "FFS_REUSE": settings["ftp.tls-reuse"] ?? "prefer",
            "FFS_LEVELS": "\(settings["ftp.tls-control"] ?? "allow") \(settings["ftp.tls-data"] ?? "allow")",
            "FFS_PASSIVE": settings["ftp.passive-ports"] ?? "49152-65535", "FFS_CTL": ctl.joined(separator: "\n"),
            "PYTHONDONTWRITEBYTECODE": "1",
        ]
    }

    /// Cases of a Python client, one after another, against a daemon of their own.
    static func play(
        _ script: String, _ names: String..., settings: [String: String] = [:], endingPolicy: ExpiryPolicy = .finish,
        files: Int? = nil
    ) async throws {
        let server = try FTPServer(settings, endingPolicy: endingPolicy)
        try await server.run(files: files) { daemon in
            try await server.play(script, names, against: daemon, endingPolicy: endingPolicy)
        }
    }

    /// Cases against a daemon that runs already.
    func play(
        _ script: String, _ names: [String], against daemon: DaemonProcess, endingPolicy: ExpiryPolicy = .finish
    ) async throws {
        let result = try await command(
            ["python3", "\(Project.root)/Tests/Integration/Clients/\(script).py"] + names,
            environment: environment(daemon, endingPolicy: endingPolicy), timeout: .seconds(120))
        guard result.status == 0 else {
            throw TestFailure("\(names): \(result.errorOutput.suffix(3_000))\nlog:\n\(daemon.log.suffix(3_000))")
        }
        // A worker that fell is replaced at once, and a client that tries again may not notice; 9 is a test's own.
        let falls = daemon.log.lines.filter {
            $0.contains("worker ended") && $0.contains("signal") && !$0.contains("signal 9")
        }
        guard falls.isEmpty else { throw TestFailure("\(names): \(falls)\n\(daemon.log.suffix(6_000))") }
    }
}
