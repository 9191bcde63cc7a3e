extension Options {
    /// ffswebd(8).
    package enum Web {
        package static let user = Option(
            "web.user", "ffsweb", "User that ffswebd runs as when it is started as root.")
        package static let address = Option(
            "web.address", "::", "Address of the HTTPS listener; :: takes IPv4 as well.")
        package static let port = Option(
            "web.port", 443, unit: "port", bounds: 1...65_535, "HTTPS port of the pages and the JSON API.")
        package static let certificate = Option(
            "web.certificate", "/etc/ffs/tls/cert.pem",
            "PEM certificate chain for ffswebd; install.sh makes a self-signed one until you bring yours.")
        package static let privateKey = Option(
            "web.private-key", "/etc/ffs/tls/key.pem", "PEM private key for web.certificate.")

        package static let all: [any AnyOption] = [user, address, port, certificate, privateKey]
    }
}
