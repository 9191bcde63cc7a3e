import FFSModel
import Requests
import Testing

@testable import FTPService

/// Which account a customer comes to.
@Suite struct AccountBookTests {
    private let hosts = FakeHosts()
    private let acme: CustomerName

    init() throws {
        acme = try CustomerName("acme")
        hosts.with { $0.grants = [.init(product: "kit")] }
    }

    private func account(_ book: AccountBook, from source: String = "192.0.2.1") async throws -> AccountID? {
        try await book.account(for: acme, source: source, trace: .random())
    }

    @Test("sixteen at once are one look, one order and one account; later ones get it, too")
    func together() async throws {
        let book = hosts.book()
        let accounts = try await withThrowingTaskGroup(of: AccountID?.self) { group in
            for number in 0..<16 { group.addTask { try await account(book, from: "192.0.2.\(number)") } }
            return try await group.reduce(into: Set<AccountID?>()) { $0.insert($1) }
        }
        #expect(accounts.count == 1 && accounts.first != AccountID?.none)
        #expect(hosts.with { $0.orders.count } == 1 && hosts.with { $0.creations.count } == 1)
        #expect(hosts.with { $0.lookups } == 1)
        #expect(try await account(book) == accounts.first)
        #expect(hosts.with { $0.creations.count } == 1)
        #expect(hosts.with { $0.creations[0].lifetime } == 1_000 && hosts.with { $0.creations[0].order } == 1)
    }

    @Test("the newest version of each product, no two in one folder")
    func newest() async throws {
        hosts.with {
            $0.grants = [
                .init(product: "kit", version: "9"), .init(product: "kit", version: "10"),
                .init(product: "a-b", version: "3"), .init(product: "a", version: "b-3"),
            ]
        }
        _ = try await account(hosts.book())
        #expect(hosts.with { $0.creations[0].items.map(\.folder) } == ["a-b-3", "kit-10"])
        #expect(hosts.with { $0.creations[0].items.first?.product.text } == "a-b")
    }

    @Test("another account once something changed: a version, an end, a policy, a revocation, half its life")
    func changes() async throws {
        let book = hosts.book()
        var seen: [AccountID?] = [try await account(book)]
        let changes: [(inout FakeHosts.State) -> Void] = [
            { $0.grants.append(.init(product: "extra")) }, { $0.grants[1].version = "2" },
            { $0.grants[0].policy = .cut }, { $0.grants[0].until = $0.now + 5_000 }, { $0.grants.removeLast() },
            { state in state.accounts.removeAll() }, { $0.now = $0.now + 501 },
        ]
        for (number, change) in changes.enumerated() {
            hosts.with(change)
            let next = try await account(book)
            #expect(next != nil && !seen.contains(next), "change \(number)")
            #expect(try await account(book) == next, "change \(number)")
            seen.append(next)
        }
        hosts.with { $0.now = $0.now + 400 }
        #expect(try await account(book) == seen.last)
    }

    @Test("no account outlives an entitlement, and none is made for nothing")
    func ends() async throws {
        let book = hosts.book()
        hosts.with { $0.grants[0].until = $0.now + 100 }
        let first = try await account(book)
        #expect(hosts.with { $0.creations[0].lifetime } == 100)
        // A fresh one would not live longer.
        hosts.with { $0.now = $0.now + 99 }
        #expect(try await account(book) == first)
        hosts.with { $0.now = $0.now + 1 }
        #expect(try await account(book) == nil)
        #expect(hosts.with { $0.creations.count } == 1)
    }

    @Test("an order limit counts accounts and not sign-ins; what was used up stays until its account ends")
    func orderLimits() async throws {
        let book = hosts.book()
        hosts.with { $0.grants.append(.init(product: "once", limit: 1)) }
        let first = try await account(book)
        #expect(try await account(book) == first)
        hosts.with { $0.grants.append(.init(product: "kit", version: "2")) }
        #expect(try await account(book) == first)
        hosts.with { $0.now = $0.now + 900 }
        #expect(try await account(book) == first)
        hosts.with { $0.now = $0.now + 101 }
        let second = try await account(book)
        #expect(second != nil && second != first)
        #expect(hosts.with { $0.creations.last?.items.map(\.folder) } == ["kit-2"])
    }

    @Test("a book that was lost finds the account by its ids; one that was ended is not given out again")
    func restart() async throws {
        let first = try await account(hosts.book())
        #expect(try await account(hosts.book()) == first)
        #expect(hosts.with { $0.orders.count } == 1 && hosts.with { $0.creations.count } == 1)
        hosts.with { $0.accounts.removeAll() }
        let second = try await account(hosts.book())
        #expect(second != nil && second != first)
        #expect(hosts.with { $0.orders.count } == 2)
    }

    @Test(
        "a book that was lost comes to the account that holds what cannot be ordered again; once that ended, to the rest"
    )
    func restartWithLimits() async throws {
        hosts.with { $0.grants.append(.init(product: "once", limit: 1)) }
        let first = try await account(hosts.book())
        hosts.with { $0.now = $0.now + 700 }
        #expect(try await account(hosts.book(), from: "203.0.113.9") == first)
        hosts.with { $0.accounts.removeAll() }
        let rest = try await account(hosts.book())
        #expect(rest != nil && rest != first)
        #expect(hosts.with { $0.creations.last?.items.map(\.folder) } == ["kit-1"])
    }

    @Test("a staging that failed costs no order: the next sign-in resumes it")
    func failedStaging() async throws {
        hosts.with {
            $0.grants = [.init(product: "once", limit: 1)]
            $0.stagingOutage = Failure(.noSpace, "full")
        }
        let book = hosts.book()
        await #expect(throws: Failure.self) { try await account(book) }
        hosts.with { $0.stagingOutage = nil }
        #expect(try await account(book, from: "203.0.113.9") != nil)
        #expect(hosts.with { $0.orders.count } == 1)
    }

    @Test("a book is bounded, and forgets nothing that matters")
    func capacity() async throws {
        let book = hosts.book(capacity: 4)
        var accounts: [String: AccountID] = [:]
        for number in 0..<12 {
            let name = try CustomerName("c\(number)")
            accounts[name.text] = try await book.account(for: name, source: "-", trace: .random())
        }
        #expect(Set(accounts.values).count == 12)
        let again = try await book.account(for: try CustomerName("c0"), source: "-", trace: .random())
        #expect(again == accounts["c0"])
    }
}
