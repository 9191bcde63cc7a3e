extension Options {
    /// ffsftpd(8).
    package enum FTP {
        package static let user = Option(
            "ftp.user", "ffsftp", "User that ffsftpd's workers run as; it can read accounts and nothing else.")
        package static let address = Option(
            "ftp.address", "::", "Address the FTP and HTTPS listeners bind; :: takes IPv4 as well.")
        package static let port = Option(
            "ftp.port", 21, unit: "port", bounds: 0...65_535, "FTP port. 0 closes it.")
        package static let httpsPort = Option(
            "ftp.https-port", 8443, unit: "port", bounds: 0...65_535, "HTTPS download port. 0 closes it.")
        package static let publicHost = Option(
            "ftp.public-host", "localhost", "Host name in the links that customers get.")

        package static let all: [any AnyOption] = [user, address, port, httpsPort, publicHost]
    }
}
