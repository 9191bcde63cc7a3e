import ConfigurationSchema
import FFSModel

/// Who makes a request, and whether it came over TLS, where proxies may stand between (`web.proxies`).
///
/// A listed proxy's word counts, and nobody else's: what a client writes into these headers itself stands further left
/// than what the proxy adds, or is not looked at.
struct TrustedProxies: Sendable {
    private let addresses: AddressSet
    /// Whether their connections begin with a PROXY protocol header.
    private let proxyProtocol: Bool
    /// In lower case; empty: every request of theirs came over HTTPS.
    private let schemeHeader: String

    /// What a request's connection says of it.
    struct Arrival {
        let peer: IPAddress?
        /// Who the PROXY protocol said it is.
        let announced: IPAddress?
        let isTLS: Bool
    }

    struct Client {
        let source: Source
        let isSecure: Bool
    }

    /// Throws `configuration` for what is no address, and for a plain listener that others than this machine could
    /// use without a proxy.
    init(_ configuration: Configuration) throws(Failure) {
        addresses = try AddressSet(configuration[Options.Web.proxies], option: Options.Web.proxies.key)
        proxyProtocol = configuration[Options.Web.proxyProtocol]
        schemeHeader = configuration[Options.Web.proxySchemeHeader].token
        let address = configuration[Options.Web.plainAddress]
        let isLocal = IPAddress(text: address.utf8)?.isLoopback ?? false
        guard isLocal || configuration[Options.Web.plainPort] == 0 || !addresses.isEmpty else {
            throw Failure(
                .configuration,
                "web.plain-address \(address) would serve passwords over the network without TLS: list your TLS proxies in "
                    + "web.proxies, or leave web.plain-address at 127.0.0.1")
        }
    }

    func contains(_ peer: IPAddress?) -> Bool { peer.map(addresses.contains) ?? false }

    /// Whether a connection from `peer` begins with a PROXY protocol header.
    func announces(_ peer: IPAddress?) -> Bool { proxyProtocol && contains(peer) }

    /// nil: not to be served. The plain port is for listed proxies, and for programs of this machine that speak to it
    /// themselves; a proxy that is not listed would make every customer one, and a local one at that.
    func client(_ arrival: Arrival, headers: [String: String]) -> Client? {
        if contains(arrival.peer) {
            let client = arrival.announced ?? forwarded(headers["x-forwarded-for"])
            let source = Source(client ?? arrival.peer)
            let said = headers[schemeHeader].flatMap { $0.parts(",").last?.token }
            return Client(
                // Nobody behind it is this machine, nor is the proxy itself, as for its health checks.
                source: Source(address: source.address, network: source.network, isLoopback: false),
                isSecure: arrival.isTLS || schemeHeader.isEmpty || (said?.isSame(as: "https") ?? false))
        }
        guard !arrival.isTLS else { return Client(source: Source(arrival.peer), isSecure: true) }
        let isDirect = ["x-forwarded-for", "x-forwarded-proto", "forwarded", "via"].allSatisfy { headers[$0] == nil }
        guard arrival.peer?.isLoopback == true, isDirect, Self.isThisMachine(headers["host"] ?? "") else { return nil }
        return Client(source: Source(arrival.peer), isSecure: false)
    }

    /// The last address that no listed proxy has: what the outermost of ours saw.
    private func forwarded(_ list: String?) -> IPAddress? {
        for word in (list ?? "").parts(",").reversed() {
            guard let address = IPAddress(text: word.token.utf8) else { return nil }
            if !addresses.contains(address) { return address }
        }
        return nil
    }

    /// Whether a Host header names this machine as its own programs do.
    private static func isThisMachine(_ host: String) -> Bool {
        if host.starts(bytes: "[") { return host.parts("]", most: 2)[0].isSame(as: "[::1") }
        let name = host.parts(":", most: 2)[0].token
        return name.isSame(as: "localhost") || IPAddress(text: name.utf8)?.isLoopback == true
    }
}
