import ArgumentParser
import FFSModel

/// `ffsctl smoke`: one delivery through the services that run, from publishing to the downloaded bytes.
struct SmokeCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "smoke",
        abstract: "Publish, entitle, sign in, stage and download a small product, and take everything away again.",
        discussion: """
            Works on a system in service: customers see nothing of it. Product ffs-smoke and customer ffs-smoke are its \
            own. On a host that runs only some of the daemons it does what they can do. Needs curl, and root.
            """)

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        let run = SmokeRun(session, roles: try roles())
        var failure: Failure?
        do { try await run.deliver() } catch { failure = error }
        let leftOver = await run.cleanUp()
        session.output.table(
            ["step", "result", "milliseconds", "text"],
            run.steps.map { step in
                [
                    .text(step.name), .text(step.result.rawValue), Value(step.milliseconds, Value.number),
                    .text(step.text),
                ]
            })
        if let failure { throw failure }
        if let leftOver { throw leftOver }
    }
}
