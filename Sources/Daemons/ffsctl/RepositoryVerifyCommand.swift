import ArgumentParser
import FFSModel
import Repository
import SystemSupport

extension RepositoryCommand {
    struct Verify: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Hash every object again; put what is damaged into quarantine.",
            discussion: """
                Goes on where an interrupted run stopped. Ends with status 65 when something is damaged or missing, \
                and says which versions to publish again.
                """)

        @Option(
            help: ArgumentHelp("Read no more than this in a second: 50M. 0: as fast as it goes.", valueName: "bytes"),
            transform: parsedByteCount)
        var rate = 0
        @Flag(help: "Start over instead of going on where an interrupted run stopped.") var restart = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let repository = try session.repository()
            var options = VerifyOptions()
            options.rate = rate
            options.resume = !restart
            let start = SystemClock.monotonic()
            let result = try session.withProgress("Verifying") { report in
                try repository.verify(options) { report($0.bytes, $0.totalBytes) }
            }
            show(result, seconds: Int((SystemClock.monotonic() - start) / 1_000_000_000), session.output)
            guard result.isComplete else {
                session.output.note("Stopped; the next run goes on from here.")
                throw session.interrupted
            }
            if !result.isClean { throw Self.failure(result) }
        }

        private func show(_ result: VerifyReport, seconds: Int, _ output: Output) {
            output.record([
                .init("complete", .flag(result.isComplete)),
                .init("objects", .number(result.objects)), .init("size", .bytes(result.bytes)),
                .init("time", .seconds(seconds)),
                .init("damaged", .list(result.damaged.map { Self.value($0, json: global.json) })),
                .init("incomplete", .list(result.incomplete.map { Self.value($0.item, missing: $0.missing) })),
                .init("lost", .list(result.unreadable.map { .text("\($0.product) \($0.version)") })),
            ])
        }

        private static func value(_ damage: VerifyReport.Damage, json: Bool) -> Value {
            if json {
                return .record([
                    .init("object", .text(damage.name)), .init("size", .bytes(damage.size)),
                    .init("mended", .flag(damage.isMended)), .init("other-names", .number(damage.otherNames)),
                ])
            }
            var text = "\(damage.name), \(humanBytes(damage.size))"
            if damage.isMended { text += ", a replica took its place" }
            if damage.otherNames > 0 { text += ", still in \(damage.otherNames) places outside objects/" }
            return .text(text)
        }

        private static func value(_ item: Item, missing: Int) -> Value {
            .record([
                .init("product", .name(item.product)), .init("version", .name(item.version)),
                .init("missing", .number(missing)),
            ])
        }

        private static func failure(_ result: VerifyReport) -> Failure {
            let items = result.unreadable + result.incomplete.map(\.item)
            let again =
                items.isEmpty
                ? "no version lacks anything"
                : "publish again from their sources: "
                    + items.map { "\($0.product) \($0.version)" }.joined(separator: ", ")
            let count = result.damaged.count
            return Failure(
                .corrupt,
                "\(counted(count, "damaged object")), now in the repository's quarantine/; \(again)")
        }
    }
}
