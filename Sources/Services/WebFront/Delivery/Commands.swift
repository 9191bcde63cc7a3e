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
    private static let mostURLs = 12

    let account: AccountID
    let password: String?
    let places: DownloadPlaces
    /// Whether the tools must be told of the server's certificate, saved as ``certificateFile``.
    let trust: Bool
    /// What the account holds, in path order; perhaps only the first of them.
    let files: [RelativePath]
    let isComplete: Bool

    init(_ account: StagedAccount, password: String?, places: DownloadPlaces, trust: ServerIdentity) {
        self.init(
            account: account.account, password: password, places: places, trust: trust.isSelfSigned(),
            files: account.files.map(\.path), isComplete: account.files.count == account.fileCount)
    }

    init(
        account: AccountID, password: String?, places: DownloadPlaces, trust: Bool, files: [RelativePath],
        isComplete: Bool
    ) {
        self.account = account
        self.password = password
        self.places = places
        self.trust = trust
        self.files = files
        self.isComplete = isComplete
    }

    private var links: AccountLinks { AccountLinks(account: account, places: places) }
    private var folder: String { "ffs-\(account)" }

    var recipes: [Recipe] { [curl, wget, lftp, verify].compactMap(\.self) }

    private var curl: Recipe? {
        guard let base = links.https ?? links.ftps ?? links.ftp, let first = files.first else { return nil }
        let all = isComplete && files.count <= Self.mostURLs
        var words = ["curl", "--fail", "--create-dirs", "--continue-at", "-", "--user", credentials(":")]
        if trust { words += ["--cacert", Self.certificateFile] }
        // Over FTP alone: no byte of the password before TLS.
        if links.https == nil, links.ftps == nil { words.append("--ssl-reqd") }
        for file in all ? files : [first] {
            words += ["--output", "\(folder)/\(file)", base + Escaping.urlPath(file.bytes)]
        }
        return Recipe(
            tool: "curl", purpose: all ? "all files, resuming what is there" : "one file, resuming what is there",
            command: line(words))
    }

    /// wget lists a folder by itself over FTP alone; over HTTPS it gets the addresses.
    private var wget: Recipe? {
        let secret =
            password.map { ["--user=\(account)", "--password=\($0)"] } ?? ["--user=\(account)", "--ask-password"]
        let certificate = trust ? ["--ca-certificate=\(Self.certificateFile)"] : []
        if let base = links.https, isComplete, files.count <= Self.mostURLs {
            let words =
                ["wget", "--continue", "--force-directories", "--no-host-directories", "--cut-dirs=2"]
                + ["--directory-prefix=\(folder)"] + secret + certificate
            return Recipe(
                tool: "wget", purpose: "all files, resuming what is there",
                command: line(words + files.map { base + Escaping.urlPath($0.bytes) }))
        }
        guard let base = links.ftps ?? links.ftp else { return nil }
        let bare = base.replacing("\(account)@", with: "")
        let words =
            ["wget", "--mirror", "--no-host-directories", "--directory-prefix=\(folder)"] + secret
            + (links.ftps == nil ? [] : certificate)
        return Recipe(tool: "wget", purpose: "the whole account", command: line(words + [bare]))
    }

    private var lftp: Recipe? {
        guard let base = links.ftps ?? links.ftp else { return nil }
        let bare = base.replacing("\(account)@", with: "")
        var script = ["set ftp:ssl-force true", "set ftp:ssl-protect-data true"]
        if trust { script.append("set ssl:ca-file \(Self.certificateFile)") }
        script += ["mirror --continue --parallel=4 / \(folder)", "quit"]
        return Recipe(
            tool: "lftp", purpose: "the whole account, four files at a time, resuming",
            command: line(["lftp", "-u", credentials(","), "-e", script.joined(separator: "; "), bare]))
    }

    private var verify: Recipe {
        Recipe(
            tool: "sha256sum", purpose: "checks every file you fetched",
            command: "cd \(Escaping.shell(folder)) && sha256sum --check --quiet SHA256SUMS")
    }

    private func credentials(_ separator: String) -> String {
        password.map { "\(account)\(separator)\($0)" } ?? "\(account)"
    }

    /// Words quoted and broken over lines at about 100 columns, each break escaped.
    private func line(_ words: [String]) -> String {
        var lines: [String] = []
        var current = ""
        for word in words.map(Escaping.shell) {
            if !current.isEmpty, current.count + word.count > 96 {
                lines.append(current)
                current = word
            } else {
                current += current.isEmpty ? word : " \(word)"
            }
        }
        return (lines + [current]).joined(separator: " \\\n  ")
    }
}
