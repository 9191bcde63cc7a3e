package import ConfigurationSchema
package import FFSModel
package import TLSEngine
import Tobj

/// Everything a worker is told by its supervisor: it can read no file but the accounts' itself.
package struct WorkerBriefing: Sendable {
    /// Settings that are not the default, as their texts.
    package var settings: [(key: String, text: String)]
    /// The first is for clients that name no server that another is for; none without TLS.
    package var certificates: [Certificate]
    /// Shared by all workers, so that TLS tickets of one open at another.
    package var ticketKeys: [TicketKey]
    /// Eight bytes under which keys are hashed into the shared counters.
    package var counterSecret: [UInt8]

    /// Both in PEM; leaf first.
    package struct Certificate: Sendable, Hashable {
        package var chain: [UInt8]
        package var key: [UInt8]

        package init(chain: [UInt8], key: [UInt8]) {
            self.chain = chain
            self.key = key
        }
    }

    package init(
        _ configuration: Configuration, certificates: [Certificate], counterSecret: [UInt8]
    ) {
        self.counterSecret = counterSecret
        settings = configuration.settings.filter { $0.source != .default }.map { ($0.option.key, $0.text) }
        self.certificates = certificates
        ticketKeys = []
    }

    /// The configuration that these settings make.
    package func configuration() throws(Failure) -> Configuration {
        var configuration = Configuration()
        for (key, text) in settings {
            do { try configuration.set(key, to: text, from: .commandLine) } catch {
                throw Failure(.internal, "the supervisor sent a bad setting: \(error)")
            }
        }
        return configuration
    }

    /// Whether a segment of the worker's journal follows.
    package var isRecorded = false

    package var counterSeed: UInt64 { counterSecret.reduce(0) { $0 << 8 | UInt64($1) } }

    var element: Element {
        var children = settings.map { Element("set", [.init("key", $0.key.utf8)], text: $0.text) }
        children += certificates.map { certificate in
            Element(
                "certificate",
                children: [Element("chain", text: certificate.chain), Element("key", text: certificate.key)])
        }
        children += ticketKeys.map { Element("ticket-key", text: $0.bytes) }
        children.append(Element("counter-secret", text: counterSecret))
        if isRecorded { children.append(Element("recorded")) }
        return Element("plan", children: children)
    }

    init?(_ element: Element) {
        guard element.name == "plan", let secret = element.child("counter-secret"), secret.text.count == 8
        else { return nil }
        counterSecret = secret.text
        isRecorded = element.child("recorded") != nil
        settings = element.children("set").map {
            (String(decoding: $0.attribute("key") ?? [], as: UTF8.self), $0.string)
        }
        certificates = element.children("certificate").compactMap { certificate in
            guard let chain = certificate.child("chain"), let key = certificate.child("key") else { return nil }
            return Certificate(chain: chain.text, key: key.text)
        }
        ticketKeys = element.children("ticket-key").compactMap { TicketKey($0.text) }
    }
}
