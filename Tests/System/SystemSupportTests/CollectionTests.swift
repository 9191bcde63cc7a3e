import Testing

@testable import SystemSupport

@Suite struct CollectionTests {
    @Test func aFullMapDropsItsOldestQuarter() {
        var map = BoundedMap<Int, String>(capacity: 8) { $0 == "pinned" }
        map[0] = "pinned"
        for key in 1...7 { map[key] = "x" }
        map[1] = "again"
        map[8] = "x"
        // 0 is pinned and 1 was set again: 2 and 3 are the oldest.
        #expect((0...8).filter { map[$0] != nil } == [0, 1, 4, 5, 6, 7, 8])
        #expect(map[1] == "again" && map.count == 7)
        map[4] = nil
        map.change(where: { $0 > 6 }) { _ in nil }
        map.change(where: { $0 == 5 }) { $0 + "y" }
        #expect(map[5] == "xy" && map.count == 4)
        for key in 100..<1_000 {
            map[key] = "x"
            #expect(map.count <= 8)
        }
        #expect(map[0] == "pinned" && map[999] == "x")
    }

    @Test func sourcesTakeTurnsInAFairQueue() {
        var queue = FairQueue<String, Int>()
        for number in 0..<4 { queue.append(number, of: "greedy") }
        queue.append(10, of: "late")
        queue.append(20, of: "last")
        #expect(queue.count == 6 && queue.count(of: "greedy") == 4)
        #expect(queue.removeAll { $0 == 2 } == [2])
        var order: [Int] = []
        while let next = queue.popFirst() {
            order.append(next)
            if next == 10 { queue.append(11, of: "late") }
        }
        #expect(order == [0, 10, 20, 1, 11, 3])
        #expect(queue.isEmpty && queue.count(of: "greedy") == 0)
    }
}
