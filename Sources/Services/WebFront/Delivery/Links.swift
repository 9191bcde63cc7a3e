import FFSModel

/// The addresses of one account, as browsers and download tools take them. The login is never in a link with its
/// password, so that a link can be passed on, bookmarked or logged without giving the account away.
struct AccountLinks: Sendable {
    let account: AccountID
    let places: DownloadPlaces
    /// What lets its holder in over HTTPS without the password, for a while; nil: nobody.
    private let link: String?
    private var login: String

    init(account: AccountID, places: DownloadPlaces, link: String? = nil) {
        self.account = account
        self.places = places
        self.link = link
        login = "\(account)@"
    }

    /// The same without the login, for tools that take it apart.
    var withoutLogin: AccountLinks {
        var copy = self
        copy.login = ""
        return copy
    }

    /// `https://host:8443/a/<account>/`, nil where HTTPS is closed.
    var https: String? {
        places.httpsPort > 0 ? "https://\(host)\(port(places.httpsPort, usual: 443))/a/\(account)/" : nil
    }

    /// `ftps://<account>@host:990/`: TLS from the first byte; nil where it is closed.
    var ftps: String? {
        places.ftpsPort > 0 ? "ftps://\(login)\(host)\(port(places.ftpsPort, usual: 990))/" : nil
    }

    /// `ftp://<account>@host/`, with AUTH TLS for clients that ask for it; nil where FTP is closed.
    var ftp: String? {
        places.ftpPort > 0 ? "ftp://\(login)\(host)\(port(places.ftpPort, usual: 21))/" : nil
    }

    /// `ftps://host:21/`: what wget(1) takes for AUTH TLS on the FTP port; nil where that is closed.
    var explicit: String? { places.ftpPort > 0 ? "ftps://\(host)\(port(places.ftpPort, usual: 21))/" : nil }

    /// One file over the best of the three.
    func file(_ path: RelativePath) -> String? {
        (https ?? ftps ?? ftp).map { $0 + Escaping.urlPath(path.bytes) }
    }

    /// ``https`` for a click: opens without the password. Not to be shown, only to be followed.
    var signedHTTPS: String? { signed(https) }

    /// ``file(_:)`` for a click; nil unless it goes over HTTPS.
    func signedFile(_ path: RelativePath) -> String? { signed(https.map { $0 + Escaping.urlPath(path.bytes) }) }

    private func signed(_ address: String?) -> String? {
        guard let address, let link else { return nil }
        return "\(address)?link=\(link)"
    }

    /// An IPv6 address needs brackets in a URL.
    private var host: String { places.host.contains(":") ? "[\(places.host)]" : places.host }

    private func port(_ port: Int, usual: Int) -> String { port == usual ? "" : ":\(port)" }
}
