import Crypto
import FFSModel
import FTPProtocol
import SystemSupport

/// HASH (draft-bryan-ftpext-hash) and XCRC, XMD5, XSHA1, XSHA256, XSHA512.
///
/// SHA-256 of a whole file is known since publication and costs nothing. Everything else is read on a data thread,
/// as a transfer to nowhere: ABOR stops it, and commands wait for it as for any transfer.
///
///     C: HASH hello.txt                 S: 213 SHA-256 0-11 ecf701f7…ce46 hello.txt
///     C: XCRC hello.txt 0 4             S: 250 3610A686
extension ControlSession {
    /// `213 SHA-256 0-1023 <digest> <path>`; REST and RANG limit the range.
    func hash(_ path: [UInt8]) {
        let algorithm = machine.hashAlgorithm
        let restart = machine.takeRestart()
        answer(path, restart, algorithm) { digest, range, shown in
            let last = range.isEmpty ? range.lowerBound : range.upperBound - 1
            return Reply(
                213, bytes: Array("\(algorithm.rawValue) \(range.lowerBound)-\(last) \(digest) ".utf8) + shown)
        }
    }

    /// `250 <DIGEST>`; `end` is the last byte, as in the servers that invented these commands.
    func digest(_ argument: DigestArgument, _ algorithm: HashAlgorithm) {
        guard let account else { return }
        var named = argument.path
        var restart = Restart.whole
        if let start = argument.start {
            // "setup 2" may be a file.
            let whole = machine.directory.resolving(argument.whole)
            if let whole, (try? account.tree.openFile(whole)) != nil {
                named = argument.whole
            } else if let end = argument.end {
                guard start <= end else { return reply(.endsBeforeItStarts) }
                restart = .range(first: start, last: end)
            } else {
                restart = .from(start)
            }
        }
        answer(named, restart, algorithm) { digest, _, _ in Reply(250, digest.uppercased()) }
    }

    private func answer(
        _ path: [UInt8], _ restart: Restart, _ algorithm: HashAlgorithm,
        _ format: @escaping (String, Range<UInt64>, [UInt8]) -> Reply
    ) {
        guard let account, let target = resolve(path) else { return }
        let file: OpenFile
        do throws(SystemError) { file = try openFile(target, path, of: account) } catch { return refuse(target, error) }
        guard let range = restart.resolve(size: file.size) else {
            return reply(Reply(554, "The file has \(file.size) bytes."))
        }
        if algorithm == .sha256, range == 0..<file.size, let known = account.digest(of: target) {
            return reply(format("\(known)", range, path))
        }
        run(SessionJob(DigestJob(file, range, algorithm) { format($0, range, path) }.turn))
    }
}
