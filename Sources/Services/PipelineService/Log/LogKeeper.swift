package import ConfigurationSchema
import Databases
package import FFSModel
package import Logging
import ServiceLifecycle
package import SystemSupport

/// What the log is told by the configuration.
package struct LogSettings: Sendable {
    package let path: String
    /// Days; 0 for ever.
    package let retention: Int
    package let fees: Fees

    package init(_ configuration: Configuration) {
        let path = configuration[Options.Pipeline.log]
        self.path =
            path.utf8.first == UInt8(ascii: "/") ? path : configuration[Options.Common.stateDirectory] + "/" + path
        retention = configuration[Options.Pipeline.retention]
        fees = Fees(
            service: configuration[Options.Pipeline.serviceFee], content: configuration[Options.Pipeline.contentFee])
    }
}

extension LogDatabase {
    /// Opens the log of the configuration, on SQLite; makes file, directory and key where there are none.
    package static func open(
        _ settings: LogSettings, owner: SystemUser, node: NodeName, logger: Logger
    ) async throws -> LogDatabase {
        let store = try SQLiteLogStore(path: settings.path, owner: owner)
        return try await LogDatabase(
            store: store, key: try LogKey.load(directory: SQLiteFile.directory(of: settings.path)), node: node,
            logger: logger)
    }
}

/// Signs a checkpoint a second after something came, tells the ledgers, drops what is too old every hour; at the end closes the log.
package struct LogKeeper: Service {
    private let log: LogDatabase
    /// In force now.
    private let settings: @Sendable () -> LogSettings
    private let logger: Logger

    package init(_ log: LogDatabase, logger: Logger, settings: @escaping @Sendable () -> LogSettings) {
        self.log = log
        self.logger = logger
        self.settings = settings
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var seconds = 0
            while !Task.isCancelled {
                do {
                    _ = try await log.checkpoint()
                    while try await log.post(settings().fees) {}
                    if seconds.isMultiple(of: 3_600) { try await retain() }
                } catch { logger.error("the log cannot be kept: \(error)") }
                seconds += 1
                try? await Task.sleep(for: .seconds(1))
            }
        }
        _ = try await log.checkpoint()
        try await log.close()
    }

    private func retain() async throws {
        let days = settings().retention
        guard days > 0 else { return }
        let count = try await log.retain(
            before: SystemClock.now() + -Int64(days) * 86_400, by: "pipeline.log-retention")
        if count > 0 { logger.notice("records of the log were dropped", metadata: ["records": "\(count)"]) }
    }
}
