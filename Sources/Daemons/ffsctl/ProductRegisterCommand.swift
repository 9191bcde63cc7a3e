import ArgumentParser
import Clients
import FFSModel
import Requests
import SystemSupport
import Tobj

extension ProductCommand {
    /// `ffsctl product register`: a version that a storage host holds is offered.
    struct Register: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Offer a version that was published on a storage host without ffsauthd.",
            discussion: """
                Run it on the host that runs ffsauthd, with the file that ffsctl product publish wrote. The content \
                stays where it is.
                """)

        @Option(
            help: ArgumentHelp("The file that `ffsctl product publish` wrote.", valueName: "file"),
            completion: .file())
        var manifest: String
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let registration = try RegistrationFile.read(manifest)
            let item = "\(registration.product) \(registration.version)"
            let reply: ContentRegister.Reply
            do { reply = try await session.auth.send(registration) } catch {
                guard error.code == .exists else { throw error }
                throw Failure(
                    .exists, "\(error.text); publish it with --replace if that is meant, and carry the file again")
            }
            session.output.done(
                "Offered \(item): \(counted(registration.files, "file")), \(humanBytes(registration.size)).",
                [
                    .init("product", .name(registration.product)), .init("version", .name(registration.version)),
                    .init("manifest", .name(registration.manifest)), .init("files", .number(registration.files)),
                    .init("size", .bytes(registration.size)), .init("outcome", .text(reply.outcome.rawValue)),
                    .init("released", .moment(reply.released)),
                ])
        }
    }
}

/// A `content.register` request in a file (ffs-commlink(7)): one Tobj document and a newline.
enum RegistrationFile {
    /// Bytes; a request has at most some 3 KiB.
    private static let sizeLimit = 65_536

    static func write(_ registration: ContentRegister, to path: String) throws(Failure) {
        let document = Document(request: ContentRegister.type.rawValue, body: registration.body)
        do throws(SystemError) {
            let file = try Descriptor.open(CPath(path), [.write, .create, .truncate], permissions: 0o644)
            try file.write(document.serialized() + [UInt8(ascii: "\n")])
            try file.sync()
            try file.close()
        } catch {
            throw error.failure(
                "the version is in the repository, but the file for ffsctl product register cannot be written")
        }
    }

    static func read(_ path: String) throws(Failure) -> ContentRegister {
        let bytes: [UInt8]?
        do throws(SystemError) {
            bytes = try Descriptor.open(CPath(path), [.read, .nonBlocking]).readAll(limit: sizeLimit)
        } catch { throw error.failure("cannot read what is to be registered") }
        guard let bytes, bytes.last == UInt8(ascii: "\n") else { throw notOurs(path, "it is cut short, or too large") }
        do throws(Failure) {
            let document = try Document(bytes: Array(bytes.dropLast()))
            guard document.type == ContentRegister.type.rawValue, document.status == nil else {
                throw notOurs(path, "it is another document")
            }
            return try ContentRegister(fields: Fields(document.body, of: document.type))
        } catch {
            guard error.code == .badRequest else { throw error }
            throw notOurs(path, error.text)
        }
    }

    private static func notOurs(_ path: String, _ why: String) -> Failure {
        Failure(
            .corrupt,
            "\(printable(path.utf8)) is not what ffsctl product publish wrote (\(why)); carry the file again, unchanged"
        )
    }
}
