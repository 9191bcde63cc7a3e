/// The certificate that customers see, for those whose tools must be told to trust it.
package struct ServerIdentity: Sendable {
    /// The leaf certificate in PEM; nil when the pages are served without TLS.
    package let certificate: @Sendable () -> [UInt8]?
    /// Whether it vouches for itself, so that no client accepts it unasked.
    package let isSelfSigned: @Sendable () -> Bool

    package init(
        certificate: @escaping @Sendable () -> [UInt8]?, isSelfSigned: @escaping @Sendable () -> Bool
    ) {
        self.certificate = certificate
        self.isSelfSigned = isSelfSigned
    }

    /// No certificate of our own.
    package static let none = ServerIdentity(certificate: { nil }, isSelfSigned: { false })
}
