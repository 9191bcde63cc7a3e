/// The second part of etc/install-manifest: directories and secrets with owner, group and mode.
struct InstallManifest {
    struct Row {
        /// Absolute, as installed; a directory's ends in "/".
        let path: String
        let owner: String
        let group: String
        let mode: Int

        var isDirectory: Bool { path.hasSuffix("/") }
    }

    let rows: [Row]

    init() throws {
        let text = try Files.read(Project.root + "/etc/install-manifest")
        guard let blank = text.firstRange(of: "\n\n") else { throw TestFailure("etc/install-manifest has one part") }
        rows = try text[blank.upperBound...].split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 4, let mode = Int(words[3], radix: 8) else {
                throw TestFailure("etc/install-manifest: \(line)")
            }
            return Row(path: words[0], owner: words[1], group: words[2], mode: mode)
        }
    }

    /// Makes the directories below `root`, or gives what is there its owner and mode; owners only with root's rights.
    func apply(below root: String, directories: Bool, owned: Bool) async throws {
        for row in rows where row.isDirectory == directories {
            let path = root + row.path
            if directories { try Files.makeDirectory(path) }
            guard Files.exists(path) else { continue }
            if owned { try await command("chown", "\(row.owner):\(row.group)", path).succeeded() }
            try Files.setMode(row.mode, of: path)
        }
    }
}
