import ChangeFeed
import FFSModel
import Testing

/// A master database, some hosts and a bad network between them, in ticks. Whatever happens, no host uses what the master has
/// changed longer ago than the lease.
@Suite struct FeedSimulationTests {
    @Test(
        "changes, delays, losses, late fills, trimming: nothing older than the lease is used", arguments: [false, true])
    func nothingStaleIsUsed(restores: Bool) {
        for _ in 0..<150 {
            let seed = UInt64.random(in: 0...UInt64.max)
            var simulation = Simulation(seed: seed, restores: restores)
            simulation.run(ticks: 1_500)
            #expect(simulation.stale == [], "seed \(seed)")
            // It was about something: most uses are of what is held.
            #expect(simulation.uses > 100 && simulation.changes > 20, "seed \(seed)")
            if simulation.stale != [] { return }
        }
    }
}

private struct Simulation {
    static let lease: Int64 = 30
    static let longestDelay: Int64 = 9
    static let products = 0..<6

    struct Master {
        var values: [Int: Int] = [:]
        var rows: [FeedRow] = []
        var head = FeedPosition.empty
    }

    enum Message {
        case question(host: Int, FeedFollower.Question)
        case answer(host: Int, FeedAnswer, FeedFollower.Question)
        case fill(host: Int, product: Int, StaleFills.Ticket)
        case filled(host: Int, product: Int, value: Int?, FeedPosition, StaleFills.Ticket)
    }

    struct Host {
        var follower = FeedFollower(lease: Simulation.lease)
        var fills = StaleFills()
        var held: [Int: Int?] = [:]
        var nextQuestion: Int64 = 0
    }

    var random: Generator
    let restores: Bool
    var now: Int64 = 0
    var master = Master()
    var backup = Master()
    var hosts = [Host](repeating: Host(), count: 3)
    var acknowledged = [0, 0, 0]
    var network: [(at: Int64, Message)] = []
    /// When each value ended; those that stand are not in it.
    var ended: [Int: [Int?: Int64]] = [:]
    var lastValue = 0
    var stale: [String] = []
    var uses = 0
    var changes = 0

    init(seed: UInt64, restores: Bool) {
        random = Generator(state: seed)
        self.restores = restores
    }

    mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    mutating func send(_ message: Message) {
        if chance(12) { return }
        network.append((now + Int64.random(in: 1...Self.longestDelay, using: &random), message))
    }

    mutating func run(ticks: Int) {
        for _ in 0..<ticks {
            now += 1
            if chance(15) { change() }
            if restores, chance(60) { backup = master }
            if restores, chance(120) { restore() }
            if chance(20) { trim() }
            for host in hosts.indices {
                ask(host)
                for product in Self.products where chance(6) { use(product, host) }
            }
            let due = network.filter { $0.at <= now }
            network.removeAll { $0.at <= now }
            for (_, message) in due { deliver(message) }
        }
    }

    mutating func change() {
        changes += 1
        let product = Int.random(in: Self.products, using: &random)
        lastValue += 1
        ended[product, default: [:]][master.values[product]] = now
        master.values[product] = lastValue
        master.head = FeedPosition(number: master.head.number + 1, nonce: random.next())
        master.rows.append(
            FeedRow(position: master.head, entity: .product, operation: .update, keys: [.product: "\(product)"]))
    }

    mutating func restore() {
        for product in Self.products where master.values[product] != backup.values[product] {
            ended[product, default: [:]][master.values[product]] = now
            ended[product, default: [:]][backup.values[product]] = nil
        }
        master = backup
    }

    mutating func trim() {
        let floor = FeedTrim.floor(acknowledged: acknowledged, head: master.head.number)
        master.rows.removeAll { $0.position.number < floor }
    }

    /// A new question each few ticks, whatever became of the one before.
    mutating func ask(_ host: Int) {
        guard now >= hosts[host].nextQuestion else { return }
        hosts[host].nextQuestion = now + Int64.random(in: 2...10, using: &random)
        if let position = hosts[host].follower.position { acknowledged[host] = position.number }
        send(.question(host: host, hosts[host].follower.question(at: now)))
    }

    mutating func use(_ product: Int, _ host: Int) {
        guard let value = hosts[host].held[product], hosts[host].follower.holdsLease(at: now) else {
            // Nothing is loaded before the head is known.
            guard hosts[host].follower.position != nil, !hosts[host].follower.isResetting else { return }
            let key = FeedRow(
                position: .empty, entity: .product, operation: .update, keys: [.product: "\(product)"]
            ).key
            return send(.fill(host: host, product: product, hosts[host].fills.begin([key])))
        }
        uses += 1
        // A reply may have been under way while a backup took its place.
        let limit = Self.lease + (restores ? Self.longestDelay : 0)
        if let end = ended[product]?[value], now - end > limit {
            stale.append("host \(host) uses product \(product) \(now - end) ticks after its end, at \(now)")
        }
    }

    mutating func deliver(_ message: Message) {
        switch message {
        case .question(let host, let question):
            send(.answer(host: host, answer(question), question))
        case .answer(let host, let answer, let question):
            guard (try? hosts[host].follower.begin(answer, to: question)) != nil else { return }
            if answer.isReset {
                hosts[host].held = [:]
                hosts[host].fills.reset(to: answer.position)
            }
            for row in answer.rows {
                hosts[host].fills.applied(row)
                if let product = row[.product].flatMap({ Int($0) }) { hosts[host].held[product] = nil }
            }
            hosts[host].follower.applied(answer, to: question)
        case .fill(let host, let product, let ticket):
            send(.filled(host: host, product: product, value: master.values[product], master.head, ticket))
        case .filled(let host, let product, let value, let position, let ticket):
            guard hosts[host].fills.finish(ticket, snapshot: position) else { return }
            hosts[host].held[product] = .some(value)
            hosts[host].follower.filled(from: position)
        }
    }

    mutating func answer(_ question: FeedFollower.Question) -> FeedAnswer {
        func start(_ position: FeedPosition?) -> FeedStart {
            let nonce = master.rows.first { $0.position.number == position?.number }?.position.nonce
            return FeedStart(from: position, nonce: nonce, head: master.head)
        }
        var begin = start(question.after)
        for seen in question.seen { begin = begin.holding(start(seen)) }
        guard case .rows(let after) = begin else {
            return FeedAnswer(rows: [], position: master.head, isAtHead: true, isReset: true)
        }
        let behind = master.rows.filter { $0.position.number > after }
        let rows = Array(behind.prefix(Int.random(in: 1...3, using: &random)))
        return FeedAnswer(
            rows: rows, position: rows.last?.position ?? master.head, isAtHead: rows.count == behind.count)
    }
}
