/// What the configuration allows and announces; the same for all sessions of one listener.
package struct SessionPolicy: Sendable {
    /// How much protection a connection must have (RFC 4217).
    package enum Protection: String, Sendable, CaseIterable {
        case off, allow, require
    }

    package var controlProtection: Protection
    package var dataProtection: Protection
    /// PORT and EPRT are refused when false.
    package var allowsActive: Bool
    /// Name after 220, in STAT and HELP.
    package var greeting: String

    package init(
        controlProtection: Protection = .allow, dataProtection: Protection = .allow, allowsActive: Bool = true,
        greeting: String = "FFS ready."
    ) {
        self.controlProtection = controlProtection
        self.dataProtection = dataProtection
        self.allowsActive = allowsActive
        self.greeting = greeting
    }
}
