import ConfigurationSchema
import DaemonKit
import FFSModel
import Subprocess
import SystemSupport
import TLSEngine

/// Certificates: what is in the files, and what the running daemons show.
struct CertificateChecks: Sendable {
    let configuration: ConfigurationSchema.Configuration
    let daemons: [DaemonName]

    /// Days before its end from which a certificate is to be renewed.
    private static let notice: Int64 = 21

    /// A place where customers meet a certificate.
    private struct Place: Sendable {
        let daemon: DaemonName
        let option: Option<String>
        /// The name customers connect to; nil where FFS is not told it.
        let name: String?
        let address: String
        /// 0 where it is closed.
        let port: Int
        let startTLS: [String]
        /// What to do when another one is shown there.
        let remedy: String
    }

    var all: [@Sendable () async -> [Finding]] {
        var all: [@Sendable () async -> [Finding]] = places.map { place in { await look(at: place) } }
        // Pages send customers to another host: what it shows is seen from here as they see it.
        if daemons.contains(.ffswebd), !daemons.contains(.ffsftpd) { all.append { await lookAtDownloadHost() } }
        return all
    }

    private func lookAtDownloadHost() async -> [Finding] {
        let name = configuration[Options.FTP.publicHost]
        let https = configuration[Options.FTP.httpsPort]
        let port = https > 0 ? https : configuration[Options.FTP.port]
        guard port > 0, PlaceChecks.complaint(aboutPublicHost: name) == nil else { return [] }
        let place = Place(
            daemon: .ffswebd, option: Options.FTP.publicHost, name: name, address: name, port: port,
            startTLS: https > 0 ? [] : ["-starttls", "ftp"], remedy: "")
        let shown = "what \(name) shows at port \(port)"
        guard let certificate = await self.shown(at: place) else {
            return [
                Finding(
                    .ffswebd, .warning, place.option.key,
                    "no TLS handshake from here with \(name) at port \(port), to which pages send customers: is ffsftpd up there, and ftp.public-host and the port the same here as there? (a firewall that lets customers through and this host not looks the same)"
                )
            ]
        }
        var findings = dates(of: certificate, place, shown)
        if !certificate.serves(name) {
            findings.append(
                Finding(
                    .ffswebd, .error, place.option.key,
                    "\(shown) is not for \(name), so clients refuse it: correct ftp.public-host here, or bring the download host a certificate for that name"
                ))
        }
        return findings
    }

    private var places: [Place] {
        var places: [Place] = []
        if daemons.contains(.ffswebd) {
            places.append(
                Place(
                    daemon: .ffswebd, option: Options.Web.certificate, name: nil,
                    address: configuration[Options.Web.address], port: configuration[Options.Web.port], startTLS: [],
                    remedy: "ffsctl reload ffswebd"))
        }
        if daemons.contains(.ffsftpd) {
            let https = configuration[Options.FTP.httpsPort]
            let proxied = !configuration[Options.FTP.proxies].isEmpty
            places.append(
                Place(
                    daemon: .ffsftpd, option: Options.FTP.certificate, name: configuration[Options.FTP.publicHost],
                    address: configuration[Options.FTP.address],
                    port: proxied ? 0 : https > 0 ? https : configuration[Options.FTP.port],
                    startTLS: https > 0 ? [] : ["-starttls", "ftp"], remedy: "ffsctl reload ffsftpd"))
        }
        return places
    }

    private func look(at place: Place) async -> [Finding] {
        let path = configuration[place.option]
        // A file that is missing or no certificate is the daemon's own finding.
        guard let file = Self.read(path) else { return [] }
        var findings = dates(of: file, place, path) + names(of: file, place, path)
        if let shown = await shown(at: place), !shown.isSame(as: file) {
            findings.append(
                Finding(
                    place.daemon, .error, place.option.key,
                    "\(place.name ?? place.daemon.rawValue) shows another certificate than \(path) holds: \(place.remedy)"
                ))
        }
        return findings
    }

    private func dates(of certificate: CertificateFacts, _ place: Place, _ path: String) -> [Finding] {
        let now = SystemClock.now().seconds
        let (from, until) = (Timestamp(seconds: certificate.notBefore), Timestamp(seconds: certificate.notAfter))
        let finding: (severity: CheckFinding.Severity, text: String)
        if now >= certificate.notAfter {
            finding = (.error, "\(path) expired at \(until): customers cannot connect; renew it, then ffsctl reload")
        } else if now < certificate.notBefore {
            finding = (.error, "\(path) is not valid before \(from): correct this host's clock, or bring another")
        } else if certificate.notAfter - now < Self.notice * 86_400 {
            let days = (certificate.notAfter - now) / 86_400
            finding = (
                .warning, "\(path) expires in \(counted(Int(days), "day")), at \(until): renew it, then ffsctl reload"
            )
        } else {
            finding = (.ok, "\(path) is valid until \(until)")
        }
        return [Finding(place.daemon, finding.severity, place.option.key, finding.text)]
    }

    private func names(of certificate: CertificateFacts, _ place: Place, _ path: String) -> [Finding] {
        if let name = place.name {
            guard !certificate.serves(name), PlaceChecks.complaint(aboutPublicHost: name) == nil else { return [] }
            let more = configuration[Options.FTP.moreCertificates].compactMap { entry in
                Self.read(String(decoding: entry.utf8.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self))
            }
            guard !more.contains(where: { $0.serves(name) }) else { return [] }
            return [
                Finding(
                    place.daemon, .error, place.option.key,
                    "\(path) is not for \(name) (ftp.public-host), so clients refuse it: bring one for that name, or correct ftp.public-host"
                )
            ]
        }
        let host = Probes.hostName
        guard !certificate.serves(host) else { return [] }
        return [
            Finding(
                place.daemon, .warning, place.option.key,
                "\(path) is not for this host's name, \(host): browsers refuse it unless it is for the name that customers type"
            )
        ]
    }

    private static func read(_ path: String) -> CertificateFacts? {
        guard let bytes = try? Descriptor.open(CPath(path), .read).readAll(limit: 1 << 20) else { return nil }
        return CertificateFacts(pem: bytes)
    }

    /// What a TLS handshake brings; nil where nobody listens or there is no openssl(1).
    private func shown(at place: Place) async -> CertificateFacts? {
        guard place.port > 0 else { return nil }
        let host = Self.reachable(place.address)
        let name = place.name.map { ["-servername", $0] } ?? []
        let words =
            ["2", "openssl", "s_client", "-connect", "\(host):\(place.port)", "-no_ign_eof"] + name + place.startTLS
        let result = try? await Subprocess.run(
            .name("timeout"), arguments: Arguments(words), input: .none, output: .bytes(limit: 1 << 20),
            error: .discarded)
        return result.flatMap { CertificateFacts(pem: $0.standardOutput) }
    }

    /// Where a server that listens at `address` is met from this host.
    static func reachable(_ address: String) -> String {
        switch address {
        case "::", "0.0.0.0", "": "127.0.0.1"
        default: address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]" : address
        }
    }
}
