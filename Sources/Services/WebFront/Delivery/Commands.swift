import FFSModel
import Requests
import StoredFormats

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

    /// The file that an account's certificate is saved as, named in the commands when it must be trusted by hand.
    static let certificateFile = "ffs-certificate.pem"
    /// More files than this are better fetched by a tool that lists them itself.
    static let mostAddresses = 12

    let account: AccountID
    let password: String?
    let places: DownloadPlaces
    /// Whether the tools must be told of the server's certificate, saved as ``certificateFile``.
    let trust: Bool
    /// Every file of the account with its size, `SHA256SUMS` first; nil when there are too many to name.
    private let files: [(path: RelativePath, size: Int)]?

    init(_ account: StagedAccount, password: String?, places: DownloadPlaces) {
        self.init(
            account: account.account, password: password, places: places, trust: account.certificate != nil,
            files: account.files.count == account.fileCount ? account.files : nil)
    }

    init(account: AccountID, password: String?, places: DownloadPlaces, trust: Bool, files: [StagedFile]?) {
        self.account = account
        self.password = password
        self.places = places
        self.trust = trust
        guard let files, files.count <= Self.mostAddresses, let name = Self.checksums else {
            self.files = nil
            return
        }
        var sums: [UInt8] = []
        for file in files { ChecksumFile.appendLine(file.digest, path: file.path.bytes, to: &sums) }
        self.files = [(name, sums.count)] + files.map { ($0.path, $0.size) }
    }

    private static var checksums: RelativePath? { try? RelativePath("SHA256SUMS") }

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

    /// Names each file that is not there in full, and goes on where it was cut: asked for the rest of a complete file, the
    /// server has to refuse (416), and curl calls that a failure. Of an account with many, the checksum file alone, as
    /// an example to go by.
    private var curl: Recipe? {
        guard let base = links.https ?? links.ftps ?? links.ftp, let sums = Self.checksums else { return nil }
        var words = ["curl", "--fail", "--create-dirs", "--user \(quoted(credentials(":")))"]
        if trust { words.append("--cacert \(Self.certificateFile)") }
        // Over FTP alone: no byte of the password before TLS.
        if links.https == nil, links.ftps == nil, places.requiresTLS { words.append("--ssl-reqd") }
        let place = { (file: RelativePath) in
            (Escaping.shell(Array("\(folder)/".utf8) + file.bytes), quoted(base + Escaping.urlPath(file.bytes)))
        }
        guard let files else {
            let (name, address) = place(sums)
            words.append("--output \(name)")
            return Recipe(
                tool: "curl", purpose: "one file; put any name of the list below",
                command: Self.lines(words) + Self.lineBreak + address)
        }
        var script = ["(set --"]
        for file in files {
            let (name, address) = place(file.path)
            script.append(
                "[ \"$(wc -c 2>/dev/null <\(name))\" -eq \(file.size) ] 2>/dev/null ||"
                    + "\n  set -- \"$@\" --output \(name)\(Self.lineBreak)\(address)")
        }
        script.append("[ $# -eq 0 ] || " + Self.lines(words + ["--fail-early", "--continue-at -", "\"$@\")"]))
        return Recipe(tool: "curl", purpose: "all files, resuming", command: script.joined(separator: "\n"))
    }

    /// Follows the listings of the HTTPS server, or of FTP with TLS where there is none.
    private var wget: Recipe? {
        let certificate = trust ? ["--ca-certificate=\(Self.certificateFile)"] : []
        let secret =
            password.map { ["--user=\(account)", "--password=\($0)"] } ?? ["--user=\(account)", "--ask-password"]
        // Asked by date alone, a server says of a file that was cut: not modified.
        let common =
            ["--no-if-modified-since", "--no-host-directories", "--directory-prefix=\(folder)"] + secret + certificate
        // Over FTP not --mirror, which leaves the servers' listings lying about.
        let follow = ["wget", "--recursive", "--level=inf", "--timestamping"]
        let words: [String]
        if let base = links.https {
            words = ["wget", "--mirror", "--no-parent", "--cut-dirs=2", "--reject=index.html*"] + common + [base]
        } else if let base = places.requiresTLS ? links.explicit : links.withoutLogin.ftp {
            words = follow + common + [base]
        } else if let base = links.withoutLogin.ftps {
            words = follow + ["--ftps-implicit"] + common + [base]
        } else {
            return nil
        }
        return Recipe(
            tool: "wget", purpose: "the whole account, newer files only when repeated",
            command: Self.lines(words.map(quoted)))
    }

    private var lftp: Recipe? {
        guard let base = links.withoutLogin.ftps ?? links.withoutLogin.ftp else { return nil }
        // Settings first: they are those of a connection only when they stand before it is opened.
        var script = ["set cmd:fail-exit true"]
        if links.ftps != nil || places.requiresTLS {
            script += ["set ftp:ssl-force true", "set ftp:ssl-protect-data true"]
        }
        if trust { script.append("set ssl:ca-file \(Self.certificateFile)") }
        script += ["open -u \(credentials(",")) \(base)", "mirror --continue --parallel=4 / \(folder)", "quit"]
        return Recipe(
            tool: "lftp", purpose: "the whole account, four files at a time, resuming",
            command: "lftp -e \(quoted(script.joined(separator: "; ")))")
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
