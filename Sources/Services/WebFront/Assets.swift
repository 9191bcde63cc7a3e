import Crypto
import FFSModel

/// The few static files, compiled in and named by what they hold, so that browsers may keep them for ever.
struct Assets: Sendable {
    struct File: Sendable {
        /// With the digest of the content, for links in pages.
        let path: String
        let type: String
        let content: [UInt8]

        fileprivate init(_ name: String, _ type: String, _ content: [UInt8]) {
            path = "/assets/\(name)?v=\(Hex.string(SHA256.hash(data: content).prefix(6)))"
            self.type = type
            self.content = content
        }

        var response: WebResponse {
            WebResponse(type: type, body: content).setting("cache-control", "public, max-age=31536000, immutable")
        }
    }

    let style = File("site.css", "text/css; charset=utf-8", PackageResources.site_css)
    let script = File("site.js", "text/javascript; charset=utf-8", PackageResources.site_js)
    let icon = File("icon.svg", "image/svg+xml", PackageResources.icon_svg)
}
