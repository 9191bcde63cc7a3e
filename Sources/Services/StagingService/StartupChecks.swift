package import DaemonKit
import FFSModel
import StoredFormats
import SystemSupport

/// What must hold before ffsstaged can serve: each fault is found before the first request, and says what to do.
package struct StartupChecks {
    let settings: StagingSettings
    /// User of ffsftpd, who has to read what is written here.
    let reader: String
    private var findings: [CheckFinding] = []

    package init(settings: StagingSettings, reader: String) {
        self.settings = settings
        self.reader = reader
    }

    /// Free inodes and bytes below which an operator should know.
    private static let fewInodes: UInt64 = 10_000
    private static let fewBytes: UInt64 = 1 << 30

    /// Looks, and changes nothing.
    package static func run(_ settings: StagingSettings, reader: String) -> [CheckFinding] {
        var checks = StartupChecks(settings: settings, reader: reader)
        checks.all()
        return checks.findings
    }

    private mutating func error(_ subject: String, _ text: String) {
        findings.append(CheckFinding(.error, subject, text))
    }

    private mutating func all() {
        do { try Kernel.checkOpenBeneath() } catch { self.error("kernel", error.text) }
        guard let owner = findOwner() else { return }
        let repository = look("staging.repository", settings.repository, owner)
        let accounts = look("staging.accounts", settings.accounts, owner)
        if let repository, let accounts {
            checkOneFileSystem(repository, accounts)
            checkReader(accounts)
        }
        checkHardLinks(owner)
        checkState(owner)
        guard !findings.contains(where: { $0.severity == .error }) else { return }
        findings.append(CheckFinding(.ok, "staging.repository", settings.repository))
        findings.append(CheckFinding(.ok, "staging.accounts", settings.accounts))
    }

    /// The user ffsstaged will be: staging.user for root, else whoever runs it.
    private mutating func findOwner() -> UInt32? {
        guard SystemUser.isRoot else { return SystemUser.effectiveNumber }
        if let user = try? SystemUser(named: settings.owner) { return user.user }
        error(
            "staging.user",
            "there is no user \(settings.owner); create it (install.sh install does) or set staging.user")
        return nil
    }

    private mutating func look(_ option: String, _ path: String, _ owner: UInt32) -> FileStatus? {
        let status: FileStatus
        let space: FileSystemSpace
        do throws(SystemError) {
            let directory = try Descriptor.open(CPath(path), [.read, .directory])
            status = try directory.status()
            space = try directory.space()
        } catch {
            self.error(option, "\(error)")
            return nil
        }
        if status.user != owner {
            error(
                option,
                "\(path) belongs to user \(status.user), ffsstaged will be user \(owner), who must own it: chown \(owner) \(path)"
            )
        }
        if status.permissions & 0o022 != 0 {
            error(
                option,
                "\(path) has mode \(String(status.permissions, radix: 8)): others could put files there; close it: chmod go-w \(path)"
            )
        }
        checkSpace(option, path, space)
        return status
    }

    private mutating func checkSpace(_ option: String, _ path: String, _ space: FileSystemSpace) {
        if space.inodes > 0, space.freeInodes == 0 {
            error(option, "the file system of \(path) has no free inodes (df -i): remove files or enlarge it")
        } else if space.inodes > 0, space.freeInodes < Self.fewInodes {
            findings.append(
                CheckFinding(
                    .warning, option,
                    "the file system of \(path) has only \(space.freeInodes) free inodes (df -i); an account takes 4 and one for each folder"
                ))
        }
        if space.freeBytes < 1 << 20 {
            error(option, "the file system of \(path) is full (df): free space or enlarge it")
        } else if space.freeBytes < Self.fewBytes {
            findings.append(
                CheckFinding(
                    .warning, option,
                    "the file system of \(path) has only \(space.freeBytes >> 20) MiB free (df); accounts need little, new versions need their size"
                ))
        }
    }

    private mutating func checkOneFileSystem(_ repository: FileStatus, _ accounts: FileStatus) {
        if repository.device != accounts.device {
            error(
                "staging.accounts",
                "\(settings.accounts) and \(settings.repository) are on two file systems, so nothing can be linked (EXDEV); move one of them to the other's file system"
            )
        } else if repository.mount != accounts.mount {
            error(
                "staging.accounts",
                "\(settings.accounts) and \(settings.repository) are on one file system but under two mounts (a bind mount?), so nothing can be linked (EXDEV); put both below one mount point"
            )
        } else if repository.isSameFile(as: accounts) {
            error("staging.accounts", "staging.accounts and staging.repository are one directory; give each its own")
        }
    }

    private mutating func checkReader(_ accounts: FileStatus) {
        guard SystemUser.isRoot, let user = try? SystemUser(named: reader) else { return }
        guard !user.groups.contains(accounts.group), user.user != accounts.user else { return }
        findings.append(
            CheckFinding(
                .warning, "staging.accounts",
                "\(reader) (ftp.user) is not in the group of \(settings.accounts), so ffsftpd cannot read accounts: chgrp \(reader) \(settings.accounts) && chmod 2750 \(settings.accounts)"
            ))
    }

    /// fs.protected_hardlinks lets only a file's owner link it; the objects are ours as far as the folder is.
    private mutating func checkHardLinks(_ owner: UInt32) {
        guard let directory = try? Descriptor.open("/proc/sys/fs", [.read, .directory]),
            let text = try? directory.readFile("protected_hardlinks", limit: 64), text.first == UInt8(ascii: "1"),
            let objects = try? Descriptor.open(CPath("\(settings.repository)/objects"), [.pathOnly, .directory]),
            let status = try? objects.status(), status.user != owner
        else { return }
        error(
            "staging.repository",
            "\(settings.repository)/objects belongs to user \(status.user), and fs.protected_hardlinks=1 lets only the owner link files: chown -R \(owner) \(settings.repository)"
        )
    }

    private mutating func checkState(_ owner: UInt32) {
        do throws(SystemError) {
            let directory = try Descriptor.open(CPath(settings.stateDirectory), [.read, .directory])
            guard let secret = try directory.statusIfPresent(of: "staging-secret") else { return }
            if secret.kind != .file || secret.permissions & 0o077 != 0 || secret.user != owner {
                error(
                    "state.directory",
                    "\(settings.stateDirectory)/staging-secret must be a file of user \(owner) with mode 0400: passwords of accounts derive from it; if others could read it, remove it (repeats of earlier requests then get new accounts)"
                )
            }
        } catch { self.error("state.directory", "\(error)") }
    }
}
