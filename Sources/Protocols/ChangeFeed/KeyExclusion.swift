/// Lets one at a time work on a key: who publishes what depends on it, and who applies a change of it. All of a worker's keys
/// are taken at once and in turn, so nobody waits for ever and no two wait for each other.
package struct KeyExclusion<Key: Hashable & Sendable>: Sendable {
    package struct Ticket: Sendable, Hashable { fileprivate let number: UInt64 }

    private var last: UInt64 = 0
    private var keys: [Ticket: Set<Key>] = [:]
    /// By key: who has it, then who waits for it, in order of arrival.
    private var queues: [Key: [Ticket]] = [:]

    package init() {}

    /// Those inside, and those that wait.
    package var count: Int { keys.count }

    /// Queues for `wanted`; whether the caller may begin now. Else its ticket comes out of a later ``leave(_:)``.
    package mutating func enter(_ wanted: Set<Key>) -> (ticket: Ticket, mayBegin: Bool) {
        last += 1
        let ticket = Ticket(number: last)
        keys[ticket] = wanted
        for key in wanted { queues[key, default: []].append(ticket) }
        return (ticket, isFirst(ticket))
    }

    /// Ends the work, or the wait; returns who may begin now.
    package mutating func leave(_ ticket: Ticket) -> [Ticket] {
        guard let left = keys.removeValue(forKey: ticket) else { return [] }
        var freed: Set<Ticket> = []
        for key in left {
            guard var queue = queues[key] else { continue }
            let wasFirst = queue.first == ticket
            queue.removeAll { $0 == ticket }
            queues[key] = queue.isEmpty ? nil : queue
            if wasFirst, let next = queue.first { freed.insert(next) }
        }
        return freed.filter(isFirst).sorted { $0.number < $1.number }
    }

    private func isFirst(_ ticket: Ticket) -> Bool {
        keys[ticket]?.allSatisfy { queues[$0]?.first == ticket } ?? false
    }
}
