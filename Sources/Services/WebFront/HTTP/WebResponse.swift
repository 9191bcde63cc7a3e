/// One response, before the headers that every response gets.
package struct WebResponse: Sendable {
    package var status: Int
    package private(set) var headers: [Header]
    package var body: [UInt8]

    package struct Header: Sendable, Hashable {
        package let name: String
        package let value: String
    }

    package init(status: Int = 200, type: String? = nil, body: [UInt8] = []) {
        self.status = status
        self.body = body
        headers = type.map { [Header(name: "content-type", value: $0)] } ?? []
    }

    package static func html(_ text: String, status: Int = 200) -> WebResponse {
        WebResponse(status: status, type: "text/html; charset=utf-8", body: Array(text.utf8))
    }

    package static func text(_ text: String, status: Int = 200) -> WebResponse {
        WebResponse(status: status, type: "text/plain; charset=utf-8", body: Array(text.utf8))
    }

    /// 303: the browser follows with GET, so that reloading the page repeats nothing.
    package static func seeOther(_ path: String) -> WebResponse {
        WebResponse(status: 303).setting("location", path)
    }

    /// The first value of header `name` (lower-case).
    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// Replaces header `name` (lower-case).
    package mutating func set(_ name: String, _ value: String) {
        headers.removeAll { $0.name == name }
        headers.append(Header(name: name, value: value))
    }

    /// The same with that header field.
    package func setting(_ name: String, _ value: String) -> WebResponse {
        var copy = self
        copy.set(name, value)
        return copy
    }
}

/// The headers that keep a page to itself.
enum SecurityHeaders {
    /// No inline script or style, nothing from elsewhere, no frame around us, forms only to us.
    private static let contentSecurityPolicy =
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        + "frame-ancestors 'none'; base-uri 'none'"

    /// Adds what `response` has not set itself. `no-store` unless it said that it may be kept.
    static func add(to response: inout WebResponse, secure: Bool) {
        let defaults = [
            ("content-security-policy", contentSecurityPolicy),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            // Not no-referrer: that makes browsers send `Origin: null` with our own forms.
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
            ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
            ("cache-control", "no-store"),
        ]
        for (name, value) in defaults where response.header(name) == nil { response.set(name, value) }
        if secure { response.set("strict-transport-security", "max-age=31536000") }
    }
}
