import FTPProtocol
import Synchronization
import SystemSupport

/// Work for a reply that takes too long for the control thread: a data thread does it, a turn at a time, so that transfers
/// there go on. Commands wait for it as for a transfer; ABOR stops it.
///
/// Sendable, unchecked: `stopped` is atomic, and `turn` is called by one thread at a time, which the mailbox hands it to.
final class SessionJob: @unchecked Sendable {
    private let stopped = Atomic(false)
    private let turn: () -> Reply?

    /// - Parameter turn: does some milliseconds' worth; the reply once all is done.
    init(_ turn: @escaping () -> Reply?) { self.turn = turn }

    /// The next turn is not taken any more.
    func stop() { stopped.store(true, ordering: .relaxed) }

    /// `done` gets the reply, or nil when the job was stopped.
    func run(on mailbox: Mailbox, done: @escaping @Sendable (Reply?) -> Void) {
        mailbox.post { [self] loop in
            guard !stopped.load(ordering: .relaxed) else { return done(nil) }
            if let reply = turn() { return done(reply) }
            run(on: loop.mailbox, done: done)
        }
    }
}

/// What STAT of a path answers.
final class StatusListing {
    private let producer: ListingProducer
    private let code: Int
    private var lines: [[UInt8]] = []
    private static let mostLines = 1_000

    init(_ producer: ListingProducer, code: Int) {
        self.producer = producer
        self.code = code
    }

    /// nil: there is more to do.
    func turn() -> Reply? {
        var text: [UInt8] = []
        let goesOn = producer.produce(into: &text)
        lines += text.split(separator: UInt8(ascii: "\n")).map { Array($0.dropLast()) }
        if goesOn, lines.count <= Self.mostLines { return nil }
        let last = lines.count > Self.mostLines ? "The rest is left out; LIST shows all." : "End"
        return Reply(code, "Listing:", inner: Array(lines.prefix(Self.mostLines)), last: last)
    }
}

extension ControlSession {
    /// Has a data thread do `job`, and sends what comes of it.
    func run(_ job: SessionJob) {
        machine.jobStarted(job)
        worker.loop.setDeadline(self, in: nil)
        let home = worker.loop.mailbox
        let session = Handoff(self)
        job.run(on: worker.leastLoadedDataThread().mailbox) { answer in
            home.post { _ in session.value.jobEnded(answer) }
        }
    }

    private func jobEnded(_ answer: Reply?) {
        machine.jobEnded()
        guard isOpen else { return }
        reply(pendingAborts == 0 ? answer ?? Reply(451, "It was stopped.") : Reply(426, "Stopped."))
        answerAborts()
        resume()
        flush()
    }
}
