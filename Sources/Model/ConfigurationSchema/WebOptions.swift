extension Options {
    /// ffswebd(8).
    package enum Web {
        package static let user = Option(
            "web.user", "ffsweb", "User that ffswebd runs as when it is started as root.")
        package static let address = Option(
            "web.address", "::", "Address of the HTTPS listener; :: takes IPv4 as well.")
        package static let port = Option(
            "web.port", 443, unit: "port", bounds: 1...65_535, "HTTPS port of the pages and the JSON API.")
        package static let plainPort = Option(
            "web.plain-port", 0, unit: "port", bounds: 0...65_535,
            "Plain-HTTP port for a TLS proxy that web.proxies lists, or for a test on the same machine. 0 opens none.")
        package static let plainAddress = Option(
            "web.plain-address", "127.0.0.1",
            "Address of the plain-HTTP listener. Another than a loopback address needs web.proxies, and serves only those."
        )
        package static let proxies = Option(
            "web.proxies", [String](),
            "Addresses or networks of the TLS proxies in front of ffswebd. X-Forwarded-For, or the PROXY protocol, tells who their client is; nobody else is believed."
        )
        package static let proxyProtocol = Option(
            "web.proxy-protocol", false,
            "Whether each connection from web.proxies begins with a PROXY protocol header (version 1 or 2) that names the client."
        )
        package static let proxySchemeHeader = Option(
            "web.proxy-scheme-header", "x-forwarded-proto",
            "Header in which web.proxies say https or http. Empty: they take HTTPS alone, and every request of theirs counts as HTTPS."
        )
        package static let certificate = Option(
            "web.certificate", "/etc/ffs/tls/cert.pem",
            "PEM certificate chain for ffswebd; install.sh makes a self-signed one until you bring yours.")
        package static let privateKey = Option(
            "web.private-key", "/etc/ffs/tls/key.pem", "PEM private key for web.certificate.")

        package static let siteName = Option(
            "web.site-name", "Software delivery", "Name of the site, in every page's heading and title.")
        package static let contact = Option(
            "web.contact", "",
            "How customers reach you, such as a mail address; shown at sign-in and on error pages. Empty shows none.")

        package static let sessionIdle = Option(
            "web.session-idle", 1_800, unit: "s", bounds: 60...86_400,
            "A session ends after so long without a request.")
        package static let sessionLifetime = Option(
            "web.session-lifetime", 43_200, unit: "s", bounds: 300...604_800,
            "A session ends so long after sign-in, however busy it is.")
        package static let sessions = Option(
            "web.sessions", 100_000, unit: "sessions", bounds: 16...1_000_000,
            "Most sessions kept, in memory alone; beyond it sign-in answers 503.")
        package static let signInRate = Option(
            "web.sign-in-rate", 30, unit: "attempts a minute", bounds: 1...10_000,
            "Sign-in attempts that one source (an IPv4 address, an IPv6 /64) may make before it is answered 429.")

        package static let accountLifetime = Option(
            "web.account-lifetime", 86_400, unit: "s", bounds: 60...31_536_000,
            "How long an account lives unless the customer chooses.")
        package static let accountLifetimeMin = Option(
            "web.account-lifetime-min", 600, unit: "s", bounds: 60...31_536_000,
            "Shortest lifetime a customer may choose.")
        package static let accountLifetimeMax = Option(
            "web.account-lifetime-max", 604_800, unit: "s", bounds: 60...31_536_000,
            "Longest lifetime a customer may choose; an entitlement that ends earlier ends the account with it.")

        package static let connections = Option(
            "web.connections", 4_096, unit: "connections", bounds: 16...1_000_000,
            "Most connections held at once; more wait in the kernel's queue.")
        package static let connectionsPerSource = Option(
            "web.connections-per-source", 256, unit: "connections", bounds: 1...1_000_000,
            "Most connections that one source (an IPv4 address, an IPv6 /64) holds at once; the next is closed. web.proxies are not counted."
        )
        package static let requestTimeout = Option(
            "web.request-timeout", 20, unit: "s", bounds: 1...600,
            "How long a client has for the TLS handshake with its first request, and again for a request's body.")
        package static let keepAlive = Option(
            "web.keep-alive", 60, unit: "s", bounds: 1...3_600,
            "How long an idle connection stays open between requests.")

        package static let relayAddress = Option(
            "web.relay-address", "",
            "Address on which ffswebd relays customers' sign-ins from storage hosts to ffsauthd; 127.0.0.1 where ffsftpd runs on the same machine. Empty: no relay. Needs the key bag of storage-web."
        )
        package static let relayBasePort = Option(
            "web.relay-base-port", 7660, unit: "port", bounds: 1...65_000, "First port of the relay's commlink range.")
        package static let relayPortCount = Option(
            "web.relay-port-count", 8, unit: "ports", bounds: 1...64, "Ports in the range.")

        package static let all: [any AnyOption] = [
            user, address, port, plainPort, plainAddress, proxies, proxyProtocol, proxySchemeHeader, certificate,
            privateKey, siteName, contact, sessionIdle, sessionLifetime,
            sessions, signInRate, accountLifetime, accountLifetimeMin, accountLifetimeMax, connections,
            connectionsPerSource, requestTimeout, keepAlive, relayAddress, relayBasePort, relayPortCount,
        ]
    }
}
