import Crypto
import FFSModel
import FTPProtocol
import SystemSupport

/// HASH (draft-bryan-ftpext-hash) and XCRC, XMD5, XSHA1, XSHA256, XSHA512.
///
/// SHA-256 of a whole file is known since publication and costs nothing. Everything else is read on a data thread,
/// as a transfer to nowhere: ABOR stops it, and commands wait for it as for any transfer.
extension ControlSession {
    /// `213 SHA-256 0-1023 <digest> <path>`; REST and RANG limit the range.
    func hash(_ path: [UInt8]?) {
        guard let path else { return }
        let algorithm = machine.hashAlgorithm
        let restart = machine.takeRestart()
        answer(path, restart, algorithm) { digest, range, shown in
            let last = range.isEmpty ? range.lowerBound : range.upperBound - 1
            return Reply(
                213, bytes: Array("\(algorithm.rawValue) \(range.lowerBound)-\(last) \(digest) ".utf8) + shown)
        }
    }

    /// `250 <DIGEST>`; `end` is the last byte, as in the servers that invented these commands.
    func digest(_ argument: Argument, _ algorithm: HashAlgorithm) {
        guard case .digestRange(let path, let whole, let start, let end) = argument, let account else { return }
        var named = path
        var restart = Restart.whole
        if let start {
            restart = end.map { .range(first: start, last: $0) } ?? .from(start)
            // "setup 2" may be a file.
            if let target = machine.directory.resolving(whole), (try? account.tree.openFile(target)) != nil {
                named = whole
                restart = .whole
            }
        }
        answer(named, restart, algorithm) { digest, _, _ in Reply(250, digest.uppercased()) }
    }

    private func answer(
        _ path: [UInt8], _ restart: Restart, _ algorithm: HashAlgorithm,
        _ format: @escaping @Sendable (String, Range<UInt64>, [UInt8]) -> Reply
    ) {
        guard let account, let target = resolve(path) else { return }
        let file: OpenFile
        do throws(SystemError) { file = try account.tree.openFile(target) } catch { return refuse(target, error) }
        guard let range = restart.resolve(size: file.size) else {
            return reply(Reply(554, "The file has \(file.size) bytes."))
        }
        if algorithm == .sha256, range == 0..<file.size, let known = account.digest(of: target) {
            return reply(format("\(known)", range, path))
        }
        read(file, range, algorithm) { format($0, range, path) }
    }

    private func read(
        _ file: OpenFile, _ range: Range<UInt64>, _ algorithm: HashAlgorithm,
        _ format: @escaping @Sendable (String) -> Reply
    ) {
        machine.digestStarted()
        worker.loop.setDeadline(self, in: nil)
        let home = worker.loop.mailbox
        let session = Handoff(self)
        let job = DigestJob(file, range, algorithm)
        digestJob = job
        let thread = worker.leastLoadedDataThread()
        job.run(on: thread.mailbox) { digest in
            home.post { _ in session.value.digestEnded(digest.map(format)) }
        }
    }

    private func digestEnded(_ answer: Reply?) {
        digestJob = nil
        guard isOpen else { return }
        machine.digestEnded()
        reply(pendingAborts > 0 ? Reply(426, "Stopped.") : answer ?? Reply(451, "The file cannot be read."))
        answerAborts()
        resume()
        flush()
    }
}
