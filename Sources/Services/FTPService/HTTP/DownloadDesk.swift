import FFSModel
import FTPProtocol
import Logging
import NIOCore
import NIOPosix
import StoredFormats
import SystemSupport

/// What all downloads of one worker's HTTPS side share. Lives on its event loop.
final class DownloadDesk {
    let settings: HTTPSSettings
    let accounts: AccountStore
    let log: WorkerLog
    let pool: NIOThreadPool
    private let loop: any NIOCore.EventLoop
    private var channels: [ObjectIdentifier: any NIOCore.Channel] = [:]
    var connections: Int { channels.count }
    private var byAddress: [IPAddress: Int] = [:]
    /// Answers under way, to be told when their account ends.
    private var running: [ObjectIdentifier: DownloadHandler] = [:]
    private(set) var isDraining = false
    private var whenEmpty: () -> Void = {}
    private(set) var time = SystemClock.now()

    init(
        settings: HTTPSSettings, accounts: AccountStore, log: WorkerLog, pool: NIOThreadPool,
        loop: any NIOCore.EventLoop
    ) {
        self.settings = settings
        self.accounts = accounts
        self.log = log
        self.pool = pool
        self.loop = loop
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { task in
            me.value.everySecond()
        }
    }

    private func everySecond() {
        time = SystemClock.now()
        accounts.watch(now: time, second: SystemClock.monotonic() / 1_000_000_000)
        for download in running.values { download.checkAccount(now: time) }
    }

    // MARK: Connections

    /// Whether one more connection fits the limits.
    func admit(_ channel: any NIOCore.Channel) -> Bool {
        let peer = Self.address(of: channel)
        guard !isDraining, connections < settings.sessions,
            byAddress[peer, default: 0] < settings.sessionsPerAddress
        else {
            log.logger.notice("too many connections", metadata: ["peer": "\(peer)", "service": "https"])
            return false
        }
        let id = ObjectIdentifier(channel)
        channels[id] = channel
        byAddress[peer, default: 0] += 1
        let me = NIOLoopBound(self, eventLoop: loop)
        channel.closeFuture.whenComplete { _ in me.value.left(id, peer) }
        return true
    }

    private func left(_ id: ObjectIdentifier, _ peer: IPAddress) {
        channels[id] = nil
        let count = byAddress[peer, default: 1] - 1
        byAddress[peer] = count > 0 ? count : nil
        if isDraining, channels.isEmpty { whenEmpty() }
    }

    static func address(of channel: any NIOCore.Channel) -> IPAddress {
        let text = channel.remoteAddress?.ipAddress ?? "0.0.0.0"
        return IPAddress(text: text.utf8) ?? IPAddress(v4: 0)
    }

    /// Connections without an answer under way end now, the others after their last one.
    func drain(_ whenEmpty: @escaping () -> Void) {
        isDraining = true
        self.whenEmpty = whenEmpty
        guard !channels.isEmpty else { return whenEmpty() }
        for channel in channels.values where !isBusy(channel) { channel.close(promise: nil) }
    }

    /// Whether an answer is under way on `channel`.
    func isBusy(_ channel: any NIOCore.Channel) -> Bool { running.values.contains { $0.connection === channel } }

    // MARK: Downloads

    func began(_ download: DownloadHandler, of account: Account?) {
        account?.sessions += 1
        running[ObjectIdentifier(download)] = download
    }

    func ended(_ download: DownloadHandler, of account: Account?) {
        account?.sessions -= 1
        running[ObjectIdentifier(download)] = nil
    }

    /// One transfer for log and xferlog.
    func record(_ transfer: TransferRecord, trace: TraceID, handshake: String) {
        log.record(transfer)
        log.flush()
        log.logger.info(
            transfer.isComplete ? "transfer complete" : "transfer cut short",
            metadata: [
                "service": "https", "account": "\(String(decoding: transfer.account, as: UTF8.self))",
                "peer": "\(transfer.peer)", "path": "\(String(decoding: transfer.path, as: UTF8.self))",
                "bytes": "\(transfer.bytes)", "seconds": "\(transfer.seconds)", "tls": "\(handshake)",
                "trace": "\(trace)",
            ])
    }
}
