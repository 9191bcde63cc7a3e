package import DaemonKit
import Events
import FFSModel
import FTPProtocol
package import Logging
package import SystemSupport

/// What a worker writes: the structured log on standard error and the transfer log. Belongs to one thread.
package final class WorkerLog {
    package let logger: Logger
    private var transferLog: LentDescriptor?
    private var lines: [UInt8] = []
    /// How a transfer looks in the structured log; nil: it is not written there.
    private var format: LogLineFormat?
    private var structured: [UInt8] = []
    /// The beginning of lines of this second.
    private var time = (at: Timestamp(seconds: -1), text: [UInt8]())
    private static let mostGathered = 16_384
    /// A pipe takes no more in one piece, with other processes' lines before and after it (pipe(7)).
    private static let mostOfPipe = 4_096

    /// - Parameter format: as `logger` writes its lines; each transfer is a line of level info.
    package init(logger: Logger, transferLog: LentDescriptor?, format: LogLineFormat? = nil) {
        self.logger = logger
        self.transferLog = transferLog
        self.format = logger.logLevel <= .info ? format : nil
    }

    /// One for another thread, which writes to the same files.
    func another() -> WorkerLog { WorkerLog(logger: logger, transferLog: transferLog, format: format) }

    /// What is gathered goes to the file of before, which may have been renamed; nil: nothing is recorded any more.
    package func reopen(_ transferLog: LentDescriptor?) {
        flush()
        self.transferLog = transferLog
    }

    /// Appends one line to each log; written with others in one write(2), which O_APPEND keeps whole, as soon as there
    /// is nothing better to do.
    func record(_ transfer: TransferEvent) {
        let worker = logger[metadataKey: "worker"].map { "\($0)" }
        let whole = structured.count
        format?.append(.info, "transfer", to: &structured) { field in
            transfer.forEachField(field)
            if let worker { field("worker", worker) }
        }
        if transferLog != nil {
            if time.at != transfer.finished { time = (transfer.finished, TransferEvent.timeField(transfer.finished)) }
            lines += time.text
            transfer.appendXferlogFields(to: &lines)
        }
        if structured.count > Self.mostOfPipe { writeStructured(whole) }
        if lines.count >= Self.mostGathered { flush() }
    }

    /// Lines of the structured log, up to `end`.
    private func writeStructured(_ end: Int) {
        guard end > 0 else { return }
        Terminal.writeAtOnce(Array(structured[..<end]), to: .error)
        structured.removeFirst(end)
    }

    /// To be called before the loop sleeps.
    package func flush() {
        writeStructured(structured.count)
        guard !lines.isEmpty else { return }
        do throws(SystemError) { try transferLog?.write(lines) } catch {
            logger.error("the transfer log cannot be written", metadata: ["cause": "\(error)"])
        }
        lines.removeAll(keepingCapacity: lines.capacity < 65_536)
    }
}
