import FFSModel

/// The source a sign-in comes from (``FFSModel/IPAddress/source``), as one key. What is no address (`-`, a name) stands
/// for itself.
package struct SourceKey: Sendable, Hashable {
    let bytes: [UInt8]

    package init(_ text: String) {
        let withoutZone = text.utf8.prefix { $0 != UInt8(ascii: "%") }
        bytes = IPAddress(text: withoutZone)?.source.bytes ?? Array(text.utf8)
    }
}
