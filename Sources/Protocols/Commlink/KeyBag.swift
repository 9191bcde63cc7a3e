import Crypto
package import FFSModel

/// Names a key bag: 64 bits, written as 16 hexadecimal digits.
package struct BagID: Sendable, Hashable, CustomStringConvertible {
    package let bits: UInt64

    package init(bits: UInt64) { self.bits = bits }

    /// nil unless `hex` is 16 lower-case hexadecimal digits.
    package init?(hex: some Collection<UInt8>) {
        guard hex.count == 16, let bytes = Hex.decode(hex) else { return nil }
        bits = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Ids that begin with `00000000` mark bags for tests, whose keys are published.
    package var isTest: Bool { bits >> 32 == 0 }

    package var description: String {
        Hex.string((0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * $0)) })
    }
}

/// The keys of one link: N entries of a DES key and a PSK, of which a connection uses entry `port mod N`.
package final class KeyBag: Sendable {
    /// The keys of the connections whose port leaves this remainder.
    package struct Entry: Sendable {
        package let index: Int
        package let key: DESKey
        /// 32 bytes; whoever asked for the entry wipes them after the handshake.
        package internal(set) var psk: [UInt8]
    }

    package let id: BagID
    /// The pair of hosts it joins, such as `web-internal`.
    package let link: String
    /// The host at one of its ends whose own bag it is; nil for one that all hosts of the link share.
    package let node: NodeName?
    package let created: Timestamp
    /// N, odd: connect(2) on Linux picks even ports, so an even N would leave half the bag unused.
    package let count: Int
    /// 40 bytes an entry, in one allocation so that its pages can be locked.
    private let material: [UInt8]

    static let entrySize = 40
    /// N by default, and its bounds.
    package static let defaultCount = 127
    package static let counts = 31...65_535

    init(id: BagID, link: String, node: NodeName?, created: Timestamp, material: [UInt8]) {
        self.id = id
        self.link = link
        self.node = node
        self.created = created
        self.material = material
        count = material.count / Self.entrySize
    }

    /// The entry for a connection from `port`.
    package func entry(forPort port: UInt16) -> Entry { entry(Int(port) % count) }

    private func entry(_ index: Int) -> Entry {
        let start = index * Self.entrySize
        let bits = material[start..<(start + 8)].reduce(0) { $0 << 8 | UInt64($1) }
        guard let key = DESKey(bits: bits) else { preconditionFailure("a bag holds checked keys only") }
        return Entry(index: index, key: key, psk: Array(material[(start + 8)..<(start + Self.entrySize)]))
    }

    /// A fresh bag. Throws a ``KeyBagError`` when `count` is even or out of bounds or `link` is not a name.
    package static func generate(
        link: String, node: NodeName? = nil, count: Int = defaultCount, created: Timestamp,
        random: inout some RandomNumberGenerator
    ) throws(KeyBagError) -> KeyBag {
        guard counts.contains(count) else { throw KeyBagError(.countOutOfBounds(count), line: 5) }
        guard !count.isMultiple(of: 2) else { throw KeyBagError(.evenCount(count), line: 5) }
        guard isLinkName(Array(link.utf8)) else { throw KeyBagError(.badLink, line: 3) }
        var id = BagID(bits: random.next())
        while id.isTest { id = BagID(bits: random.next()) }
        var material: [UInt8] = []
        material.reserveCapacity(count * entrySize)
        while material.count < count * entrySize {
            guard let key = DESKey(random: random.next()) else { continue }
            material.append(contentsOf: (0..<8).map { UInt8(truncatingIfNeeded: key.bits >> (56 - 8 * $0)) })
            material.append(contentsOf: randomBytes(32, &random))
        }
        return KeyBag(id: id, link: link, node: node, created: created, material: material)
    }

    /// `[a-z][a-z0-9-]*`, at most 64 bytes.
    static func isLinkName(_ bytes: [UInt8]) -> Bool {
        guard let first = bytes.first, (0x61...0x7A).contains(first), bytes.count <= 64 else { return false }
        return bytes.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") }
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the bag's file: to compare two hosts' copies
    /// without showing a key.
    package var fingerprint: String { Hex.string(SHA256.hash(data: serialized()).prefix(8)) }

    /// For locking the pages that hold the keys; the address does not change while the bag lives.
    package func withKeyMaterial<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { material.withUnsafeBytes(body) }

    /// The bag's file (ffs-keybag(5)).
    package func serialized() -> [UInt8] {
        let owner = node.map { "node \($0)\n" } ?? ""
        var text = Array("ffs-keybag 1\nid \(id)\nlink \(link)\n\(owner)created \(created)\nkeys \(count)\n".utf8)
        text.reserveCapacity(text.count + count * 90 + 80)
        for index in 0..<count {
            let start = index * Self.entrySize
            text.append(contentsOf: "\(index) ".utf8)
            text.append(contentsOf: Hex.encode(material[start..<(start + 8)]))
            text.append(UInt8(ascii: " "))
            text.append(contentsOf: Hex.encode(material[(start + 8)..<(start + Self.entrySize)]))
            text.append(UInt8(ascii: "\n"))
        }
        let digest = Hex.string(SHA256.hash(data: text))
        text.append(contentsOf: "sha256 \(digest)\n".utf8)
        return text
    }
}

/// The bags of one link at one moment. A server accepts all of them, a client offers `current` alone.
package struct KeyRing: Sendable {
    /// nil at a server that has bags of single hosts only.
    package let current: KeyBag?
    /// What was current before, and until when it is accepted.
    package let previous: (bag: KeyBag, until: Timestamp)?
    /// What will be current: accepted, not yet offered.
    package let next: KeyBag?
    /// What single hosts offer.
    private var ofNodes: [BagID: (bag: KeyBag, until: Timestamp?)] = [:]

    package init(current: KeyBag?, previous: (bag: KeyBag, until: Timestamp)? = nil, next: KeyBag? = nil) {
        self.current = current
        self.previous = previous
        self.next = next
    }

    /// Whether nothing is accepted.
    package var isEmpty: Bool { current == nil && ofNodes.isEmpty }

    /// The same, and the bags of single hosts besides.
    package func accepting(_ rings: some Sequence<KeyRing>) -> KeyRing {
        var all = self
        for ring in rings {
            for bag in [ring.current, ring.next].compactMap(\.self) { all.ofNodes[bag.id] = (bag, nil) }
            if let (bag, until) = ring.previous { all.ofNodes[bag.id] = (bag, until) }
        }
        return all
    }

    /// The live bag called `id`. `now`: seconds since 1970.
    package func bag(_ id: BagID, now: Int64) -> KeyBag? {
        if let current, current.id == id { return current }
        if let next, next.id == id { return next }
        if let previous, previous.bag.id == id, now < previous.until.seconds { return previous.bag }
        guard let (bag, until) = ofNodes[id], until.map({ now < $0.seconds }) ?? true else { return nil }
        return bag
    }
}
