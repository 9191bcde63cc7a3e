import Crypto
import FFSModel

/// Why bytes are not a key bag.
package struct KeyBagError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Reason: Sendable, Hashable {
        case notAKeyBag
        case badID
        case badLink
        case badNode
        case badCreated
        case badCount
        case evenCount(Int)
        case countOutOfBounds(Int)
        case badEntry
        case badParity
        case weakKey
        case badTrailer
        case digestMismatch
        case trailingBytes
    }

    package let reason: Reason
    /// 1-based line of the file.
    package let line: Int

    init(_ reason: Reason, line: Int) {
        self.reason = reason
        self.line = line
    }

    package var description: String { "\(reason) (line \(line))" }
}

extension KeyBagError.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notAKeyBag: "the file does not begin with \"ffs-keybag 1\": it is not a key bag of this version"
        case .badID: "the id is not 16 lower-case hexadecimal digits"
        case .badLink: "the link is not a name such as web-internal"
        case .badNode: "the node is not the name of a host such as storage-1"
        case .badCreated: "the creation time is not of the form 2026-11-21T00:00:00Z"
        case .badCount: "the number of keys is not a decimal number"
        case .evenCount(let count):
            "the number of keys, \(count), is even: clients come from even ports, so half the bag would go unused; "
                + "generate a bag with an odd number"
        case .countOutOfBounds(let count):
            "the number of keys, \(count), is not from \(KeyBag.counts.lowerBound) to \(KeyBag.counts.upperBound)"
        case .badEntry: "the entry is not \"<index> <16 hex digits> <64 hex digits>\", or out of order"
        case .badParity: "the DES key does not have odd parity"
        case .weakKey: "the DES key is weak or semi-weak"
        case .badTrailer: "the sha256 line is missing or malformed: the file is cut short"
        case .digestMismatch: "the sha256 line does not match the file: it was changed or damaged; copy it again"
        case .trailingBytes: "bytes follow the sha256 line"
        }
    }
}

extension KeyBag {
    /// Reads a bag's file: exactly the form that ``serialized()`` gives, nothing else.
    package static func parse(_ bytes: [UInt8]) throws(KeyBagError) -> KeyBag {
        var reader = KeyBagReader(bytes)
        guard reader.line()?.elementsEqual("ffs-keybag 1".utf8) == true else { throw reader.failure(.notAKeyBag) }
        guard let id = reader.field("id").flatMap(BagID.init(hex:)) else { throw reader.failure(.badID) }
        guard let link = reader.field("link").map(Array.init), isLinkName(link) else { throw reader.failure(.badLink) }
        var node: NodeName?
        if let name = reader.optionalField("node") {
            guard let owner = try? NodeName(bytes: name) else { throw reader.failure(.badNode) }
            node = owner
        }
        guard let created = reader.field("created").flatMap({ Timestamp(String(decoding: $0, as: UTF8.self)) }) else {
            throw reader.failure(.badCreated)
        }
        guard let count = reader.field("keys").flatMap(KeyBagReader.decimal) else { throw reader.failure(.badCount) }
        guard !count.isMultiple(of: 2) else { throw reader.failure(.evenCount(count)) }
        guard counts.contains(count) else { throw reader.failure(.countOutOfBounds(count)) }
        var material: [UInt8] = []
        material.reserveCapacity(count * entrySize)
        for index in 0..<count { try reader.entry(index, into: &material) }
        try reader.trailer()
        return KeyBag(
            id: id, link: String(decoding: link, as: UTF8.self), node: node, created: created, material: material)
    }
}

extension KeyBag {
    /// Reads a file that carries bags to another host: one behind the other, each in its own form.
    package static func parseAll(_ bytes: [UInt8]) throws(KeyBagError) -> [KeyBag] {
        let head = Array("ffs-keybag ".utf8)
        var starts = [0]
        for index in bytes.indices.dropFirst()
        where bytes[index - 1] == UInt8(ascii: "\n") && bytes[index...].starts(with: head) { starts.append(index) }
        var bags: [KeyBag] = []
        for (start, end) in zip(starts, starts.dropFirst() + [bytes.count]) {
            bags.append(try parse(Array(bytes[start..<end])))
        }
        return bags
    }
}

private struct KeyBagReader {
    private let bytes: [UInt8]
    private var position = 0
    private var lineNumber = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func failure(_ reason: KeyBagError.Reason) -> KeyBagError { KeyBagError(reason, line: max(1, lineNumber)) }

    /// The next line without its LF; nil at the end or when the LF is missing.
    mutating func line() -> ArraySlice<UInt8>? {
        lineNumber += 1
        guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { position = end + 1 }
        return bytes[position..<end]
    }

    /// What follows `name` and one space.
    mutating func field(_ name: String) -> ArraySlice<UInt8>? {
        guard let line = line(), line.starts(with: "\(name) ".utf8) else { return nil }
        return line.dropFirst(name.utf8.count + 1)
    }

    /// The same if the next line is that field; nil, and nothing read, if it is another.
    mutating func optionalField(_ name: String) -> ArraySlice<UInt8>? {
        bytes[position...].starts(with: "\(name) ".utf8) ? field(name) : nil
    }

    mutating func entry(_ index: Int, into material: inout [UInt8]) throws(KeyBagError) {
        guard let line = line() else { throw failure(.badTrailer) }
        let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard fields.count == 3, fields[0].elementsEqual("\(index)".utf8),
            fields[1].count == 16, let key = Hex.decode(fields[1]),
            fields[2].count == 64, let psk = Hex.decode(fields[2])
        else { throw failure(.badEntry) }
        guard key.allSatisfy({ !$0.nonzeroBitCount.isMultiple(of: 2) }) else { throw failure(.badParity) }
        guard DESKey(bits: key.reduce(0) { $0 << 8 | UInt64($1) }) != nil else { throw failure(.weakKey) }
        material.append(contentsOf: key)
        material.append(contentsOf: psk)
    }

    mutating func trailer() throws(KeyBagError) {
        let end = position
        guard let text = field("sha256"), text.count == 64, let digest = Hex.decode(text) else {
            throw failure(.badTrailer)
        }
        guard SHA256.hash(data: bytes[..<end]).elementsEqual(digest) else { throw failure(.digestMismatch) }
        guard position == bytes.count else { throw failure(.trailingBytes) }
    }

    static func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
        guard (1...7).contains(digits.count), digits.first != UInt8(ascii: "0"),
            digits.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return Int(String(decoding: digits, as: UTF8.self))
    }
}
