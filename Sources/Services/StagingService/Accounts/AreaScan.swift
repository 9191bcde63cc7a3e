import FFSModel
import Logging
import StoredFormats
import SystemSupport

/// Reads the account area at the daemon's start: what a crash left goes, what lives is indexed, what was withdrawn
/// is put on the reaper's list.
extension AccountKeeper {
    /// Moves every tree that was being built out of the way. Before the first request: names repeat.
    func sweepUnfinished() throws(Failure) {
        do throws(SystemError) {
            let building = try store.building.open(".", [.read, .directory])
            for entry in try building.entries() {
                try store.discard(entry.name, from: store.building)
                logger.notice("removing an unfinished tree", metadata: ["name": "\(entry.name)"])
            }
        } catch { throw error.failure("cannot clear the account area's building folder") }
        reaper.reapDiscarded()
    }

    /// Reads every account's record; minutes of work for millions, so not before the daemon serves.
    func readArea() {
        do throws(SystemError) {
            let area = try store.root.open(".", [.read, .directory])
            var seen = 0
            try area.forEachEntry { entry throws(SystemError) in
                if let account = AccountArea.account(directory: entry.name.bytes) { read(account) }
                seen += 1
                // A large area takes minutes, and what was read of it goes on ending.
                if seen % 1_024 == 0 { expire() }
                return !isStopping
            }
            let withdrawn = try store.withdrawn.open(".", [.read, .directory])
            try withdrawn.forEachEntry { entry throws(SystemError) in
                if let account = AccountArea.account(directory: entry.name.bytes) { readWithdrawn(account) }
                return !isStopping
            }
            if !isStopping { recorder?.hasReadArea() }
            index.markComplete()
            logger.info("account area read", metadata: ["accounts": "\(index.count)"])
        } catch { logger.error("cannot read the account area: \(error)") }
    }

    private func read(_ account: AccountID) {
        do throws(Failure) {
            try changing { () throws(Failure) in
                let record = try store.record(of: account, in: store.root)
                if let record { recorder?.again(record) }
                if let record, record.withdrawn == nil, try hasTree(account) { return index.add(record) }
                // Withdrawn while the area was read.
                guard try exists(account) else { return }
                if let record, record.withdrawn != nil { return try withdraw(record, rewrite: false) }
                try discard(account, record == nil ? "has no record" : "has no tree")
            }
        } catch {
            guard error.code == .corrupt else {
                return logger.error("cannot read an account: \(error)", metadata: ["account": "\(account)"])
            }
            do throws(Failure) { try changing { () throws(Failure) in try discard(account, error.text) } } catch {
                logger.error("cannot remove a damaged account: \(error)", metadata: ["account": "\(account)"])
            }
        }
    }

    private func exists(_ account: AccountID) throws(Failure) -> Bool {
        do { return try store.root.statusIfPresent(of: CPath(account.text)) != nil } catch {
            throw error.failure("cannot look at account \(account)")
        }
    }

    private func hasTree(_ account: AccountID) throws(Failure) -> Bool {
        do {
            return try store.root.statusIfPresent(of: CPath("\(account)/\(AccountArea.root)"))?.kind == .directory
        } catch { throw error.failure("cannot look at account \(account)") }
    }

    func discard(_ account: AccountID, _ reason: String) throws(Failure) {
        do { try store.discard(CPath(account.text), from: store.root) } catch {
            throw error.failure("cannot remove \(account), which \(reason)")
        }
        logger.warning("removing what is no account", metadata: ["name": "\(account)", "reason": "\(reason)"])
        reaper.reapDiscarded()
    }

    private func readWithdrawn(_ account: AccountID) {
        do throws(Failure) {
            if let record = try store.record(of: account, in: store.withdrawn) {
                recorder?.again(record)
                return reaper.schedule(record)
            }
            try changing { () throws(Failure) in try discardWithdrawn(account) }
        } catch { logger.error("cannot read a withdrawn account: \(error)", metadata: ["account": "\(account)"]) }
    }

    /// A tree whose record is gone or damaged has no claim to stay.
    private func discardWithdrawn(_ account: AccountID) throws(Failure) {
        do { try store.discard(CPath(account.text), from: store.withdrawn) } catch {
            if error.errno != .noEntry { throw error.failure("cannot remove \(account)") }
        }
        reaper.reapDiscarded()
    }
}
