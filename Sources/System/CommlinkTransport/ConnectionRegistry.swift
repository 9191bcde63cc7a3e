import NIOCore
import OrderedCollections
import Synchronization

/// The open connections of a server, and its end: stop admitting, wait until the last one is gone.
///
/// Whoever has not proved yet that they hold a key is a stranger, and strangers have a pool of their own, bounded in all
/// and for each address: where it is full the oldest of them is cut. An honest one is in it for a round trip.
final class ConnectionRegistry: Sendable {
    /// Strangers, in all and of one address.
    static let strangers = 512
    static let strangersOfAddress = 128

    private struct Stranger {
        let channel: any Channel
        let address: String
    }

    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        /// Oldest first.
        var strangers: OrderedDictionary<ObjectIdentifier, Stranger> = [:]
        var isStopping = false
        /// Set while someone waits for the end.
        var waiter: CheckedContinuation<Void, Never>?

        /// The waiter, once there is nothing to wait for.
        mutating func released() -> CheckedContinuation<Void, Never>? {
            guard isStopping, channels.isEmpty, strangers.isEmpty else { return nil }
            defer { waiter = nil }
            return waiter
        }

        var count: Int { channels.count + strangers.count }

        /// Takes out the stranger that has to go for another one of `address`.
        mutating func makeRoom(for address: String) -> (any Channel)? {
            let ofAddress = strangers.values.count { $0.address == address }
            let index =
                if ofAddress >= ConnectionRegistry.strangersOfAddress {
                    strangers.values.firstIndex { $0.address == address }
                } else {
                    strangers.count >= ConnectionRegistry.strangers ? strangers.values.startIndex : nil
                }
            return index.map { strangers.remove(at: $0).value.channel }
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

    /// For who needs no key. False when `maximum` are open already, or the server is stopping.
    func admit(_ channel: any Channel) -> Bool {
        let count = state.withLock { state -> Int? in
            guard !state.isStopping, state.channels.count < maximum else { return nil }
            state.channels[ObjectIdentifier(channel)] = channel
            return state.count
        }
        guard let count else { return false }
        onChange(count)
        channel.closeFuture.whenComplete { [self] _ in remove(channel) }
        return true
    }

    enum Admission {
        /// Which stranger was cut to make room.
        case admitted(cut: (any Channel)?)
        case stopping
    }

    func admitStranger(_ channel: any Channel, from address: String) -> Admission {
        let (admission, count) = state.withLock { state -> (Admission, Int) in
            guard !state.isStopping else { return (.stopping, state.count) }
            let cut = state.makeRoom(for: address)
            state.strangers[ObjectIdentifier(channel)] = Stranger(channel: channel, address: address)
            return (.admitted(cut: cut), state.count)
        }
        guard case .admitted(let cut) = admission else { return admission }
        onChange(count)
        cut?.close(promise: nil)
        channel.closeFuture.whenComplete { [self] _ in remove(channel) }
        return admission
    }

    /// Whether one more may prove itself.
    var hasRoom: Bool { state.withLock { !$0.isStopping && $0.channels.count < maximum } }

    /// The stranger has proved itself; false when there is no room, or it was cut meanwhile.
    func prove(_ channel: any Channel) -> Bool {
        state.withLock { state in
            guard state.channels.count < maximum,
                state.strangers.removeValue(forKey: ObjectIdentifier(channel)) != nil
            else { return false }
            state.channels[ObjectIdentifier(channel)] = channel
            return true
        }
    }

    private func remove(_ channel: any Channel) {
        let (count, waiter) = state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = nil
            state.strangers[ObjectIdentifier(channel)] = nil
            return (state.count, state.released())
        }
        onChange(count)
        waiter?.resume()
    }

    var channels: [any Channel] {
        state.withLock { Array($0.channels.values) + $0.strangers.values.map(\.channel) }
    }

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
