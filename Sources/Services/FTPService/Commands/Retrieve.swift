import FFSModel
import FTPProtocol
import SystemSupport

/// RETR (RFC 959 §4.1.3) with REST (RFC 3659 §5) and RANG (draft-bryan-ftp-range); SIZE, MDTM (RFC 3659 §3, §4).
///
///     C: REST 1000000
///     S: 350 Restarting at 1000000. Send RETR.
///     C: RETR big.iso
///     S: 150 Opening BINARY mode data connection for big.iso (8388608 bytes).
///     S: 226 Transfer complete.
extension ControlSession {
    func retrieve(_ path: [UInt8]) {
        guard let account, let target = resolve(path) else { return }
        let restart = machine.takeRestart()
        if let refusal = machine.dataRefusal() ?? machine.refusal(of: restart) { return reply(refusal) }
        if worker.recorder?.isRefusing == true { return reply(Self.cannotRecord) }
        let file: OpenFile
        do throws(SystemError) { file = try openFile(target, path, of: account) } catch { return refuse(target, error) }
        guard let range = restart.resolve(size: file.size) else {
            return reply(Reply(554, "The file has \(file.size) bytes."))
        }
        let representation = machine.representation
        let content: Transfer.Content
        if representation.structure == .record {
            content = .translated(file, Translation(.record))
        } else if representation.kind == .ascii {
            content = .translated(file, Translation(.ascii))
        } else {
            content = .file(file, range)
        }
        let opening = Reply.opening(
            target.name, isASCII: representation.kind == .ascii,
            size: representation.isVerbatim && machine.mode == .stream ? file.size : nil)
        begin(
            TransferPlan(
                content: content, opening: opening, file: .init(path: target, range: range, size: file.size),
                expected: representation.isVerbatim ? UInt64(range.count) : nil))
    }

    /// `C: SIZE big.iso`, `S: 213 8388608`
    func size(_ path: [UInt8]) {
        guard let account, let target = resolve(path) else { return }
        guard machine.representation.isVerbatim else {
            return reply(Reply(550, "SIZE needs TYPE I and STRU F: in others the count would differ."))
        }
        do throws(SystemError) {
            reply(Reply(213, "\(try openFile(target, path, of: account).size)"))
        } catch { refuse(target, error) }
    }

    /// `C: MDTM big.iso`, `S: 213 20261124205100`. With a time in front of the path some clients mean to set it; that is a
    /// path here, and not found.
    func modificationTime(_ path: [UInt8]) {
        guard let account, let target = resolve(path) else { return }
        do throws(SystemError) {
            let file = try openFile(target, path, of: account)
            reply(Reply(213, bytes: ListingFormat.timeValue(Timestamp(seconds: file.modified))))
        } catch { refuse(target, error) }
    }
}
