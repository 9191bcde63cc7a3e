import DequeModule

/// A queue that takes turns: in every round each source has one element taken, in order of arrival, however many it has
/// waiting. Who floods it waits behind themselves.
package struct FairQueue<Source: Hashable, Element> {
    private var waiting: [Source: Deque<Element>] = [:]
    /// Every source that has something waiting, once; the next to be served first.
    private var turns: Deque<Source> = []
    package private(set) var count = 0

    package init() {}

    package var isEmpty: Bool { count == 0 }

    /// How many wait of one source.
    package func count(of source: Source) -> Int { waiting[source]?.count ?? 0 }

    package mutating func append(_ element: Element, of source: Source) {
        if waiting[source] == nil { turns.append(source) }
        waiting[source, default: []].append(element)
        count += 1
    }

    /// Whose turn it is.
    package mutating func popFirst() -> Element? {
        guard let source = turns.popFirst(), let element = waiting[source]?.popFirst() else { return nil }
        count -= 1
        if waiting[source]?.isEmpty == true { waiting[source] = nil } else { turns.append(source) }
        return element
    }

    /// Takes out what `isMeant`.
    package mutating func removeAll(where isMeant: (Element) -> Bool) -> [Element] {
        var out: [Element] = []
        for source in turns {
            out += waiting[source]?.filter(isMeant) ?? []
            waiting[source]?.removeAll(where: isMeant)
            if waiting[source]?.isEmpty == true { waiting[source] = nil }
        }
        turns.removeAll { waiting[$0] == nil }
        count -= out.count
        return out
    }
}

extension FairQueue: Sendable where Source: Sendable, Element: Sendable {}
