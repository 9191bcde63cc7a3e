/// Facts of MLST and MLSD (RFC 3659 §7). No `unique`: inode numbers are shared between accounts and would show which
/// of them hold the same content.
package enum Fact: String, Sendable, CaseIterable {
    case type, size, modify, perm
    case unixMode = "unix.mode"
    case mediaType = "media-type"
    /// The SHA-256 known since publication (draft-bryan-ftpext-hash names the fact after its command).
    case digest = "x.hash"
}

/// Which facts OPTS MLST selected, in their fixed order.
package struct FactSelection: Sendable, Hashable {
    package private(set) var facts: [Fact]

    package static let `default` = FactSelection(facts: [.type, .size, .modify, .perm, .unixMode])

    private init(facts: [Fact]) { self.facts = facts }

    /// `type;size;`: unknown names are ignored, an empty list selects none (RFC 3659 §7.9). nil when a name lacks its
    /// semicolon, is empty, or holds a blank.
    package init?(list: String) {
        var names = list.utf8.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
        guard names.popLast()?.isEmpty == true,
            names.allSatisfy({ !$0.isEmpty && !$0.contains(UInt8(ascii: " ")) })
        else { return nil }
        let wanted = Set(names.map { String(decoding: $0, as: UTF8.self).lowercased() })
        facts = Fact.allCases.filter { wanted.contains($0.rawValue) }
    }

    package func contains(_ fact: Fact) -> Bool { facts.contains(fact) }

    /// `MLST type*;size*;…`: stars mark those selected.
    package var featureLine: String {
        "MLST " + Fact.allCases.map { $0.rawValue + (contains($0) ? "*;" : ";") }.joined()
    }

    package var optsText: String { facts.map { $0.rawValue + ";" }.joined() }
}
