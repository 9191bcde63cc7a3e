import Synchronization
import SystemSupport

/// Removes trees, no faster than a rate of files a second over all of them.
final class TreeReaper: Sendable {
    private let rate: Int
    /// When what was removed so far would have been done at the rate; nanoseconds on the monotonic clock.
    private let paid = Mutex<Int64>(0)

    /// Files between looks at the clock.
    private static let slice = 64
    /// Nanoseconds of removing that idle time saves up, and the shortest sleep.
    private static let burst: Int64 = 100_000_000
    private static let shortest: Int64 = 2_000_000
    /// Times that a folder which is not empty after all is gone through again.
    private static let mostAgain = 16

    /// A folder on the way down, and what is left to enter in it.
    private struct Level {
        let name: CPath
        var folders: [CPath]
    }

    init(rate: Int) { self.rate = rate }

    /// Removes `name` and everything below it; nothing there is no error. Stops early when `isStopping`.
    ///
    /// Each folder is read once, its files unlinked on the way. Folders are entered by descriptor and left by `..`, so
    /// depth costs no descriptors; symbolic links, which nobody makes here, are unlinked and not followed.
    func remove(
        _ name: CPath, from parent: borrowing Descriptor, isStopping: () -> Bool
    ) throws(SystemError) {
        guard let status = try parent.statusIfPresent(of: name) else { return }
        guard status.kind == .directory else { return try parent.unlink(name) }
        var current = try parent.open(name, [.read, .directory])
        var levels = [Level(name: name, folders: try clear(current, isStopping))]
        var again = 0
        while let inner = levels.last?.folders.last ?? levels.last?.name, !isStopping() {
            if levels[levels.count - 1].folders.popLast() != nil {
                current = try current.open(inner, [.read, .directory])
                levels.append(Level(name: inner, folders: try clear(current, isStopping)))
                continue
            }
            levels.removeLast()
            guard !levels.isEmpty else { return try parent.removeDirectory(inner) }
            current = try current.open("..", [.read, .directory])
            do { try current.removeDirectory(inner) } catch {
                // A file system may leave names out while others are unlinked.
                again += 1
                guard error.errno == .notEmpty, again <= Self.mostAgain else { throw error }
                levels[levels.count - 1].folders.append(inner)
            }
        }
    }

    /// Unlinks the files of a folder; returns the folders in it.
    private func clear(
        _ folder: borrowing Descriptor, _ isStopping: () -> Bool
    ) throws(SystemError) -> [CPath] {
        var folders: [CPath] = []
        var count = 0
        try folder.forEachEntry { entry throws(SystemError) in
            var kind = entry.kind
            if kind == .unknown { kind = try folder.status(of: entry.name).kind }
            if kind == .directory {
                folders.append(entry.name)
                return true
            }
            try folder.unlink(entry.name)
            count += 1
            guard count % Self.slice == 0 else { return true }
            spend(Self.slice)
            return !isStopping()
        }
        spend(count % Self.slice)
        return folders
    }

    /// Sleeps off what was done faster than the rate.
    private func spend(_ files: Int) {
        let now = SystemClock.monotonic()
        let ahead = paid.withLock { paid in
            paid = max(paid, now - Self.burst) + Int64(files) * 1_000_000_000 / Int64(rate)
            return paid - now
        }
        if ahead >= Self.shortest { SystemClock.sleep(nanoseconds: ahead) }
    }
}
