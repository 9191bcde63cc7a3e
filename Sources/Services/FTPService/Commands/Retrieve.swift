import FFSModel
import FTPProtocol
import SystemSupport

/// RETR (RFC 959 §4.1.3) with REST (RFC 3659 §5) and RANG (draft-bryan-ftp-range); SIZE, MDTM (RFC 3659 §3, §4).
extension ControlSession {
    func retrieve(_ path: [UInt8]?) {
        guard let account, let target = resolve(path) else { return }
        let restart = machine.takeRestart()
        if let refusal = machine.dataRefusal() { return reply(refusal) }
        let file: OpenFile
        do throws(SystemError) { file = try account.tree.openFile(target) } catch { return refuse(target, error) }
        guard let range = restart.resolve(size: file.size) else {
            return reply(Reply(554, "The file has \(file.size) bytes."))
        }
        let content: Transfer.Content
        var expected: UInt64?
        if machine.representation.structure == .record {
            content = .translated(file, Translation(.record))
        } else if machine.representation.kind == .ascii {
            content = .translated(file, Translation(.ascii))
        } else {
            content = .file(file, range)
            expected = UInt64(range.count)
        }
        begin(
            TransferPlan(
                content: content, opening: "Sending \(range.count) bytes.", file: (target, range.lowerBound),
                expected: expected))
    }

    func size(_ path: [UInt8]?) {
        guard let account, let target = resolve(path) else { return }
        guard machine.representation.isVerbatim else {
            return reply(Reply(550, "SIZE needs TYPE I and STRU F: in others the count would differ."))
        }
        do throws(SystemError) {
            reply(Reply(213, "\(try account.tree.openFile(target).size)"))
        } catch { refuse(target, error) }
    }

    /// With a time in front of the path some clients mean to set it; that is a path here, and not found.
    func modificationTime(_ path: [UInt8]?) {
        guard let account, let target = resolve(path) else { return }
        do throws(SystemError) {
            let file = try account.tree.openFile(target)
            reply(Reply(213, bytes: ListingFormat.timeValue(Timestamp(seconds: file.modified))))
        } catch { refuse(target, error) }
    }
}
