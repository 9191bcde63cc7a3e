import FFSModel
import FTPProtocol
package import Logging
package import SystemSupport

/// What a worker writes: the structured log on standard error and the transfer log. Belongs to the control thread.
package final class WorkerLog {
    package let logger: Logger
    private var transferLog: LentDescriptor?
    private var lines: [UInt8] = []
    /// The beginning of lines of this second.
    private var time = (at: Timestamp(seconds: -1), text: [UInt8]())
    private static let mostGathered = 16_384

    package init(logger: Logger, transferLog: LentDescriptor?) {
        self.logger = logger
        self.transferLog = transferLog
    }

    /// What is gathered goes to the file of before, which may have been renamed; nil: nothing is recorded any more.
    package func reopen(_ transferLog: LentDescriptor?) {
        flush()
        self.transferLog = transferLog
    }

    /// Appends one line; written with others in one write(2), which O_APPEND keeps whole, as soon as there is nothing
    /// better to do.
    func record(_ transfer: TransferRecord) {
        guard transferLog != nil else { return }
        if time.at != transfer.finished { time = (transfer.finished, TransferRecord.timeField(transfer.finished)) }
        lines += time.text
        transfer.appendFields(to: &lines)
        if lines.count >= Self.mostGathered { flush() }
    }

    /// To be called before the loop sleeps.
    package func flush() {
        guard !lines.isEmpty else { return }
        do throws(SystemError) { try transferLog?.write(lines) } catch {
            logger.error("the transfer log cannot be written", metadata: ["cause": "\(error)"])
        }
        lines.removeAll(keepingCapacity: lines.capacity < 65_536)
    }
}
