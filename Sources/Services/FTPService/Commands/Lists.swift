import FFSModel
import FTPProtocol
import SystemSupport

/// LIST, NLST (RFC 959 §4.1.3), MLSD, MLST (RFC 3659 §7), and STAT with a path.
extension ControlSession {
    func list(_ argument: Argument) { list(argument, .long) }

    func names(_ argument: Argument) { list(argument, .names) }

    private func list(_ argument: Argument, _ style: ListingFormat.Style) {
        guard case .listing(let options, let path) = argument else { return }
        guard let request = request(path, style, isRecursive: options.recursive, itself: options.directoryItself) else {
            return
        }
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

    /// STAT with a path: a listing inside the reply, of 1,000 names at most.
    func listStatus(_ path: [UInt8]?) {
        guard let account, let request = request(path, .long, isRecursive: false, itself: false) else { return }
        if request.glob != nil, isLarge(request) {
            return reply(Reply(450, "The directory is too large to look for that here; use LIST."))
        }
        let producer = ListingProducer(request, in: account.tree)
        var text: [UInt8] = []
        while text.count < 100_000, producer.produce(into: &text) {}
        let lines = text.split(separator: UInt8(ascii: "\n")).map { Array($0.dropLast()) }
        let last = lines.count > 1_000 ? "The rest is left out; LIST shows all." : "End"
        reply(Reply(212, "Listing:", inner: Array(lines.prefix(1_000)), last: last))
    }

    /// What LIST and NLST are to show; nil after a refusal.
    private func request(
        _ path: [UInt8]?, _ style: ListingFormat.Style, isRecursive: Bool, itself: Bool
    ) -> ListingRequest? {
        guard let account, let target = resolve(path) else { return nil }
        do throws(SystemError) {
            let status = try account.tree.open(target, directory: false).status()
            if status.kind == .directory, !itself {
                var request = ListingRequest(target, style, now: worker.time, directory: status)
                request.isRecursive = isRecursive
                return request
            }
            // One name: shown as the client wrote it, as ls does.
            var entry = ListingEntry(target.bytes, status)
            entry.name = path ?? Array(".".utf8)
            return ListingRequest(single: entry, style, now: worker.time)
        } catch {
            if let path, Glob.isPattern(target.name), error.errno == .noEntry,
                let status = try? account.tree.open(target.parent, directory: true).status()
            {
                var request = ListingRequest(target.parent, style, now: worker.time, directory: status)
                request.glob = Glob(target.name)
                // Names come back with the directory that the client put in front of the pattern.
                request.prefix = path.lastIndex(of: UInt8(ascii: "/")).map { Array(path[...$0]) } ?? []
                return request
            }
            refuse(target, error)
            return nil
        }
    }

    // MARK: Sending

    /// A directory of this size (its own blocks, not its content) is read by a data thread.
    private static let largeDirectory = 64 * 1_024

    private func isLarge(_ request: ListingRequest) -> Bool { (request.directory?.size ?? 0) > Self.largeDirectory }

    private func sendListing(_ request: ListingRequest) {
        guard let account else { return }
        _ = machine.takeRestart()
        if let refusal = machine.dataRefusal() { return reply(refusal) }
        let opening = "Here comes the listing."
        if let key = request.cacheKey, let known = worker.listings[key] {
            return begin(
                TransferPlan(content: .bytes(known), opening: opening, file: nil, expected: UInt64(known.count)))
        }
        let producer = ListingProducer(request, in: account.tree)
        if request.isRecursive || isLarge(request) {
            producer.collects = request.cacheKey != nil
            var plan = TransferPlan(content: .produced(producer), opening: opening, file: nil, expected: nil)
            plan.onComplete = { [worker] in
                if let key = request.cacheKey, let whole = producer.collected { worker.listings[key] = whole }
            }
            return begin(plan)
        }
        var text: [UInt8] = []
        while producer.produce(into: &text) {}
        if let key = request.cacheKey, producer.failure == nil { worker.listings[key] = text }
        begin(TransferPlan(content: .bytes(text), opening: opening, file: nil, expected: UInt64(text.count)))
    }
}

extension ListingEntry {
    init(_ name: [UInt8], _ status: FileStatus) {
        self.init(
            name: name, kind: status.kind == .directory ? .directory : .file, size: UInt64(max(0, status.size)),
            modified: Timestamp(seconds: status.modified / 1_000_000_000), mode: UInt16(status.permissions & 0o777))
    }
}
