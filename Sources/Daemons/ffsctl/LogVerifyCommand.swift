import ArgumentParser
import Clients
import FFSModel
import Requests
import SystemSupport
import Transparency

/// `ffsctl log verify`: reads the whole log and checks it.
struct LogVerifyCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every entry, every column and every checkpoint of the log.",
        discussion: """
            Keys are those that the log shows, unless --keys names a file with a key on each line, as `ffsctl log status` prints \
            them: kept elsewhere, it finds out who has exchanged log and keys. --seen names a checkpoint that a host has kept. \
            What follows the last checkpoint that more than half of the witnesses have cosigned could have been rewritten \
            without a trace; how much that is, is said.
            """)

    @Option(help: ArgumentHelp("The keys of the log and its witnesses.", valueName: "file")) var keys: String?
    @Option(help: ArgumentHelp("A checkpoint; repeatable.", valueName: "file")) var seen: [String] = []
    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        let status = try await session.log.send(LogStatus())
        let trusted = try keys.map(Self.keys) ?? [status.key] + status.witnesses
        guard let key = trusted.first(where: { $0.kind == .note }) else {
            throw Failure(
                .badRequest, "\(keys ?? "") has no key of a log; put the one that `ffsctl log status` prints there")
        }
        let kept = try seen.map { path throws(Failure) in try Self.note(path) }
        var audit = LogAudit(
            key: key, witnesses: trusted.filter { $0.kind == .cosignature },
            checkpoints: try await session.log.checkpoints() + kept)
        var query = LogList()
        query.limit = PageBudget.limits.upperBound
        try await session.log.pages(of: query) { rows in
            for row in rows where row.leaf.leaf < status.size { audit.take(row.leaf) }
            return audit.size < status.size
        }
        audit.finish(head: status.size)
        try report(audit, session.output)
    }

    private func report(_ audit: LogAudit, _ output: Output) throws {
        output.record([
            .init("entries", .number(Int(audit.size))), .init("cut", .number(audit.cut)),
            .init("signed", .number(Int(audit.signed))), .init("cosigned", .number(Int(audit.covered))),
            .init(
                "findings",
                .list(
                    audit.findings.map { finding in
                        .text((finding.leaf.map { "entry \($0): " } ?? "") + finding.text)
                    })),
        ])
        guard audit.findingCount == 0 else {
            throw Failure(
                .corrupt,
                "the log has \(counted(audit.findingCount, "flaw")); keep a copy, then restore it from a backup")
        }
        output.note(
            audit.covered == audit.size
                ? "The log is what was recorded."
                : "The log is what was recorded up to entry \(audit.covered); a change behind it would not be found.")
    }

    private static func keys(_ path: String) throws -> [NoteKey] {
        let lines = try contents(path).split(separator: UInt8(ascii: "\n"))
        return try lines.map { line in
            guard let text = String(validating: line, as: UTF8.self), let key = try? NoteKey(text) else {
                throw Failure(.badRequest, "\(path) holds a line that is no key, name+id+base64")
            }
            return key
        }
    }

    private static func note(_ path: String) throws(Failure) -> SignedNote {
        let bytes = try contents(path)
        do { return try SignedNote(bytes: bytes) } catch {
            throw Failure(.badRequest, "\(path) is no signed checkpoint")
        }
    }

    private static func contents(_ path: String) throws(Failure) -> [UInt8] {
        do throws(SystemError) {
            let file = try Descriptor.open(CPath(path), [.read])
            if let bytes = try file.readAll(limit: 1_048_576) { return bytes }
        } catch { throw error.failure("cannot read \(path)", .badRequest) }
        throw Failure(.badRequest, "\(path) is larger than a mebibyte")
    }
}

/// `ffsctl log prove`: the receipt of an event.
struct LogProveCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove", abstract: "Print the proof that an event is in the log, after checking it.",
        discussion: "A C2SP tlog-proof of the entry, SHA-256(salt and record), which --json prints with it.")

    @Argument(help: "The event's id, as `ffsctl log search` prints it.", transform: parsedID) var event: ID128
    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        let status = try await session.log.send(LogStatus())
        guard let receipt = try await session.log.send(LogReceipts(event: event, limit: 1)).rows.first else {
            throw Failure(.notFound, "the log has no event \(event)")
        }
        let leaf = receipt.row.leaf
        do { _ = try receipt.proof.verified(leaf.commitment, key: status.key) } catch {
            throw Failure(
                .corrupt, "the log's own proof does not hold; `ffsctl log verify` says more", cause: "\(error)")
        }
        if let flaw = leaf.flaw { throw Failure(.corrupt, "entry \(leaf.leaf): \(flaw)") }
        let text = String(decoding: receipt.proof.bytes, as: UTF8.self)
        guard session.output.json else { return session.output.verbatim(text) }
        func base64(_ bytes: [UInt8]?) -> Value {
            Value(bytes) { .text(String(decoding: Base64.encode($0), as: UTF8.self)) }
        }
        session.output.record([
            .init("entry", .number(Int(leaf.leaf))), .init("commitment", .name(leaf.commitment)),
            .init("salt", base64(leaf.body?.salt)), .init("record", base64(leaf.body?.record)),
            .init("proof", .text(text)), .init("cosigned", .number(receipt.cosigned)),
            .init("witnesses", .number(receipt.witnesses)),
        ])
    }
}
