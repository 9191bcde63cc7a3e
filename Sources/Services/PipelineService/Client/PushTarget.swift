import Compression
package import FFSModel
import Pipeline
package import Requests
import SystemSupport

/// Where batches go: over the relay, or to the object in this process.
package protocol PushTarget: Sendable {
    func push(_ message: PipePush) async throws(Failure) -> PipePush.Reply
}

/// The relay, which asks the internal host.
package struct RelayTarget: PushTarget {
    private let relay: any RequestTransport

    package init(_ relay: any RequestTransport) { self.relay = relay }

    package func push(_ message: PipePush) async throws(Failure) -> PipePush.Reply {
        try await relay.send(message)
    }
}

/// Seals batches, and believes acknowledgements that are sealed alone.
struct Pusher: Sendable {
    let node: NodeName
    let keys: PipelineKeys
    let target: any PushTarget

    /// What is committed now, and in which log.
    func push(_ batch: ProducerBatch) async throws(Failure) -> (mark: ProducerMark, log: String) {
        let key = try keys.key(of: node)
        let nonce = ID128.random()
        guard let deflated = ZlibStream.deflate(batch.encoded, level: 1) else {
            throw Failure(.busy, "there is no memory to pack a batch of events; it will be tried again")
        }
        let reply = try await target.push(
            PipePush(node: node, nonce: nonce, batch: deflated, mac: key.seal(batch, nonce: nonce)))
        guard let hash = RunningHash(bytes: reply.hash) else { throw Self.forged(node) }
        let mark = ProducerMark(offset: UInt64(reply.offset), hash: hash)
        guard key.isSeal(reply.mac, of: mark, log: reply.log, of: batch, nonce: nonce) else {
            throw Self.forged(node)
        }
        return (mark, reply.log)
    }

    private static func forged(_ node: NodeName) -> Failure {
        Failure(
            .denied,
            "an acknowledgement does not carry the seal of the key of node \(node): the internal host has another key, or the relay forges; nothing of it is believed"
        )
    }
}
