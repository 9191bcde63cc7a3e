import ArgumentParser
import Clients
import DaemonKit
import FFSModel
import Repository
import Requests

extension ProductCommand {
    /// `ffsctl product publish`: a file or folder becomes a version that customers can have.
    struct Publish: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a file or a folder into the repository as a version, and offer it.",
            discussion: """
                Run it on the storage host that holds the repository, as root or as its owner. Where ffsauthd is on \
                another host, a file is written that ffsctl product register takes there. All or nothing: until \
                the end nothing is visible. Publishing the same content again changes nothing and mends what is \
                missing. Symbolic links, devices, FIFOs, sockets and set-user-id files are refused, and so are the \
                kernel's own files (/proc) and FFS's folders.
                """)

        @Argument(help: "The product's name.", transform: parsedName) var product: ProductName
        @Argument(help: "The version.", transform: parsedName) var version: VersionName
        @Argument(help: "The file or folder.", completion: .file()) var path: String
        @Option(help: ArgumentHelp("The product's title on the web page.", valueName: "text")) var title: String?
        @Option(help: ArgumentHelp("The sentence below it.", valueName: "text")) var summary: String?
        @Flag(help: "Give the files themselves to the repository, read-only, instead of copying them.")
        var link = false
        @Flag(help: "Take the place of other content that is published under this version.") var replace = false
        @Option(
            help: ArgumentHelp(
                "On a host without ffsauthd: write what ffsctl product register needs there to this file.",
                valueName: "file"))
        var manifest: String?
        @Flag(help: "Only put it into the repository; ffsauthd is not asked, and nobody can order it.")
        var noRegister = false
        @OptionGroup var global: GlobalOptions

        private var item: Item { Item(product: product, version: version) }

        func validate() throws {
            try Self.check("--title", title, bytes: ContentRegister.titleBytes)
            try Self.check("--summary", summary, bytes: ContentRegister.summaryBytes)
            guard !noRegister || manifest == nil else {
                throw ValidationError("--manifest is for offering it; leave out --no-register")
            }
            guard !noRegister || (title == nil && summary == nil) else {
                throw ValidationError("--title and --summary need ffsauthd: leave out --no-register")
            }
        }

        /// What ffsauthd would refuse is refused before the first byte is copied.
        private static func check(_ option: String, _ text: String?, bytes: ClosedRange<Int>) throws {
            guard let text else { return }
            guard bytes.contains(text.utf8.count), !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
                throw ValidationError(
                    "\(option) takes one line of \(bytes.lowerBound) to \(bytes.upperBound) bytes of UTF-8")
            }
        }

        func run(_ session: Session) async throws {
            let repository = try session.repository()
            let carries = try manifest != nil || !roles().contains(.internal)
            if !noRegister, !carries { try await makeSureOfAuth(session) }
            let source = try SourceTree(path: path)
            if let (count, example) = source.privateFiles {
                session.output.note(
                    "\(counted(count, "file")) that others may not read, such as \(example), can be read by everybody on this host once published."
                )
            }
            let published = try session.withProgress("Publishing") { report in
                try repository.publish(
                    source, as: item, method: link ? .link : .copy, replacing: replace, avoiding: session.ownAreas
                ) {
                    report($0.bytes, $0.totalBytes)
                }
            }
            guard let published else {
                session.output.note("Stopped; nothing was published.")
                throw session.interrupted
            }
            if carries, !noRegister { return try carry(published, session.output) }
            report(published, noRegister ? nil : try await register(published, session), session.output)
        }

        private func registration(_ published: PublishedVersion) -> ContentRegister {
            ContentRegister(
                product: product, version: version, title: title, summary: summary, manifest: published.manifest,
                size: published.bytes, files: published.fileCount, replace: replace)
        }

        /// ffsauthd is on another host: what it has to know goes there in a file.
        private func carry(_ published: PublishedVersion, _ output: Output) throws {
            let file = manifest ?? "\(product)-\(version).manifest"
            try RegistrationFile.write(registration(published), to: file)
            report(published, nil, output, file: file)
            output.note(
                "Carry \(file) to the host that runs ffsauthd and run there: ffsctl product register --manifest \(file)"
            )
        }

        /// Better to learn now than after an hour of copying that nobody will register it.
        private func makeSureOfAuth(_ session: Session) async throws(Failure) {
            do { _ = try await session.auth.ping() } catch {
                throw Failure(
                    error.code,
                    "\(error.text); where ffsauthd is on another host, publish with --manifest FILE, or with --no-register to offer it later",
                    cause: error.cause)
            }
        }

        private func register(
            _ published: PublishedVersion, _ session: Session
        ) async throws(Failure) -> ContentRegister.Reply {
            do {
                return try await session.auth.send(registration(published))
            } catch {
                let remedy =
                    error.code == .exists ? "add --replace if that is meant" : "repeat the command once that is mended"
                throw Failure(
                    error.code,
                    "\(product) \(version) is in the repository, but customers cannot have it yet: \(error.text); \(remedy)",
                    cause: error.cause)
            }
        }

        private func report(
            _ published: PublishedVersion, _ reply: ContentRegister.Reply?, _ output: Output, file: String? = nil
        ) {
            let files = counted(published.fileCount, "file")
            let new: String
            switch published.newFiles {
            case 0: new = "the repository held all of it"
            case published.fileCount: new = "all new"
            default: new = "\(published.newFiles) new, \(humanBytes(published.newBytes))"
            }
            let deed =
                reply == nil ? "Put \(product) \(version) into the repository" : "Published \(product) \(version)"
            var fields: [Value.Field] = [
                .init("product", .name(product)), .init("version", .name(version)),
                .init("manifest", .name(published.manifest)), .init("files", .number(published.fileCount)),
                .init("size", .bytes(published.bytes)), .init("new-files", .number(published.newFiles)),
                .init("new-size", .bytes(published.newBytes)),
                .init("outcome", .text(reply?.outcome.rawValue ?? "unregistered")),
            ]
            if let reply { fields.append(.init("released", .moment(reply.released))) }
            if let file { fields.append(.init("file", .text(file))) }
            output.done("\(deed): \(files), \(humanBytes(published.bytes)); \(new).", fields)
            if reply == nil, file == nil {
                output.note("Nobody can order it: publish it again without --no-register to offer it.")
            }
        }
    }
}
