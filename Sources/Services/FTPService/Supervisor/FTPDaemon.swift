import ConfigurationSchema
package import DaemonKit
import FFSModel
package import Requests
package import ServiceLifecycle
import SystemSupport
import TLSEngine

/// ffsftpd as DaemonKit runs it: the supervisor. What strangers talk to are its workers (``WorkerProcess``).
package struct FTPDaemon: Daemon {
    package static var name: String { "ffsftpd" }
    package let requestTable: RequestTable
    private let service: SupervisorService

    package init(_ environment: DaemonEnvironment) async throws {
        service = SupervisorService(environment)
        requestTable = service.requestTable()
    }

    package var services: [any Service] { [service] }

    package func reload(_ environment: DaemonEnvironment) async throws { try service.reload(environment) }

    package func prove() async { await service.prove() }

    package var counts: [DaemonStatus.Reply.Value] {
        service.counts + service.signIns.values.map { .init($0.name, $0.value) }
    }
    package var isServing: Bool { service.isServing }

    // MARK: What is needed

    /// Certificates and keys, read and checked; the plan is without them where there is no certificate file and the
    /// configuration offers no TLS. Throws `configuration` for files that cannot be used, naming them.
    static func plan(
        _ configuration: Configuration, counterSecret: [UInt8]
    ) throws(Failure) -> WorkerBriefing {
        let configuration = try settled(configuration)
        _ = try FTPSettings(configuration, hasTLS: true)
        let certificate = try read(configuration[Options.FTP.certificate], Options.FTP.certificate.key, limit: 1 << 20)
        guard let certificate else {
            guard !needsTLS(configuration) else {
                throw Failure(
                    .configuration,
                    "there is no ftp.certificate (\(configuration[Options.FTP.certificate])); install.sh makes one, or set ftp.certificate and ftp.private-key. For plain FTP alone close what needs it: ftp.https-port 0, ftp.implicit-port 0, ftp.tls-control off, ftp.tls-data off"
                )
            }
            return WorkerBriefing(configuration, certificates: [], counterSecret: counterSecret)
        }
        let keyPath = configuration[Options.FTP.privateKey]
        guard let key = try read(keyPath, Options.FTP.privateKey.key, limit: 1 << 20) else {
            throw Failure(.configuration, "there is no ftp.private-key (\(keyPath)); set it")
        }
        let first = WorkerBriefing.Certificate(chain: certificate, key: key)
        try check(first, "ftp.certificate \(configuration[Options.FTP.certificate]), ftp.private-key \(keyPath)")
        return WorkerBriefing(
            configuration, certificates: [first] + (try moreCertificates(configuration)),
            counterSecret: counterSecret)
    }

    /// The configuration with what a confined worker cannot find out: how many of them there are, and the addresses of
    /// hosts that are named.
    private static func settled(_ configuration: Configuration) throws(Failure) -> Configuration {
        var settled = configuration
        let addresses = try PassiveAddress.withoutNames(
            configuration[Options.FTP.passiveAddress], lookUp: lookUpIPv4Address)
        do {
            try settled.set(Options.FTP.workers.key, to: "\(workers(configuration))", from: .commandLine)
            if !addresses.isEmpty {
                try settled.set(Options.FTP.passiveAddress.key, to: addresses.optionText, from: .commandLine)
            }
        } catch { throw Failure(.internal, "\(error)") }
        return settled
    }

    /// Workers that are to run.
    static func workers(_ configuration: Configuration) -> Int {
        let wanted = configuration[Options.FTP.workers]
        return wanted > 0 ? wanted : min(processorCount(), Options.FTP.mostWorkers)
    }

    /// `ftp.more-certificates`: `certificate:key`, or one file that holds both.
    private static func moreCertificates(
        _ configuration: Configuration
    ) throws(Failure) -> [WorkerBriefing.Certificate] {
        let option = Options.FTP.moreCertificates
        var certificates: [WorkerBriefing.Certificate] = []
        for entry in configuration[option] where !entry.isEmpty {
            let paths = entry.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            var files: [[UInt8]] = []
            for path in paths {
                guard let bytes = try read(path, option.key, limit: 1 << 20) else {
                    throw Failure(.configuration, "\(option.key): there is no file \(path)")
                }
                files.append(bytes)
            }
            let certificate = WorkerBriefing.Certificate(chain: files[0], key: files[files.count - 1])
            try check(certificate, "\(option.key): \(entry)")
            certificates.append(certificate)
        }
        return certificates
    }

    /// Throws with `what`, which names the files.
    private static func check(_ certificate: WorkerBriefing.Certificate, _ what: String) throws(Failure) {
        do throws(TLSError) {
            _ = try TLSCredentials(certificatePEM: certificate.chain, privateKeyPEM: certificate.key)
        } catch { throw Failure(.configuration, "\(what) cannot be used: \(error)") }
    }

    /// A certificate that went missing must not turn FTPS customers into plain ones, so `allow` needs it, too.
    private static func needsTLS(_ configuration: Configuration) -> Bool {
        configuration[Options.FTP.controlTLS] != .off || configuration[Options.FTP.dataTLS] != .off
            || configuration[Options.FTP.implicitPort] > 0 || configuration[Options.FTP.httpsPort] > 0
    }

    /// nil when there is no such file.
    private static func read(_ path: String, _ option: String, limit: Int) throws(Failure) -> [UInt8]? {
        let bytes: [UInt8]?
        do throws(SystemError) { bytes = try Descriptor.open(CPath(path), .read).readAll(limit: limit) } catch {
            if error.errno == .noEntry { return nil }
            throw error.failure("cannot read \(option), \(path)", .configuration)
        }
        guard let bytes else { throw Failure(.configuration, "\(option): \(path) is larger than any certificate") }
        return bytes
    }

    /// Who workers become; nil unless started as root.
    static func identity(_ configuration: Configuration) throws(Failure) -> (user: UInt32, group: UInt32)? {
        guard SystemUser.isRoot else { return nil }
        let name = configuration[Options.FTP.user]
        let user: SystemUser?
        do throws(SystemError) { user = try SystemUser(named: name) } catch {
            throw error.failure("cannot look up ftp.user", .configuration)
        }
        guard let user, user.user != 0 else {
            throw Failure(
                .configuration,
                "ftp.user: there is no unprivileged user \(name); create it (install.sh install does) or name another")
        }
        return (user.user, user.group)
    }

    package static func check(_ environment: DaemonEnvironment) async -> [CheckFinding] {
        let configuration = environment.configuration
        var findings: [CheckFinding] = []
        func look(_ subject: String, _ ok: String, _ body: () throws(Failure) -> Void) {
            do throws(Failure) {
                try body()
                findings.append(CheckFinding(.ok, subject, ok))
            } catch { findings.append(CheckFinding(.error, subject, error.text)) }
        }
        look("kernel", "openat2(2) works") { () throws(Failure) in try Kernel.checkOpenBeneath() }
        look("staging.accounts", configuration[Options.Staging.accounts]) { () throws(Failure) in
            do throws(SystemError) {
                _ = try Descriptor.open(CPath(configuration[Options.Staging.accounts]), [.read, .directory])
            } catch { throw error.failure("cannot open the account area, staging.accounts", .configuration) }
        }
        let journals = configuration[Options.Pipeline.journals]
        if !journals.isEmpty {
            look(Options.Pipeline.journals.key, journals) { () throws(Failure) in
                do throws(SystemError) { _ = try Descriptor.open(CPath(journals), [.read, .directory]) } catch {
                    throw error.failure(
                        "cannot open \(Options.Pipeline.journals.key); install.sh install makes it", .configuration)
                }
            }
        }
        look("ftp.user", configuration[Options.FTP.user]) { () throws(Failure) in _ = try identity(configuration) }
        look("ftp.*", "addresses, limits and lists are understood") { () throws(Failure) in
            _ = try FTPSettings(try settled(configuration), hasTLS: true)
        }
        do throws(Failure) {
            let plan = try plan(configuration, counterSecret: [])
            findings.append(
                plan.certificates.isEmpty
                    ? CheckFinding(.warning, "ftp.certificate", "none, and no TLS: passwords and content go in clear")
                    : CheckFinding(.ok, "ftp.certificate", configuration[Options.FTP.certificate]))
        } catch { findings.append(CheckFinding(.error, "ftp.certificate", error.text)) }
        return findings + GateCheck.findings(environment)
    }
}
