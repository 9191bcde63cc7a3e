import FFSModel
import SystemSupport
import Testing
import Tobj

@testable import FTPService

/// What the gate answers, and how sign-ins travel between the processes.
@Suite struct GateTests {
    private let hosts = FakeHosts()

    init() { hosts.with { $0.grants = [.init(product: "kit")] } }

    private func request(_ password: [UInt8] = Array("right".utf8)) throws -> SignInRequest {
        SignInRequest(
            number: 7, customer: try CustomerName("acme"), password: SecretBytes(password), source: "192.0.2.7",
            trace: .random())
    }

    @Test func answers() async throws {
        let gate = hosts.gate()
        guard case .account = await gate.answer(try request()) else {
            Issue.record("not admitted")
            return
        }
        #expect(await gate.answer(try request(Array("wrong".utf8))) == .refused)
        #expect(await gate.answer(try request([])) == .refused)
        // More than crypt(3) takes is refused here, and no error of the link.
        #expect(await gate.answer(try request([UInt8](repeating: 65, count: 512))) == .refused)
        hosts.with { $0.grants = [] }
        #expect(await gate.answer(try request()) == .nothing)
        hosts.with { $0.grants = [.init(product: "other")] }
        hosts.with { $0.stagingOutage = Failure(.unreachable, "down") }
        #expect(await gate.answer(try request()) == .unavailable)
        for (failure, answer) in [
            (Failure(.lockedOut, "wait", retryAfter: 30), SignInAnswer.lockedOut(seconds: 30)),
            (Failure(.busy, "wait"), .busy), (Failure(.unreachable, "down"), .unavailable),
            (Failure(.internal, "defect"), .unavailable), (Failure(.notServed, "old relay"), .unavailable),
        ] {
            hosts.with { $0.authOutage = failure }
            #expect(await hosts.gate(limit: .seconds(1)).answer(try request()) == answer)
        }
    }

    @Test("who meets a busy ffsauthd waits a little")
    func busy() async throws {
        hosts.with { $0.authOutage = Failure(.busy, "wait") }
        async let answer = hosts.gate().answer(try request())
        while hosts.with({ $0.logins }) == 0 { try await Task.sleep(for: .milliseconds(1)) }
        hosts.with { $0.authOutage = nil }
        guard case .account = try await answer else {
            Issue.record("not admitted")
            return
        }
    }

    @Test("an answer comes in time, whatever ffsauthd does")
    func timeLimit() async throws {
        hosts.with { $0.delay = .seconds(60) }
        let start = ContinuousClock.now
        #expect(await hosts.gate(limit: .milliseconds(200)).answer(try request()) == .unavailable)
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test("messages come out of the channel as they went in, in pieces of any size")
    func channel() throws {
        let password = Array("<p&ss>\u{E9} \u{0} \" ".utf8) + [0xFF]
        var bytes = ChannelMessage.signIn(try request(password)).framed
        let answers: [SignInAnswer] = [
            .account(try AccountID("abcdefghij234567")), .refused, .lockedOut(seconds: 9), .nothing, .busy,
            .unavailable,
        ]
        for (number, answer) in answers.enumerated() { bytes += ChannelMessage.signedIn(number: number, answer).framed }
        bytes += ChannelMessage.relay(.down("nothing answers")).framed + ChannelMessage.relay(.up).framed
        for size in [1, 7, bytes.count] {
            var framer = ChannelFramer()
            var messages: [ChannelMessage] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { framer.append($0) }
                while let message = try framer.next() { messages.append(message) }
            }
            guard messages.count == answers.count + 3, case .signIn(let signIn) = messages[0] else {
                Issue.record("\(messages.count) messages")
                continue
            }
            #expect(signIn.password.bytes == password && signIn.number == 7 && signIn.source == "192.0.2.7")
            for (number, answer) in answers.enumerated() {
                guard case .signedIn(number, answer) = messages[number + 1] else {
                    Issue.record("\(answer)")
                    continue
                }
            }
            guard case .relay(.down("nothing answers")) = messages[7], case .relay(.up) = messages[8] else {
                Issue.record("relay")
                continue
            }
        }
    }

    @Test(
        "what no worker of ours would send is no message",
        arguments: [
            #"<sign-in number="1" customer="a b" source="-" trace="00112233445566778899aabbccddeeff">x</sign-in>"#,
            #"<sign-in number="1" customer="acme" source="-" trace="1">x</sign-in>"#,
            #"<sign-in customer="acme" source="-" trace="00112233445566778899aabbccddeeff">x</sign-in>"#,
            #"<signed-in number="1" outcome="accepted">../../etc</signed-in>"#,
            #"<signed-in number="1" outcome="maybe"/>"#, #"<signed-in outcome="refused"/>"#, "<gate-plan/>",
        ])
    func nonsense(text: String) throws {
        #expect(ChannelMessage(try parseTobj(Array(text.utf8))) == nil)
    }
}

extension SignInAnswer {
    fileprivate static func ~= (pattern: SignInAnswer, value: SignInAnswer) -> Bool { pattern == value }
}
