/// Addresses and networks, such as `192.0.2.1` and `2001:db8::/32`.
package struct AddressSet: Sendable {
    private let networks: [IPNetwork]

    /// Throws `configuration`, naming `option`, for a text that is neither.
    package init(_ texts: [String], option: String) throws(Failure) {
        var networks: [IPNetwork] = []
        for text in texts where !text.isEmpty {
            guard let network = IPNetwork(text: text.utf8) else {
                throw Failure(
                    .configuration, "\(option): \(text) is neither an address nor a network such as 10.0.0.0/8")
            }
            networks.append(network)
        }
        self.networks = networks
    }

    package var isEmpty: Bool { networks.isEmpty }

    package func contains(_ address: IPAddress) -> Bool {
        networks.contains { $0.contains(address) }
    }
}
