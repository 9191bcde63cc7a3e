import NIOCore
import Synchronization

/// The open connections of a server, and its end: stop admitting, wait until the last one is gone.
final class ConnectionRegistry: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isStopping = false
        /// Set while someone waits for the end.
        var waiter: CheckedContinuation<Void, Never>?

        /// The waiter, once there is nothing to wait for.
        mutating func released() -> CheckedContinuation<Void, Never>? {
            guard isStopping, channels.isEmpty else { return nil }
            defer { waiter = nil }
            return waiter
        }
    }

    private let state = Mutex(State())
    private let maximum: Int
    /// Told the number of connections whenever it changes.
    private let onChange: @Sendable (Int) -> Void

    init(maximum: Int, onChange: @escaping @Sendable (Int) -> Void) {
        self.maximum = maximum
        self.onChange = onChange
    }

    /// False when `maximum` are open already, or the server is stopping.
    func admit(_ channel: any Channel) -> Bool {
        let count = state.withLock { state -> Int? in
            guard !state.isStopping, state.channels.count < maximum else { return nil }
            state.channels[ObjectIdentifier(channel)] = channel
            return state.channels.count
        }
        guard let count else { return false }
        onChange(count)
        channel.closeFuture.whenComplete { [self] _ in remove(channel) }
        return true
    }

    private func remove(_ channel: any Channel) {
        let (count, waiter) = state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = nil
            return (state.channels.count, state.released())
        }
        onChange(count)
        waiter?.resume()
    }

    var channels: [any Channel] { state.withLock { Array($0.channels.values) } }

    /// Admits no more.
    func stop() {
        let waiter = state.withLock { state in
            state.isStopping = true
            return state.released()
        }
        waiter?.resume()
    }

    /// Waits until ``stop()`` was called and every connection is closed. When the task is cancelled, stops and cuts
    /// the connections. For one task alone.
    func drained() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waiter = state.withLock { state in
                    state.waiter = continuation
                    return state.released()
                }
                waiter?.resume()
            }
        } onCancel: {
            stop()
            for channel in channels { channel.close(promise: nil) }
        }
    }

    /// Runs `body` with the handler of each connection, on its event loop.
    func forEach<Handler: ChannelHandler & SendableMetatype>(
        _ type: Handler.Type, _ body: @escaping @Sendable (Handler) -> Void
    ) {
        for channel in channels {
            channel.eventLoop.execute {
                if let handler = try? channel.pipeline.syncOperations.handler(type: type) { body(handler) }
            }
        }
    }
}
