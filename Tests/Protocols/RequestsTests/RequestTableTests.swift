import FFSModel
import Requests
import Synchronization
import TestSupport
import Testing
import Tobj

@Suite struct RequestTableTests {
    private func answer(
        _ table: RequestTable, _ type: String, _ link: Link, body: [Element] = []
    ) async -> (reply: Document, reported: [Failure]) {
        let reported = Mutex<[Failure]>([])
        let reply = await table.answer(
            Document(request: type, id: RequestID(high: 0, low: 1), body: body), link: link, peer: "test"
        ) { failure, _ in reported.withLock { $0.append(failure) } }
        return (reply, reported.withLock { $0 })
    }

    private func code(_ reply: Document) -> FailureCode? {
        if case .error(let failure)? = reply.status { failure.code } else { nil }
    }

    private var table: RequestTable {
        var table = RequestTable(daemon: "d", version: "1") { Timestamp(seconds: 0) }
        table.on(AuthLogin.self) { _, _ in throw Failure(.loginRefused, "no", cause: "unknown customer") }
        table.on(CustomerDelete.self) { _, context in
            struct Unforeseen: Error {}
            throw Unforeseen()
        }
        return table
    }

    @Test("ping is served on every link; the rest where the catalogue says, and nothing unknown")
    func gates() async {
        for link in Link.allCases {
            let pong = await answer(table, "ping", link).reply
            #expect(pong.status == .ok && pong.type == "ping.reply" && pong.id == RequestID(high: 0, low: 1))
        }
        let login: [Element] = [.field("customer", "acme"), .field("password", "x")]
        for link in Link.allCases {
            let (reply, _) = await answer(table, "auth.login", link, body: login)
            #expect(
                code(reply) == ([.webStorage, .signIn, .pipe, .webPipe].contains(link) ? .notServed : .loginRefused))
        }
        for (type, link) in [("customer.delete", Link.webInternal), ("stage.create", .control), ("", .control)] {
            let (reply, reported) = await answer(table, type, link)
            #expect(code(reply) == .notServed)
            #expect(reported.count == 1)
        }
    }

    @Test("administration is for the control socket alone")
    func administration() {
        for type in RequestType.allCases where type.row.links != [.control] {
            let family = type.rawValue.prefix { $0 != "." }
            #expect(["ping", "auth", "stage", "feed", "outbox", "pipe"].contains(family) || type == .orderCheck)
        }
    }

    @Test("what a handler throws becomes the reply; an unforeseen error shows its trace, not itself")
    func errors() async {
        let body: [Element] = [.field("customer", "acme")]
        let (reply, reported) = await answer(table, "customer.delete", .control, body: body)
        guard case .error(let failure)? = reply.status else {
            Issue.record("no error")
            return
        }
        #expect(failure.code == .internal && failure.text.contains("trace") && !failure.text.contains("Unforeseen"))
        #expect(reported.first?.cause?.contains("Unforeseen") == true)
        let (refused, _) = await answer(
            table, "auth.login", .control, body: body + [.field("password", "x")])
        #expect(!String(decoding: refused.serialized(), as: UTF8.self).contains("unknown customer"))
    }

    @Test("what reads, by its name, is carried out again; orders and accounts are known by id; all else is remembered")
    func repeats() {
        for type in RequestType.allCases {
            let reads = [
                ".list", ".status", ".login", ".session", ".entitlements", ".next", ".acknowledge", ".check",
                ".push", ".receipts", ".checkpoints", ".witness", ".reconcile",
            ].contains { type.rawValue.hasSuffix($0) }
            let expected: RequestType.Repeats =
                switch type {
                case .authOrder, .stageCreate: .known
                default: reads || type == .ping ? .again : .remembered
                }
            #expect(type.row.repeats == expected, "\(type)")
        }
    }

    @Test("ffs-commlink(7) has an entry for each request type and names each of its links")
    func manual() throws {
        let page = try Files.read("\(Project.root)/man/man7/ffs-commlink.7")
        let sections = page.split(separator: "\n.Ss ").map(String.init)
        for type in RequestType.allCases {
            let entry = "\n.It Li \(type.rawValue)\n"
            let section = sections.first { $0.contains(entry) }
            #expect(section != nil, "ffs-commlink(7) has no entry for \(type.rawValue)")
            let heading = section?.prefix { $0 != "\n" } ?? ""
            for link in type.row.links where !heading.contains("every link") {
                #expect(heading.contains(link.rawValue), "ffs-commlink(7): \(type.rawValue) on \(link.rawValue)")
            }
        }
        for line in page.split(separator: "\n") where line.hasPrefix(".It Li ") && line.contains(".") {
            let name = String(line.dropFirst(7))
            guard name.contains(".") else { continue }
            #expect(RequestType(rawValue: name) != nil, "ffs-commlink(7) has \(name), the catalogue does not")
        }
        for code in FailureCode.allCases {
            #expect(page.contains("\n.It Li \(code.rawValue)\n"), "ffs-commlink(7) does not explain \(code.rawValue)")
        }
    }
}
