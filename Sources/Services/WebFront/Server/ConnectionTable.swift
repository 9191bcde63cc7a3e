import FFSModel
import NIOCore
import Synchronization

/// Every open connection: how many there are in all and from each source, and whom to tell when the server stops.
final class ConnectionTable: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var sources: [String: Int] = [:]
        /// Whom a proxy announced.
        var announced: [ObjectIdentifier: IPAddress] = [:]
        var isDraining = false
        /// Listeners that stopped accepting at the limit; each goes on when a connection ends.
        var waiting: [@Sendable () -> Void] = []
    }

    /// Why a connection is closed before it says anything.
    struct Full: Error {}

    private let limit: Int
    private let limitPerSource: Int
    private let state = Mutex(State())

    init(limit: Int, limitPerSource: Int) {
        self.limit = limit
        self.limitPerSource = limitPerSource
    }

    /// Takes a connection in, until it closes; false when its source has enough or the server is stopping.
    ///
    /// - Parameter source: nil for a proxy, behind which are many.
    func admit(_ channel: any Channel, from source: String?) -> Bool {
        let admitted = state.withLock { state in
            guard !state.isDraining else { return false }
            if let source {
                guard state.sources[source, default: 0] < limitPerSource else { return false }
                state.sources[source, default: 0] += 1
            }
            state.channels[ObjectIdentifier(channel)] = channel
            return true
        }
        if admitted { channel.closeFuture.whenComplete { _ in self.remove(channel, from: source) } }
        return admitted
    }

    /// Remembers whom the proxy at the other end of `channel` speaks for.
    func announce(_ client: IPAddress, of channel: any Channel) {
        state.withLock { $0.announced[ObjectIdentifier(channel)] = client }
    }

    func announced(of channel: any Channel) -> IPAddress? {
        state.withLock { $0.announced[ObjectIdentifier(channel)] }
    }

    private func remove(_ channel: any Channel, from source: String?) {
        let waiting = state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = nil
            state.announced[ObjectIdentifier(channel)] = nil
            if let source {
                let left = state.sources[source, default: 1] - 1
                state.sources[source] = left > 0 ? left : nil
            }
            defer { state.waiting = [] }
            return state.waiting
        }
        for goOn in waiting { goOn() }
    }

    /// Whether a listener may accept now; if not, `goOn` is called once when it may.
    func mayAccept(else goOn: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            if state.channels.count < limit { return true }
            state.waiting.append(goOn)
            return false
        }
    }

    /// Lets every connection end after the response it is in; idle ones end at once.
    func drain() {
        let channels = state.withLock { state in
            state.isDraining = true
            return Array(state.channels.values)
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
    }
}

/// On a listening channel: leaves connections in the kernel's queue while the table is full.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias OutboundIn = Never

    private let table: ConnectionTable

    init(table: ConnectionTable) { self.table = table }

    func read(context: ChannelHandlerContext) {
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, context), eventLoop: loop)
        let mayAccept = table.mayAccept {
            loop.execute {
                let (handler, context) = bound.value
                if context.channel.isActive { handler.read(context: context) }
            }
        }
        if mayAccept { context.read() }
    }
}
