package import ConfigurationSchema
package import FFSModel
import Tobj

/// Everything a worker is told by its supervisor: it can read no file but the accounts' itself.
package struct WorkerPlan: Sendable {
    /// Settings that are not the default, as their texts.
    package var settings: [(key: String, text: String)]
    /// PEM; nil without TLS.
    package var certificate: [UInt8]?
    package var privateKey: [UInt8]?
    /// Shared by all workers, so that TLS tickets of one open at another.
    package var ticketKeys: [UInt8]
    /// Eight bytes under which keys are hashed into the shared counters.
    package var counterSecret: [UInt8]

    package init(
        _ configuration: Configuration, certificate: [UInt8]?, privateKey: [UInt8]?, ticketKeys: [UInt8],
        counterSecret: [UInt8]
    ) {
        self.counterSecret = counterSecret
        settings = configuration.settings.filter { $0.source != .default }.map { ($0.option.key, $0.text) }
        self.certificate = certificate
        self.privateKey = privateKey
        self.ticketKeys = ticketKeys
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

    package var counterSeed: UInt64 { counterSecret.reduce(0) { $0 << 8 | UInt64($1) } }

    var element: Element {
        var children = settings.map { Element("set", [.init("key", $0.key.utf8)], text: $0.text) }
        if let certificate, let privateKey {
            children += [Element("certificate", text: certificate), Element("private-key", text: privateKey)]
        }
        children += [Element("ticket-keys", text: ticketKeys), Element("counter-secret", text: counterSecret)]
        return Element("plan", children: children)
    }

    init?(_ element: Element) {
        guard element.name == "plan", let keys = element.child("ticket-keys"),
            let secret = element.child("counter-secret"), secret.text.count == 8
        else { return nil }
        counterSecret = secret.text
        settings = element.children("set").map {
            (String(decoding: $0.attribute("key") ?? [], as: UTF8.self), $0.string)
        }
        certificate = element.child("certificate")?.text
        privateKey = element.child("private-key")?.text
        ticketKeys = keys.text
    }
}
