internal import FFSModel

extension Element {
    /// The document's bytes: 7-bit, one line (every line break inside a value is escaped), canonical: equal
    /// elements give equal bytes. Text that is not UTF-8, or mostly not ASCII, goes as base64; an attribute's
    /// value that is not UTF-8 has U+FFFD where it is not, so put bytes of others' making into text.
    package func serialized() -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(256)
        append(to: &out)
        return out
    }

    private func append(to out: inout [UInt8]) {
        out.append(UInt8(ascii: "<"))
        out.append(contentsOf: name.utf8)
        for attribute in attributes { Self.append(attribute.name, attribute.value, to: &out) }
        guard !text.isEmpty || !children.isEmpty else {
            out.append(contentsOf: "/>".utf8)
            return
        }
        let escapes = text.count { !(0x20...0x7E).contains($0) }
        let encoded = escapes > text.count / 4 + 4 || escapes > 0 && String(validating: text, as: UTF8.self) == nil
        if encoded { Self.append("enc", Array("base64".utf8), to: &out) }
        out.append(UInt8(ascii: ">"))
        if encoded {
            out.append(contentsOf: Base64.encode(text))
        } else {
            Self.escape(text, to: &out)
        }
        for child in children { child.append(to: &out) }
        out.append(contentsOf: "</".utf8)
        out.append(contentsOf: name.utf8)
        out.append(UInt8(ascii: ">"))
    }

    private static func append(_ name: String, _ value: [UInt8], to out: inout [UInt8]) {
        out.append(UInt8(ascii: " "))
        out.append(contentsOf: name.utf8)
        out.append(contentsOf: "=\"".utf8)
        escape(value, to: &out)
        out.append(UInt8(ascii: "\""))
    }

    private static func escape(_ text: [UInt8], to out: inout [UInt8]) {
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            switch scalar {
            case "&": out.append(contentsOf: "&amp;".utf8)
            case "<": out.append(contentsOf: "&lt;".utf8)
            case ">": out.append(contentsOf: "&gt;".utf8)
            case "\"": out.append(contentsOf: "&quot;".utf8)
            case " "..."~": out.append(UInt8(scalar.value))
            default:
                out.append(contentsOf: "&#x".utf8)
                out.append(contentsOf: String(scalar.value, radix: 16, uppercase: true).utf8)
                out.append(UInt8(ascii: ";"))
            }
        }
    }
}
