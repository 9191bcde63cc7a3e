import ConfigurationSchema
import FFSModel
import FoundationEssentials
import Subprocess
import SystemSupport
import TLSEngine

/// A customer's side of the smoke test: curl(1), which shares nothing with the servers. Names are those that customers
/// use, connections go to this host.
final class SmokeClient {
    /// What staging answers, as much as is needed; names are the API's, ffswebd(8).
    struct Account: Decodable {
        struct File: Decodable { let path: String }
        let account: String
        let password: String
        let files: [File]
    }

    /// A way to download.
    struct Way {
        enum Scheme: Equatable { case ftp, https }
        let name: String
        let scheme: Scheme
        let port: Int
        let options: [String]
        /// Why this installation does not offer it; nil where it does.
        let closed: String?
    }

    private let configuration: ConfigurationSchema.Configuration
    private var token = ""

    init(configuration: ConfigurationSchema.Configuration) { self.configuration = configuration }

    /// FTP, FTPS and HTTPS.
    var ways: [Way] {
        let (ftp, https) = (configuration[Options.FTP.port], configuration[Options.FTP.httpsPort])
        let (control, data) = (configuration[Options.FTP.controlTLS], configuration[Options.FTP.dataTLS])
        let proxies = configuration[Options.FTP.proxies].isEmpty ? nil : "ftp.proxies: connections begin at a proxy"
        let trust = ["--cacert", configuration[Options.FTP.certificate]]
        return [
            Way(
                name: "FTP", scheme: .ftp, port: ftp, options: [],
                closed: proxies
                    ?? (ftp == 0 ? "ftp.port is 0" : control == .require || data == .require ? "TLS is required" : nil)),
            Way(
                name: "FTPS", scheme: .ftp, port: ftp, options: trust + ["--ssl-reqd"],
                closed: proxies ?? (ftp == 0 ? "ftp.port is 0" : control == .off || data == .off ? "TLS is off" : nil)),
            Way(
                name: "HTTPS", scheme: .https, port: https, options: trust,
                closed: proxies ?? (https == 0 ? "ftp.https-port is 0" : nil)),
        ]
    }

    /// The file's bytes.
    func fetch(_ path: String, of account: Account, _ way: Way) async throws(Failure) -> [UInt8] {
        let host = configuration[Options.FTP.publicHost]
        let place = percentEncoded(path.utf8, keeping: "-._~/")
        let url =
            switch way.scheme {
            case .ftp: "ftp://\(host):\(way.port)/\(place)"
            case .https: "https://\(host):\(way.port)/a/\(account.account)/\(place)"
            }
        let detour = detour(host, way.port, configuration[Options.FTP.address])
        return try await curl(
            way.options + detour, secrets: ["user = \(quoted("\(account.account):\(account.password)"))"], url: url)
    }

    // MARK: The web front

    /// Why the web front takes no connection from here as a browser would make it; nil where it does.
    var webIsClosed: String? {
        guard configuration[Options.Web.proxyProtocol] else { return nil }
        let own = CertificateChecks.reachable(configuration[Options.Web.address]).utf8.filter {
            !"[]".utf8.contains($0)
        }
        guard let address = IPAddress(text: own),
            let proxies = try? AddressSet(configuration[Options.Web.proxies], option: Options.Web.proxies.key),
            proxies.contains(address)
        else { return nil }
        return
            "web.proxies lists \(address) and web.proxy-protocol is on: connections from this host must begin as a proxy's do"
    }

    func page() async throws(Failure) -> String {
        let bytes = try await web("sign-in", [], [])
        guard !bytes.isEmpty else { throw Failure(.corrupt, "the page is empty") }
        return "\(bytes.count) bytes"
    }

    func signIn(customer: String, password: String) async throws(Failure) -> String {
        struct Session: Decodable { let token: String }
        let body = "{\"customer\": \(jsonString(customer)), \"password\": \(jsonString(password))}"
        let session: Session = try decode(
            try await web("api/v1/sessions", ["-H", "content-type: application/json"], ["data = \(quoted(body))"]))
        token = session.token
        return "at the web front"
    }

    func stage(product: String, version: String) async throws(Failure) -> Account {
        let body =
            "{\"items\": [{\"product\": \(jsonString(product)), \"version\": \(jsonString(version))}], \"lifetime\": 600}"
        return try decode(
            try await web(
                "api/v1/accounts", ["-H", "content-type: application/json"],
                ["data = \(quoted(body))", "header = \(quoted("authorization: Bearer \(token)"))"]))
    }

    private func decode<Message: Decodable>(_ bytes: [UInt8]) throws(Failure) -> Message {
        do { return try JSONDecoder().decode(Message.self, from: Data(bytes)) } catch {
            throw Failure(.corrupt, "the web front's answer cannot be read", cause: "\(error)")
        }
    }

    private func web(_ path: String, _ options: [String], _ secrets: [String]) async throws(Failure) -> [UInt8] {
        let port = configuration[Options.Web.port]
        let certificate = configuration[Options.Web.certificate]
        let facts = (try? Descriptor.open(CPath(certificate), .read).readAll(limit: 1 << 20))
            .flatMap { CertificateFacts(pem: $0) }
        // FFS is not told the name that customers type; the certificate knows it.
        let names = [Probes.hostName, configuration[Options.FTP.publicHost], "localhost"]
        let name = names.first { facts?.serves($0) == true }
        let host = name ?? Probes.hostName
        let trust = name == nil ? ["--insecure"] : ["--cacert", certificate]
        return try await curl(
            trust + options + detour(host, port, configuration[Options.Web.address]), secrets: secrets,
            url: "https://\(host):\(port)/\(path)")
    }

    // MARK: curl

    /// `--connect-to`: the name is the customers', the way is the short one.
    private func detour(_ host: String, _ port: Int, _ address: String) -> [String] {
        ["--connect-to", "\(host):\(port):\(CertificateChecks.reachable(address)):\(port)"]
    }

    /// A value of curl's configuration file.
    private func quoted(_ text: String) -> String {
        var out: [UInt8] = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { out.append(UInt8(ascii: "\\")) }
            out.append(byte)
        }
        return String(decoding: out, as: UTF8.self) + "\""
    }

    /// What curl brings. Secrets go to its standard input: others can read the command line.
    private func curl(_ options: [String], secrets: [String], url: String) async throws(Failure) -> [UInt8] {
        let words =
            ["curl", "-q", "-sS", "--fail-with-body", "--noproxy", "*", "--max-time", "20"] + options + [
                "--config", "-",
            ]
        let input = (secrets + ["url = \(quoted(url))"]).joined(separator: "\n") + "\n"
        do {
            let result = try await Subprocess.run(
                .name("env"), arguments: Arguments(words), input: .string(input), output: .bytes(limit: 8 << 20),
                error: .string(limit: 1 << 16))
            guard result.terminationStatus.isSuccess else {
                if case .exited(127) = result.terminationStatus {
                    throw Failure(.notFound, "curl is not installed: apt-get install curl")
                }
                let complaint = result.standardError.split(separator: "\n").joined(separator: " ")
                let answer = printable(result.standardOutput, limit: 200)
                throw Failure(
                    .unreachable,
                    "\(url): \(complaint.isEmpty ? "curl failed" : complaint)\(answer.isEmpty ? "" : "; \(answer)")")
            }
            return result.standardOutput
        } catch let failure as Failure { throw failure } catch {
            throw Failure(.internal, "curl cannot be run", cause: "\(error)")
        }
    }
}
