import FFSModel
import FTPProtocol
import SystemSupport

/// LIST, NLST (RFC 959 §4.1.3), MLSD, MLST (RFC 3659 §7), and STAT with a path.
///
///     C: NLST releases
///     S: 150 Here comes the listing.
///        releases/1.0.iso                (as RETR takes it, RFC 1123 §4.1.2.7)
///     S: 226 Transfer complete.
///     C: LIST nothing                    S: 450 No such file or directory.
///     C: MLST hello.txt
///     S: 250-Facts:
///     S:  type=file;size=12;modify=20261124205100;perm=r;unix.mode=0444; /hello.txt
///     S: 250 End
extension ControlSession {
    func list(_ argument: ListArgument, _ style: ListingFormat.Style) {
        guard let request = request(argument, style) else { return }
        sendListing(request)
    }

    /// MLSD never globs, and takes directories only.
    func listFacts(_ path: [UInt8]?) {
        guard let account, let target = resolve(path) else { return }
        do throws(SystemError) {
            let status = try account.tree.open(target, directory: true).status()
            sendListing(
                ListingRequest(target, .machine(machine.facts), now: worker.time, directory: status))
        } catch {
            if error.errno == .notDirectory { return reply(Reply(501, "That is not a directory.")) }
            refuse(target, error)
        }
    }

    /// Facts about one name, on the control connection.
    func facts(_ path: [UInt8]?) {
        guard let account, let target = resolve(path) else { return }
        do throws(SystemError) {
            let status = try account.tree.open(target, directory: false).status()
            guard status.kind == .file || status.kind == .directory else {
                throw SystemError("openat2", .noEntry)
            }
            var entry = ListingEntry(target.bytes, status)
            if status.kind == .file, machine.facts.contains(.digest) { entry.digest = account.digest(of: target) }
            var format = ListingFormat(.machine(machine.facts), now: worker.time)
            var line: [UInt8] = []
            format.append(entry, to: &line)
            reply(Reply(250, "Facts:", inner: [Array(line.dropLast(2))], last: "End"))
        } catch { refuse(target, error) }
    }

    /// STAT with a path: a listing inside the reply, of 1,000 names at most. A large directory is read by a data thread, as
    /// for LIST, and commands wait for it as for a transfer.
    func listStatus(_ argument: ListArgument) {
        guard let account, let request = request(argument, .long) else { return }
        let producer = ListingProducer(request, in: account.tree, worker.listings)
        let listing = StatusListing(producer, code: request.single?.kind == .file ? 213 : 212)
        if request.isLarge { return run(SessionJob(listing.turn)) }
        while true {
            if let answer = listing.turn() { return reply(answer) }
        }
    }

    /// What LIST, NLST and STAT are to show; nil after a refusal, which is 450 for what is not there: 550 is none of their
    /// replies (RFC 959 §5.4).
    private func request(_ argument: ListArgument, _ style: ListingFormat.Style) -> ListingRequest? {
        guard let account, let target = resolve(argument.path) else { return nil }
        do throws(SystemError) {
            let status = try account.tree.open(target, directory: false).status()
            if status.kind == .directory, !argument.isDirectoryItself {
                var request = ListingRequest(target, style, now: worker.time, directory: status)
                request.isRecursive = argument.isRecursive
                if style == .names, !request.isRecursive, let path = argument.path {
                    request.prefix = Self.prefix(path)
                }
                return request
            }
            if status.kind != .directory, argument.path?.last == UInt8(ascii: "/") {
                throw SystemError("openat2", .notDirectory)
            }
            // One name: shown as the client wrote it, as ls does.
            var entry = ListingEntry(target.bytes, status)
            entry.name = argument.path ?? Array(".".utf8)
            return ListingRequest(single: entry, style, now: worker.time)
        } catch {
            if let path = argument.path, Glob.isPattern(target.name), error.errno == .noEntry,
                let status = try? account.tree.open(target.parent, directory: true).status()
            {
                var request = ListingRequest(target.parent, style, now: worker.time, directory: status)
                request.glob = Glob(target.name)
                // Names come back with the directory that the client put in front of the pattern.
                request.prefix = path.lastIndex(of: UInt8(ascii: "/")).map { Array(path[...$0]) } ?? []
                return request
            }
            refuse(target, error, code: 450)
            return nil
        }
    }

    /// What NLST puts in front of the names of a directory, so that RETR takes them.
    private static func prefix(_ path: [UInt8]) -> [UInt8] {
        if path.elementsEqual(".".utf8) || path.elementsEqual("./".utf8) { return [] }
        return path.last == UInt8(ascii: "/") ? path : path + [UInt8(ascii: "/")]
    }

    // MARK: Sending

    private func sendListing(_ request: ListingRequest) {
        guard let account else { return }
        _ = machine.takeRestart()
        if let refusal = machine.dataRefusal() { return reply(refusal) }
        let opening = Reply(150, "Here comes the listing.")
        func plan(_ text: [UInt8]) -> TransferPlan {
            TransferPlan(content: .bytes(text), opening: opening, file: nil, expected: UInt64(text.count))
        }
        if let key = request.textKey, let known = worker.listings[text: key] { return begin(plan(known)) }
        let producer = ListingProducer(request, in: account.tree, worker.listings)
        if request.isRecursive || request.isLarge {
            return begin(TransferPlan(content: .produced(producer), opening: opening, file: nil, expected: nil))
        }
        var text: [UInt8] = []
        while producer.produce(into: &text) {}
        begin(plan(text))
    }
}

extension ListingEntry {
    init(_ name: [UInt8], _ status: FileStatus) {
        self.init(
            name: name, kind: status.kind == .directory ? .directory : .file, size: UInt64(max(0, status.size)),
            modified: Timestamp(seconds: status.modified / 1_000_000_000), mode: UInt16(status.permissions & 0o777))
    }
}
