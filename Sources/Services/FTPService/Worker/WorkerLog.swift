import FTPProtocol
package import Logging
package import SystemSupport

/// What a worker writes: the structured log on standard error and the transfer log. Belongs to the control thread.
package final class WorkerLog {
    package let logger: Logger
    private let transferLog: Descriptor?
    private var lines: [UInt8] = []

    package init(logger: Logger, transferLog: consuming Descriptor?) {
        self.logger = logger
        self.transferLog = transferLog
    }

    /// Appends one line; written with all lines of this round of events in one write(2), which O_APPEND keeps whole.
    func record(_ transfer: TransferRecord) {
        if transferLog != nil { lines += transfer.xferlogLine }
    }

    /// To be called after each round of events.
    package func flush() {
        guard !lines.isEmpty else { return }
        do throws(SystemError) { try transferLog?.write(lines) } catch {
            logger.error("the transfer log cannot be written", metadata: ["cause": "\(error)"])
        }
        lines.removeAll(keepingCapacity: lines.capacity < 65_536)
    }
}
