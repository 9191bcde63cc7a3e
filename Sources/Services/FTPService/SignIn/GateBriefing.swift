import Commlink
import CommlinkTransport
import ConfigurationSchema
package import DaemonKit
package import FFSModel
import Requests
import SystemSupport
import Tobj

/// Everything the gate is told by its supervisor. It opens no file: the key bag comes with the plan, and is the only one
/// that it ever sees.
package struct GateBriefing: Sendable, Equatable {
    package struct Setting: Sendable, Equatable {
        let key: String
        let text: String
    }

    /// Settings that are not the default.
    package let settings: [Setting]
    /// The current bag of `storage-web`, as ffs-keybag(5) writes it.
    package private(set) var bag: [UInt8]

    /// nil where customers cannot sign in with their own names. Throws `configuration` when the bag cannot be used.
    package init?(_ environment: DaemonEnvironment) throws(Failure) {
        let configuration = environment.configuration
        guard !configuration[Options.FTP.relayHost].isEmpty, configuration[Options.FTP.customerSignIn] != .off else {
            return nil
        }
        settings = configuration.settings.filter { $0.source != .default }.map {
            Setting(key: $0.option.key, text: $0.text)
        }
        bag = try environment.keyBags(of: .storageWeb).offered().serialized()
    }

    /// To be called when the bag is not read from here any more.
    mutating func forgetKeys() {
        SecretMemory.wipe(&bag)
        bag = []
    }

    /// The configuration that these settings make.
    func configuration() throws(Failure) -> Configuration {
        var configuration = Configuration()
        for setting in settings {
            do { try configuration.set(setting.key, to: setting.text, from: .commandLine) } catch {
                throw Failure(.internal, "the supervisor sent a bad setting: \(error)")
            }
        }
        return configuration
    }

    var element: Element {
        Element(
            "gate-plan",
            children: settings.map { Element("set", [.init("key", $0.key.utf8)], text: $0.text) } + [
                Element("bag", text: bag)
            ])
    }

    init?(_ element: Element) {
        guard let bag = element.child("bag") else { return nil }
        self.bag = bag.text
        settings = element.children("set").map {
            Setting(key: String(decoding: $0.attribute("key") ?? [], as: UTF8.self), text: $0.string)
        }
    }
}
