import Clients
import ConfigurationSchema
import DaemonKit
import FFSModel
import FoundationEssentials
import Repository
import Requests
import SystemSupport

/// One delivery, step by step. The content is always the same, so that repetitions add nothing to the repository.
final class SmokeRun {
    struct Step {
        enum Result: String { case ok, skipped, error }
        let name: String
        let result: Result
        /// nil for what was not tried.
        let milliseconds: Int?
        let text: String
    }

    /// What was made and has to go again.
    private struct Made {
        var folder: String?
        var isPublished = false
        var isRegistered = false
        var hasCustomer = false
        var account: AccountID?
    }

    private let session: Session
    private let roles: Set<Role>
    private let client: SmokeClient
    private var made = Made()
    private(set) var steps: [Step] = []

    init(_ session: Session, roles: Set<Role>) {
        self.session = session
        self.roles = roles
        client = SmokeClient(configuration: session.configuration)
    }

    private static let name = "ffs-smoke"
    private var item: Item { get throws { Item(product: try ProductName(Self.name), version: try VersionName("1")) } }
    private var customer: CustomerName { get throws { try CustomerName(Self.name) } }

    /// Paths and contents: an empty file, a name that needs quoting everywhere, and one of more than one buffer.
    private static let files: [(path: String, content: [UInt8])] = [
        ("empty", []), ("Größe & Maß.txt", Array("delivered\n".utf8)),
        ("data/block.bin", (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }),
    ]

    /// Throws what failed, with the step's name in front.
    func deliver() async throws(Failure) {
        let password = PasswordOptions.random()
        if roles.contains(.storage) { try await step("publish") { try self.publish() } }
        if roles.isSuperset(of: [.storage, .internal]) {
            try await step("register") { try await self.register() }
        }
        if roles.contains(.internal) {
            try await step("customer") { try await self.addCustomer(password) }
        }
        if roles.isSuperset(of: [.storage, .internal]) { try await step("entitle") { try await self.entitle() } }
        var account: SmokeClient.Account?
        let closed = roles.contains(.web) ? client.webIsClosed : nil
        if let closed { skip("web front", closed) }
        if roles.isSuperset(of: [.web, .internal, .storage]), closed == nil {
            try await step("sign in") { try await self.client.signIn(customer: Self.name, password: password) }
            try await step("stage") {
                account = try await self.client.stage(product: Self.name, version: "1")
                return try self.keep(account)
            }
        } else {
            if roles.contains(.web), closed == nil { try await step("sign-in page") { try await self.client.page() } }
            if roles.contains(.internal) { try await step("sign in") { try await self.login(password) } }
            if roles.contains(.storage) {
                try await step("stage") {
                    account = try await self.create()
                    return try self.keep(account)
                }
            }
            if roles.count < Role.allCases.count {
                skip("the whole way", "this host is \(roles.map(\.rawValue).sorted().joined(separator: " and ")) only")
            }
        }
        guard let account else { return }
        for way in client.ways {
            guard let why = way.closed else {
                try await step("fetch \(way.name)") { try await self.fetch(account, way) }
                continue
            }
            skip("fetch \(way.name)", why)
        }
    }

    // MARK: Steps

    private func step(_ name: String, _ body: () async throws -> String) async throws(Failure) {
        let start = SystemClock.monotonic()
        func add(_ result: Step.Result, _ text: String) {
            let milliseconds = Int((SystemClock.monotonic() - start) / 1_000_000)
            steps.append(Step(name: name, result: result, milliseconds: milliseconds, text: text))
        }
        do { add(.ok, try await body()) } catch {
            let failure = error as? Failure ?? Failure(.internal, "\(error)")
            add(.error, failure.text)
            throw Failure(failure.code, "step \"\(name)\": \(failure.text)", cause: failure.cause)
        }
    }

    private func skip(_ name: String, _ why: String) {
        steps.append(Step(name: name, result: .skipped, milliseconds: nil, text: why))
    }

    private func publish() throws -> String {
        let folder =
            "\(ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp")/ffs-smoke-\(Hex.string(randomBytes(8)))"
        let files = FileManager.default
        try files.createDirectory(atPath: "\(folder)/data", withIntermediateDirectories: true)
        made.folder = folder
        for (path, content) in Self.files {
            let file = try Descriptor.open(
                CPath("\(folder)/\(path)"), [.write, .create, .exclusive], permissions: 0o644)
            try file.write(content)
            try file.close()
        }
        let repository = try session.repository()
        made.isPublished = true
        let version = try repository.publish(SourceTree(path: folder), as: item, replacing: true)
        published = version
        return "\(counted(version.fileCount, "file")), \(humanBytes(version.bytes))"
    }

    private var published: PublishedVersion?

    private func register() async throws -> String {
        guard let published else { throw Failure(.internal, "nothing was published") }
        made.isRegistered = true
        let item = try item
        let reply = try await session.auth.send(
            ContentRegister(
                product: item.product, version: item.version, title: "FFS smoke test",
                summary: "Made and withdrawn by ffsctl smoke.", manifest: published.manifest, size: published.bytes,
                files: published.fileCount, replace: true))
        return reply.outcome.rawValue
    }

    private func addCustomer(_ password: String) async throws -> String {
        // One that an interrupted run left.
        do { _ = try await session.auth.send(CustomerDelete(customer: customer)) } catch {
            guard (error as? Failure)?.code == .notFound else { throw error }
        }
        made.hasCustomer = true
        _ = try await session.auth.send(
            CustomerCreate(
                customer: customer, displayName: "FFS smoke test", expires: SystemClock.now() + 3_600,
                password: Array(password.utf8)))
        return Self.name
    }

    private func entitle() async throws -> String {
        let item = try item
        let record = try await session.auth.send(
            EntitlementGrant(
                customer: customer, product: item.product, version: item.version, until: SystemClock.now() + 3_600))
        return "entitlement \(record.id)"
    }

    private func login(_ password: String) async throws -> String {
        let reply = try await session.auth.login(customer: customer, password: Array(password.utf8), source: "-")
        return "as \(reply.customer), past the web front"
    }

    private func create() async throws -> SmokeClient.Account {
        let made = try await session.staging.create(
            StageCreate(customer: customer, items: [try item], lifetime: 600, policy: .cut), id: .random())
        return SmokeClient.Account(
            account: made.account.text, password: made.password ?? "",
            files: made.files.map { .init(path: "\($0.path)") })
    }

    private func keep(_ account: SmokeClient.Account?) throws -> String {
        guard let account else { throw Failure(.internal, "there is no account") }
        made.account = try AccountID(account.account)
        return "account \(account.account), \(counted(account.files.count, "file"))"
    }

    private func fetch(_ account: SmokeClient.Account, _ way: SmokeClient.Way) async throws -> String {
        var bytes = 0
        for (path, content) in Self.files {
            guard let file = account.files.first(where: { $0.path.utf8.reversed().starts(with: path.utf8.reversed()) })
            else { throw Failure(.corrupt, "the account lacks \(path)") }
            let got = try await client.fetch(file.path, of: account, way)
            guard got == content else {
                throw Failure(
                    .corrupt, "\(path) arrived with \(got.count) bytes that are not the \(content.count) published")
            }
            bytes += got.count
        }
        return "\(counted(Self.files.count, "file")), \(humanBytes(bytes)), every byte as published"
    }

    // MARK: Afterwards

    /// What a run leaves behind for the next one.
    private var left: String {
        guard made.isPublished else { return "nothing is left" }
        let content = "1 MiB of content in the repository"
        return made.isRegistered
            ? "product \(Self.name) without versions, which no customer sees, and \(content) stay for the next run"
            : "\(content) stays for the next run"
    }

    /// Takes everything away that was made, whatever became of the rest; the first failure, which names what stays.
    func cleanUp() async -> Failure? {
        var failure: Failure?
        func take(_ what: String, _ body: () async throws -> Void) async {
            do { try await body() } catch {
                let known = error as? Failure ?? Failure(.internal, "\(error)")
                guard known.code != .notFound && known.code != .gone else { return }
                failure =
                    failure
                    ?? Failure(known.code, "step \"clean up\": \(what) stays: \(known.text)", cause: known.cause)
            }
        }
        let start = SystemClock.monotonic()
        if let account = made.account {
            await take("account \(account)") { try await session.staging.revoke(account, policy: .cut) }
        }
        if made.hasCustomer {
            await take("customer \(Self.name)") {
                _ = try await session.auth.send(CustomerDelete(customer: try customer))
            }
        }
        if made.isRegistered {
            await take("product \(Self.name)") {
                _ = try await session.auth.send(ContentWithdraw(product: try item.product, version: try item.version))
            }
        }
        if made.isPublished {
            await take("the repository's \(Self.name) 1") { try session.repository().withdraw(try item) }
        }
        if let folder = made.folder {
            await take(folder) { try FileManager.default.removeItem(atPath: folder) }
        }
        steps.append(
            Step(
                name: "clean up", result: failure == nil ? .ok : .error,
                milliseconds: Int((SystemClock.monotonic() - start) / 1_000_000),
                text: failure?.text ?? left))
        return failure
    }
}
