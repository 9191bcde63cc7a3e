import FFSModel

/// A C2SP signed note: lines of text, an empty line, signatures.
package struct SignedNote: Sendable, Hashable {
    package struct Signature: Sendable, Hashable {
        package let name: String
        /// The id of the key, before the signature itself.
        package let keyID: UInt32
        package let bytes: [UInt8]

        package init(name: String, keyID: UInt32, bytes: [UInt8]) {
            self.name = name
            self.keyID = keyID
            self.bytes = bytes
        }

        /// `— name base64`, with the line's end.
        package var line: [UInt8] {
            var text = SignedNote.dash
            text += name.utf8
            text.append(UInt8(ascii: " "))
            let id = (0..<4).map { UInt8(truncatingIfNeeded: keyID >> (24 - 8 * $0)) }
            text += Base64.encode(id + bytes)
            text.append(UInt8(ascii: "\n"))
            return text
        }

        /// Throws `note` for a line (without its end) that is no signature.
        package init(line: some RandomAccessCollection<UInt8>) throws(TransparencyError) {
            let words = line.dropFirst(SignedNote.dash.count)
                .split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard line.starts(with: SignedNote.dash), words.count == 2,
                let name = String(validating: words[0], as: UTF8.self), SignedNote.isName(name),
                let blob = Base64.decode(Array(words[1])), blob.count > 4
            else { throw .note }
            self.init(
                name: name, keyID: blob.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }, bytes: Array(blob.dropFirst(4)))
        }
    }

    /// Ends with a line's end; what is signed.
    package let text: [UInt8]
    package var signatures: [Signature]

    /// Bytes and signatures that a note may have.
    package static let longest = 65_536
    package static let mostSignatures = 100
    /// An em dash and a blank.
    static let dash: [UInt8] = [0xE2, 0x80, 0x94, 0x20]

    package init(text: [UInt8], signatures: [Signature] = []) {
        self.text = text
        self.signatures = signatures
    }

    /// Throws `note` for anything else than ``bytes`` would have made.
    package init(bytes: [UInt8]) throws(TransparencyError) {
        let end = UInt8(ascii: "\n")
        guard bytes.count <= Self.longest, bytes.last == end,
            let gap = bytes.indices.dropFirst().last(where: { bytes[$0] == end && bytes[$0 - 1] == end }),
            bytes.allSatisfy({ $0 >= 0x20 || $0 == end }), String(validating: bytes, as: UTF8.self) != nil
        else { throw .note }
        text = Array(bytes[..<gap])
        let lines = bytes[(gap + 1)...].split(separator: end)
        guard (1...Self.mostSignatures).contains(lines.count) else { throw .note }
        signatures = []
        for line in lines { signatures.append(try Signature(line: line)) }
    }

    package var bytes: [UInt8] { signatures.reduce(text + [UInt8(ascii: "\n")]) { $0 + $1.line } }

    /// A key's name: not empty, without blanks and plus signs.
    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 255
            && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "+") }
    }
}
