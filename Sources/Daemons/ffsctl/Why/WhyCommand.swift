import ArgumentParser
import Clients
import FFSModel
import Repository
import Requests
import SystemSupport

/// `ffsctl why`: whether a customer can have something now, and why not.
struct WhyCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Say why a customer can, or cannot, have a product now.",
        discussion: """
            On the internal host: the decision that ffsauthd would take, step by step. A storage host adds whether it \
            holds the version. Ends with 0 for yes and 1 for no.
            """)

    @Argument(help: "The customer's name.", transform: parsedName) var customer: CustomerName
    @Argument(help: "The product's name.", transform: parsedName) var product: ProductName
    @Argument(help: "The version; the newest without.", transform: parsedName) var version: VersionName?
    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        let facts = try await facts(session)
        let orders = try await attempts(session, facts)
        let answer = facts.answer
        if session.output.json {
            session.output.record([
                .init("answer", .text(answer.isYes ? "yes" : "no")), .init("sentence", .text(answer.sentence)),
                .init(
                    "reasons",
                    .list(
                        facts.reasons.map {
                            .record([
                                .init("verdict", .text($0.verdict.rawValue)), .init("sentence", .text($0.sentence)),
                            ])
                        })),
                .init("orders", .list(orders.map { $0.summary(json: true) })),
            ])
        } else {
            session.output.line(session.output.bold(printable(answer.sentence.utf8)))
            for reason in facts.reasons { session.output.line("  " + printable(reason.sentence.utf8)) }
            for order in orders {
                session.output.line("  Order \(order.order) of \(order.placed) had it; its trace is \(order.trace).")
            }
        }
        if !answer.isYes { throw ExitCode(1) }
    }

    private func facts(_ session: Session) async throws -> WhyFacts {
        var facts = WhyFacts(customer: customer, product: product, version: version, now: SystemClock.now())
        facts.record = try await found { try await session.auth.rows(of: CustomerList(customer: customer)).first }
        facts.versions = try await found { try await session.auth.rows(of: ProductList(product: product)) } ?? []
        if facts.record != nil, !facts.versions.isEmpty {
            facts.grants = try await session.auth.rows(
                of: EntitlementList(customer: customer, product: product, all: true, limit: 500))
        }
        guard let item = facts.meant?.item else { return facts }
        facts.isHere = try isHere(item, session)
        facts.accounts = try? await accounts(holding: item, session)
        return facts
    }

    /// nil where ffsauthd knows no such thing.
    private func found<Value>(_ body: () async throws -> Value?) async throws -> Value? {
        do { return try await body() } catch let failure as Failure where failure.code == .notFound { return nil }
    }

    /// nil where there is no repository that this user may look at.
    private func isHere(_ item: Item, _ session: Session) throws -> Bool? {
        guard let repository = try? session.repository() else { return nil }
        return try found { try repository.summary(of: item) } != nil
    }

    private func found<Value>(_ body: () throws -> Value) throws -> Value? {
        do { return try body() } catch let failure as Failure where failure.code == .notFound { return nil }
    }

    private func accounts(holding item: Item, _ session: Session) async throws -> [StageList.Row] {
        var found: [StageList.Row] = []
        var last: StageList.Place?
        repeat {
            let page = try await session.staging.list(customer: customer, after: last, limit: 500)
            found += page.rows.filter { $0.items.contains(item) }
            last = page.more ? page.rows.last.map { StageList.Place($0) } : nil
        } while last != nil && found.count < 10
        return found
    }

    /// The latest orders that had the version.
    private func attempts(_ session: Session, _ facts: WhyFacts) async throws -> [OrderRecord] {
        guard facts.record != nil, let item = facts.meant?.item else { return [] }
        return try await session.auth.rows(of: OrderList(customer: customer, limit: 100), limit: 100)
            .filter { $0.items.contains(item) }.prefix(3) + []
    }
}
