import TestSupport
import Testing

/// An account is a plain tree: another FTP server can serve it.
@Suite(.timeLimit(.minutes(5)))
struct OtherServerTests {
    @Test func vsftpdServesTheSameTree() async throws {
        let delivery = try await Delivery.make()
        let accounts = "\(delivery.system.accounts)/\(delivery.account)/root"
        let directory = try TemporaryDirectory("vsftpd")
        let port = try Ports.one()
        let identity =
            System.isRoot
            ? "ftp_username=ffsftp\nnopriv_user=ffsftp" : "run_as_launching_user=YES"
        try Files.makeDirectory(directory("empty"), mode: 0o555)
        try Files.write(
            """
            listen=YES
            listen_address=127.0.0.1
            listen_port=\(port)
            background=NO
            anonymous_enable=YES
            no_anon_password=YES
            anon_root=\(accounts)
            anon_world_readable_only=NO
            write_enable=NO
            seccomp_sandbox=NO
            secure_chroot_dir=\(directory("empty"))
            \(identity)

            """, to: directory("vsftpd.conf"))
        let unpacked = Project.root + "/.build/tools/usr/sbin/vsftpd"
        let vsftpd = try await DaemonProcess.start(
            [Files.exists(unpacked) ? unpacked : "vsftpd", directory("vsftpd.conf")], name: "vsftpd",
            logPath: directory("log"))
        try await eventually("vsftpd listens: \(vsftpd.log)") {
            try await command("curl", "-q", "-s", "ftp://127.0.0.1:\(port)/").status == 0
        }
        let home = try TemporaryDirectory("mirror")
        try await command(
            "lftp", "--norc", "-c",
            "set cmd:fail-exit true; set net:max-retries 1; open ftp://127.0.0.1:\(port); mirror / \(home.path); quit"
        ).succeeded()
        try await delivery.compare(home.path)
        vsftpd.signal(15)
        _ = try await vsftpd.ended()
        try await delivery.system.stop()
    }
}
