/// Bounds of the HTTPS side, out of ``FTPSettings``; both sides share the options (ffs.yaml(5), group `ftp`).
package struct HTTPSSettings: Sendable {
    package var limits = SessionLimits()
    /// Seconds from accept(2) to the end of the TLS handshake.
    package var handshakeTimeout = 15
    /// Seconds without a request, and without the client taking a byte of an answer.
    package var idleTimeout = 60
    package var stallTimeout = 120

    package init() {}

    package init(_ settings: FTPSettings) {
        limits = settings.limits
        handshakeTimeout = min(handshakeTimeout, settings.loginTimeout)
        idleTimeout = min(idleTimeout, settings.idleTimeout)
        stallTimeout = settings.stallTimeout
    }
}
