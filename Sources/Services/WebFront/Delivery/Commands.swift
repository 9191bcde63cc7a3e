import FFSModel
import Requests

/// Command lines for the usual tools, correct to paste into a POSIX shell: every word quoted as it needs.
///
/// With the password they run as they are; without it (a later visit) each tool asks for it.
struct DownloadCommands: Sendable {
    /// One tool's way to fetch the account.
    struct Recipe: Sendable {
        let tool: String
        /// What the command does, in half a sentence.
        let purpose: String
        let command: String
    }

    /// The file that the certificate page saves, named in the commands when it must be trusted by hand.
    static let certificateFile = "ffs-certificate.pem"
    /// More files than this are better fetched by a tool that lists them itself.
    static let mostAddresses = 12

    let account: AccountID
    let password: String?
    let places: DownloadPlaces
    /// Whether the tools must be told of the server's certificate, saved as ``certificateFile``.
    let trust: Bool
    /// Every file of the account in path order, `SHA256SUMS` included; nil when there are too many to name.
    private let files: [RelativePath]?

    init(_ account: StagedAccount, password: String?, places: DownloadPlaces, certificate: DownloadCertificate?) {
        self.init(
            account: account.account, password: password, places: places, trust: certificate?.isSelfSigned == true,
            files: account.files.count == account.fileCount ? account.files.map(\.path) : nil)
    }

    init(account: AccountID, password: String?, places: DownloadPlaces, trust: Bool, files: [RelativePath]?) {
        self.account = account
        self.password = password
        self.places = places
        self.trust = trust
        guard let files, files.count <= Self.mostAddresses, let sums = try? RelativePath("SHA256SUMS") else {
            self.files = nil
            return
        }
        self.files = [sums] + files.filter { $0 != sums }
    }

    /// The tools in the order of how many people know them; a tool that cannot do it here is left out.
    var downloads: [Recipe] { [curl, wget, lftp].compactMap(\.self) }

    /// Run after any of them.
    var verification: Recipe {
        Recipe(
            tool: "sha256sum", purpose: "checks every file",
            command: "cd \(Escaping.shell(folder)) && sha256sum --check --quiet SHA256SUMS")
    }

    private var links: AccountLinks { AccountLinks(account: account, places: places) }
    private var folder: String { "ffs-\(account)" }

    /// Names each file; of an account with many, the checksum file alone, as an example to go by.
    private var curl: Recipe? {
        guard let base = links.https ?? links.ftps ?? links.ftp, let sums = try? RelativePath("SHA256SUMS") else {
            return nil
        }
        var words = ["curl", "--fail", "--create-dirs", "--continue-at -", "--user \(quoted(credentials(":")))"]
        if trust { words.append("--cacert \(Self.certificateFile)") }
        // Over FTP alone: no byte of the password before TLS.
        if links.https == nil, links.ftps == nil, places.requiresTLS { words.append("--ssl-reqd") }
        let parts = (files ?? [sums]).map { file in
            "--output \(quoted("\(folder)/\(file)")) \(quoted(base + Escaping.urlPath(file.bytes)))"
        }
        return Recipe(
            tool: "curl", purpose: files == nil ? "one file; put any name of the list below" : "all files, resuming",
            command: Self.lines(words) + Self.lineBreak + parts.joined(separator: Self.lineBreak))
    }

    /// Follows the listings of the HTTPS server, or of FTP with TLS where there is none.
    private var wget: Recipe? {
        let certificate = trust ? ["--ca-certificate=\(Self.certificateFile)"] : []
        let secret =
            password.map { ["--user=\(account)", "--password=\($0)"] } ?? ["--user=\(account)", "--ask-password"]
        let common = ["--no-host-directories", "--directory-prefix=\(folder)"] + secret + certificate
        let words: [String]
        if let base = links.https {
            words = ["wget", "--mirror", "--no-parent", "--cut-dirs=2", "--reject=index.html*"] + common + [base]
        } else if let base = places.requiresTLS ? links.explicit : links.withoutLogin.ftp {
            words = ["wget", "--mirror"] + common + [base]
        } else if let base = links.withoutLogin.ftps {
            words = ["wget", "--mirror", "--ftps-implicit"] + common + [base]
        } else {
            return nil
        }
        return Recipe(
            tool: "wget", purpose: "the whole account, newer files only when repeated",
            command: Self.lines(words.map(quoted)))
    }

    private var lftp: Recipe? {
        guard let base = links.withoutLogin.ftps ?? links.withoutLogin.ftp else { return nil }
        var script: [String] = []
        if links.ftps != nil || places.requiresTLS {
            script += ["set ftp:ssl-force true", "set ftp:ssl-protect-data true"]
        }
        if trust { script.append("set ssl:ca-file \(Self.certificateFile)") }
        script += ["mirror --continue --parallel=4 / \(folder)", "quit"]
        let words = ["lftp", "-u \(quoted(credentials(",")))", quoted(base)]
        return Recipe(
            tool: "lftp", purpose: "the whole account, four files at a time, resuming",
            command: Self.lines(words) + Self.lineBreak + "-e \(quoted(script.joined(separator: "; ")))")
    }

    private func credentials(_ separator: String) -> String {
        password.map { "\(account)\(separator)\($0)" } ?? "\(account)"
    }

    private func quoted(_ word: String) -> String { Escaping.shell(word) }

    /// A line of a command that goes on.
    private static let lineBreak = " \\\n  "

    /// Quoted words over lines of about 80 columns.
    private static func lines(_ words: [String]) -> String {
        var lines: [String] = []
        for word in words {
            if let last = lines.last, last.count + word.count < 80 {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(word)
            }
        }
        return lines.joined(separator: lineBreak)
    }
}
