package import FFSModel

/// Addresses and networks, such as `192.0.2.1` and `2001:db8::/32`.
package struct AddressSet: Sendable {
    package struct Network: Sendable {
        package let address: IPAddress
        package let prefix: Int

        /// nil unless `text` is an address, or an address, `/` and a prefix length.
        package init?(_ text: String) {
            let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            guard let address = IPAddress(text: parts[0]) else { return nil }
            let longest = address.family == .v4 ? 32 : 128
            self.address = address
            switch parts.count {
            case 1: prefix = longest
            case 2:
                guard let prefix = decimal(Array(parts[1])[...], atMost: UInt64(longest)) else { return nil }
                self.prefix = Int(prefix)
            default: return nil
            }
        }
    }

    private let networks: [Network]

    /// Throws `configuration`, naming `option`, for a text that is neither.
    package init(_ texts: [String], option: String) throws(Failure) {
        var networks: [Network] = []
        for text in texts where !text.isEmpty {
            guard let network = Network(text) else {
                throw Failure(
                    .configuration, "\(option): \(text) is neither an address nor a network such as 10.0.0.0/8")
            }
            networks.append(network)
        }
        self.networks = networks
    }

    package var isEmpty: Bool { networks.isEmpty }

    package func contains(_ address: IPAddress) -> Bool {
        networks.contains { address.isInside($0.address, prefix: $0.prefix) }
    }
}
