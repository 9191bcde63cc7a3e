import Crypto
package import FFSModel
import StoredFormats
import SystemSupport

/// How `verify` goes about it.
package struct VerifyOptions: Sendable {
    /// Bytes a second; 0 for as fast as it goes.
    package var rate = 0
    /// Go on where an earlier run stopped.
    package var resume = true

    package init() {}
}

/// How far a verification has come.
package struct VerifyProgress: Sendable {
    package let bytes: Int
    package let totalBytes: Int
    package let objects: Int
    package let totalObjects: Int
}

/// What a verification found.
package struct VerifyReport: Sendable {
    /// One object whose bytes were not those of its name, now in quarantine.
    package struct Damage: Sendable, Hashable {
        /// File name in `objects/`.
        package let name: String
        package let size: Int
        /// Names outside the repository: accounts and index entries that hold it still.
        package let otherNames: Int
        /// A good replica took its place.
        package let isMended: Bool
    }

    /// Whether it got to the end; else it was stopped, the versions were not looked at, and the next run goes on.
    package fileprivate(set) var isComplete = false
    package fileprivate(set) var objects = 0
    package fileprivate(set) var bytes = 0
    package fileprivate(set) var damaged: [Damage] = []
    /// Versions that lack at least one object, and how many.
    package fileprivate(set) var incomplete: [(item: Item, missing: Int)] = []
    /// Versions whose manifest was damaged; they are no longer in the index.
    package fileprivate(set) var unreadable: [Item] = []

    package var isClean: Bool { damaged.isEmpty && incomplete.isEmpty && unreadable.isEmpty }
}

extension Repository {
    /// Hashes every object again; what does not match its name goes to `quarantine/`, and a good replica takes its
    /// place where there is one. Then looks whether every version has all its objects; one whose manifest is damaged
    /// leaves the index, so that it can be published again.
    ///
    /// - Parameter proceed: called after each MiB; return false to stop. The next run goes on from the last object
    ///   that was done, also after a crash (a second's work may be lost).
    package func verify(
        _ options: VerifyOptions, proceed: (VerifyProgress) -> Bool
    ) throws(Failure) -> VerifyReport {
        do throws(SystemError) {
            var run = VerificationRun(repository: self, rate: options.rate)
            return try run.all(resume: options.resume, proceed)
        } catch { throw error.failure("cannot verify the repository \(path)") }
    }
}

private struct VerificationRun: ~Copyable {
    let repository: Repository
    let rate: Int
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    private let started = SystemClock.monotonic()
    private var report = VerifyReport()
    private var totals = (objects: 0, bytes: 0)
    /// Bytes that an earlier run did: they count for progress but not for the rate.
    private var resumedBytes = 0
    /// When the resume point was last written; monotonic nanoseconds.
    private var saved = SystemClock.monotonic()
    private var lastDone: String?

    init(repository: Repository, rate: Int) {
        self.repository = repository
        self.rate = rate
    }

    deinit { buffer.deallocate() }

    private static let stateFile: CPath = "verify"

    mutating func all(resume: Bool, _ proceed: (VerifyProgress) -> Bool) throws(SystemError) -> VerifyReport {
        let last = resume ? try resumePoint() : nil
        let work = try survey(after: last)
        for (number, names) in work {
            for name in names {
                guard try verify(name, inBucket: number, proceed) else {
                    try save()
                    return report
                }
                lastDone = name
                if SystemClock.monotonic() - saved > 1_000_000_000 { try save() }
            }
        }
        try checkVersions()
        report.isComplete = true
        try? repository.root.unlink(Self.stateFile)
        return report
    }

    /// The name of the last object an earlier, unfinished run did.
    private func resumePoint() throws(SystemError) -> String? {
        guard let bytes = try repository.root.readFile(Self.stateFile, limit: 4096) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return words.count == 2 && words[0] == "ffs-verify 1" ? String(words[1]) : nil
    }

    private mutating func save() throws(SystemError) {
        guard let lastDone else { return }
        let temporary: CPath = "verify.new"
        try? repository.root.unlink(temporary)
        let file = try repository.root.open(temporary, [.write, .create, .exclusive], permissions: 0o600)
        try file.write(Array("ffs-verify 1\n\(lastDone)\n".utf8))
        if let owner = repository.owner { try file.setOwner(user: owner.user, group: owner.group) }
        try repository.root.rename(temporary, to: repository.root, Self.stateFile, ifExists: .replace)
        saved = SystemClock.monotonic()
    }

    /// What there is to do, by bucket; sums up what was done before.
    private mutating func survey(after last: String?) throws(SystemError) -> [(Int, [String])] {
        var work: [(Int, [String])] = []
        for number in 0..<256 {
            var names: [String] = []
            let entries = try repository.withBucket(number: number) { bucket throws(SystemError) in
                var found: [(String, Int)] = []
                for entry in try bucket.open(".", [.read, .directory]).entries() {
                    if let status = try bucket.statusIfPresent(of: entry.name) {
                        found.append((entry.name.description, status.size))
                    }
                }
                return found
            }
            for (name, size) in entries {
                totals.objects += 1
                totals.bytes += size
                if let last, name <= last {
                    lastDone = last
                    report.objects += 1
                    report.bytes += size
                    resumedBytes += size
                } else {
                    names.append(name)
                }
            }
            work.append((number, names))
        }
        return work
    }

    /// false when `proceed` said to stop.
    private mutating func verify(
        _ name: String, inBucket number: Int, _ proceed: (VerifyProgress) -> Bool
    ) throws(SystemError) -> Bool {
        let file: Descriptor
        do throws(SystemError) {
            file = Descriptor(
                owning: try repository.withBucket(number: number) { bucket throws(SystemError) in
                    try bucket.open(CPath(name), [.read, .nonBlocking]).release()
                })
        } catch {
            // Another run may have quarantined it.
            if error.errno == .noEntry { return true }
            throw error
        }
        let status = try file.status()
        var hash = SHA256()
        var offset = 0
        var isReadable = true
        file.adviseSequential()
        while isReadable {
            let count: Int
            do { count = try file.read(into: buffer, at: offset) } catch {
                // A disk that cannot read the bytes back is what this search is for.
                guard error.errno == .inputOutput else { throw error }
                isReadable = false
                break
            }
            if count == 0 { break }
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += count
            report.bytes += count
            hold()
            guard proceed(progress) else { return false }
        }
        report.objects += 1
        let expected = ContentDigest(String(name.prefix(64)))
        if !isReadable || ContentDigest(bytes: hash.finalize()) != expected {
            try quarantine(name, status, inBucket: number)
        }
        return proceed(progress)
    }

    private var progress: VerifyProgress {
        VerifyProgress(
            bytes: report.bytes, totalBytes: max(totals.bytes, report.bytes), objects: report.objects,
            totalObjects: max(totals.objects, report.objects))
    }

    /// Sleeps until no more than `rate` bytes a second were read.
    private func hold() {
        guard rate > 0 else { return }
        let due = Int64(Double(report.bytes - resumedBytes) / Double(rate) * 1e9)
        SystemClock.sleep(nanoseconds: due - (SystemClock.monotonic() - started))
    }

    private mutating func quarantine(_ name: String, _ status: FileStatus, inBucket number: Int) throws(SystemError) {
        let repository = repository
        let isMended = try repository.withBucket(number: number) { bucket throws(SystemError) in
            let moved = CPath("\(name).\(SystemClock.now().seconds)")
            try bucket.rename(CPath(name), to: repository.quarantine, moved, ifExists: .replace)
            // The last replica takes the first one's place; it is verified in its turn under its old name or was.
            guard name.utf8.count == 64 else { return true }
            var last = 0
            while try bucket.statusIfPresent(of: CPath("\(name).\(last + 1)")) != nil { last += 1 }
            guard last > 0 else { return false }
            try bucket.rename(CPath("\(name).\(last)"), to: bucket, CPath(name), ifExists: .refuse)
            return true
        }
        report.damaged.append(
            VerifyReport.Damage(
                name: name, size: status.size, otherNames: max(0, status.links - 1), isMended: isMended))
        if isMended, name.utf8.count == 64 {
            _ = try verify(name, inBucket: number) { _ in true }
        }
    }

    private mutating func checkVersions() throws(SystemError) {
        guard let versions = try? repository.versions() else { return }
        for item in versions {
            guard let digest = try? repository.digest(of: item), try repository.status(of: digest) != nil,
                let manifest = try? repository.manifest(of: item)
            else {
                try quarantine(item)
                continue
            }
            var missing = 0
            for row in manifest.rows where row.size > 0 {
                if try repository.status(of: row.digest)?.size != row.size { missing += 1 }
            }
            if missing > 0 { report.incomplete.append((item, missing)) }
        }
    }

    /// A manifest that is no object's content any more was damaged with it.
    private mutating func quarantine(_ item: Item) throws(SystemError) {
        let product = try repository.index.open(CPath(item.product.text), [.read, .directory])
        let moved = CPath("\(item.product).\(item.version).\(SystemClock.now().seconds)")
        do throws(SystemError) {
            try product.rename(CPath(item.version.text), to: repository.quarantine, moved, ifExists: .replace)
        } catch {
            // Withdrawn meanwhile.
            if error.errno == .noEntry { return }
            throw error
        }
        report.unreadable.append(item)
    }
}
