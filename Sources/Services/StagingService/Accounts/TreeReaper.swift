import SystemSupport

/// Removes trees, no faster than a rate of files a second.
final class TreeReaper: Sendable {
    private let rate: Int

    /// Files between looks at the clock.
    private static let slice = 64

    init(rate: Int) { self.rate = rate }

    /// Removes `name` and everything below it; nothing there is no error. Stops early when `isStopping`.
    ///
    /// Folders are entered by descriptor and left by `..`, so depth costs no descriptors; symbolic links, which
    /// nobody makes here, would be unlinked and not followed.
    func remove(
        _ name: CPath, from parent: borrowing Descriptor, isStopping: () -> Bool
    ) throws(SystemError) {
        guard let status = try parent.statusIfPresent(of: name) else { return }
        guard status.kind == .directory else { return try parent.unlink(name) }
        var pace = Pace(rate: rate)
        var current = try parent.open(name, [.read, .directory])
        var names: [CPath] = []
        while true {
            if try clear(current, &pace, isStopping) {
                guard !isStopping() else { return }
                guard let done = names.popLast() else { break }
                current = try current.open("..", [.read, .directory])
                try current.removeDirectory(done)
            } else {
                guard !isStopping() else { return }
                guard let inner = try firstFolder(current) else { continue }
                current = try current.open(inner, [.read, .directory])
                names.append(inner)
            }
        }
        try parent.removeDirectory(name)
    }

    /// Unlinks the files of a folder; false when folders are left in it.
    private func clear(
        _ folder: borrowing Descriptor, _ pace: inout Pace, _ isStopping: () -> Bool
    ) throws(SystemError) -> Bool {
        var hasFolders = false
        var count = 0
        for entry in try folder.entries() {
            var kind = entry.kind
            if kind == .unknown { kind = try folder.status(of: entry.name).kind }
            if kind == .directory {
                hasFolders = true
                continue
            }
            try folder.unlink(entry.name)
            count += 1
            if count % Self.slice == 0 {
                pace.spend(Self.slice)
                if isStopping() { return false }
            }
        }
        pace.spend(count % Self.slice)
        return !hasFolders
    }

    private func firstFolder(_ folder: borrowing Descriptor) throws(SystemError) -> CPath? {
        var found: CPath?
        try folder.forEachEntry { entry throws(SystemError) in
            found = entry.name
            return false
        }
        return found
    }

    /// Sleeps off what was done faster than the rate.
    private struct Pace {
        let rate: Int
        let start = SystemClock.monotonic()
        var done = 0

        init(rate: Int) { self.rate = rate }

        mutating func spend(_ files: Int) {
            done += files
            let due = Int64(Double(done) / Double(rate) * 1e9)
            SystemClock.sleep(nanoseconds: due - (SystemClock.monotonic() - start))
        }
    }
}
