import ArgumentParser
import ConfigurationSchema
import FFSModel
import Repository
import SystemSupport

extension Session {
    /// The repository on this machine, for writing: as root, which then hands what it writes to `staging.user`, or
    /// as the repository's owner.
    ///
    /// Throws `denied` for anybody else and `configuration` when owner and `staging.user` do not agree.
    func repository() throws(Failure) -> Repository {
        let path = configuration[Options.Staging.repository]
        let owner = try owner(ofRepository: path)
        guard SystemUser.isRoot else {
            let own = SystemUser.effectiveNumber
            guard own == owner else {
                let name = userName(owner)
                throw Failure(
                    .denied,
                    "the repository \(path) belongs to \(name) and you are \(userName(own)); run ffsctl as root or as \(name) (sudo -u \(name) ffsctl ...)"
                )
            }
            return try Repository(path: path, owner: nil)
        }
        let user = try stagingUser()
        guard user.user == owner else {
            throw Failure(
                .configuration,
                "the repository \(path) belongs to \(userName(owner)) but ffsstaged runs as \(user.name) (staging.user); chown -R \(user.name) \(path), or correct staging.user"
            )
        }
        return try Repository(path: path, owner: user)
    }

    /// Folders whose contents are not for customers.
    var ownAreas: [String] {
        [
            configuration[Options.Staging.accounts], configuration[Options.Common.stateDirectory],
            configuration[Options.Common.runDirectory], configuration[Options.Common.logDirectory],
            configuration[Options.Keys.directory],
        ]
    }

    private func owner(ofRepository path: String) throws(Failure) -> UInt32 {
        do throws(SystemError) {
            let status = try Descriptor.open(CPath(path), .pathOnly).status()
            guard status.kind == .directory else { throw SystemError("open", .notDirectory, path: path) }
            return status.user
        } catch {
            let remedy =
                error.errno == .noEntry
                ? "; this host has no repository: run ffsctl on the storage host, or correct staging.repository" : ""
            throw Failure(
                error.code, "cannot open the repository \(path): \(error.errno)\(remedy)", cause: error.description)
        }
    }

    private func stagingUser() throws(Failure) -> SystemUser {
        let name = configuration[Options.Staging.user]
        let user: SystemUser?
        do { user = try SystemUser(named: name) } catch { throw error.failure("cannot look up staging.user") }
        guard let user else {
            throw Failure(
                .configuration,
                "there is no user \(name), which staging.user names; create it (install.sh install does) or correct staging.user"
            )
        }
        return user
    }

    private func userName(_ number: UInt32) -> String {
        guard let user = try? SystemUser(number: number) else { return "user \(number)" }
        return user.name
    }

    /// Runs `body`, which calls its argument every so often with the bytes that are done and those there are in all,
    /// under a progress bar. The argument returns false once the operator wants to stop.
    func withProgress<Result>(
        _ title: String, _ body: (_ report: (Int, Int) -> Bool) throws -> Result
    ) rethrows -> Result {
        Interruption.watch()
        var bar: Progress?
        var shown = 0
        defer { bar?.finish() }
        return try body { done, total in
            let current = bar ?? output.progress(title, total: total)
            bar = current
            current.advance(by: done - shown)
            shown = done
            return Interruption.signal == nil
        }
    }

    /// How a program ends that a signal told to: without a word of error, with the status that shells expect.
    var interrupted: ExitCode { ExitCode(128 + (Interruption.signal ?? 2)) }
}

/// A number of bytes on the command line: `52428800`, `50M`, `1.5G`.
func parsedByteCount(_ text: String) throws -> Int {
    let units: [Character: Double] = ["K": 1_024, "M": 1_048_576, "G": 1_073_741_824, "T": 1_099_511_627_776]
    let unit = text.last.flatMap { units[Character($0.uppercased())] }
    guard let number = Double(unit == nil ? text : String(text.dropLast())), number >= 0,
        number * (unit ?? 1) < 9e18
    else { throw ValidationError("a size is a number of bytes, also with K, M, G or T: 50M") }
    return Int(number * (unit ?? 1))
}
