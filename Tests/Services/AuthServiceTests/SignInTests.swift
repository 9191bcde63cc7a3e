import Clients
import FFSModel
import Requests
import Testing

@testable import AuthService

/// One after another, as some measure time.
@Suite(.serialized) struct SignInTests {
    @Test func theRightPasswordOpens() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let reply = try await harness.login(acme)
        #expect(reply.customer == acme)
        #expect(reply.displayName == "acme Ltd.")
    }

    /// Unknown, wrong, disabled, expired and password-less: one code, one text, and nothing in the reply tells which.
    @Test func everyRefusalIsTheSame() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let disabled = try await harness.customer("disabled")
        _ = try await harness.operators.send(CustomerUpdate(customer: disabled, status: .disabled))
        let expired = try await harness.customer("expired", expires: harness.clock.now + 60)
        harness.clock.advance(60)
        let bare = try CustomerName("bare")
        _ = try await harness.operators.send(CustomerCreate(customer: bare))
        let unknown = try CustomerName("nobody")

        var refusals: [Failure] = []
        refusals.append(try await failure { try await harness.login(acme, .wrong) })
        refusals.append(try await failure { try await harness.login(acme, []) })
        for customer in [disabled, expired, bare, unknown] {
            refusals.append(try await failure { try await harness.login(customer) })
        }
        for refusal in refusals {
            #expect(refusal.code == .loginRefused)
            #expect(refusal.text == refusals[0].text)
            #expect(refusal.retryAfter == nil)
        }
        // The log says why; it names no customer that does not exist, and no password.
        for reason in ["unknown", "wrong", "disabled", "expired"] {
            #expect(harness.log.text.contains("reason=\(reason)"))
        }
        #expect(!harness.log.text.contains("nobody"))
        #expect(!harness.log.text.contains("horse"))
    }

    /// The times of the refusals, at the real cost: their medians differ by less than the noise of one.
    @Test func everyRefusalTakesTheSameTime() async throws {
        var settings = SignInSettings()
        settings.lockOut.freeAttempts = 1_000
        let harness = try Harness(settings: settings)
        let acme = try await harness.customer()
        let disabled = try await harness.customer("disabled")
        _ = try await harness.operators.send(CustomerUpdate(customer: disabled, status: .disabled))
        let cases: [(String, CustomerName, [UInt8])] = [
            ("wrong", acme, .wrong), ("disabled", disabled, .correct),
            ("unknown", try CustomerName("nobody"), .correct),
        ]
        var times: [String: [Duration]] = [:]
        for _ in 0..<8 {
            for (name, customer, password) in cases {
                let start = ContinuousClock.now
                _ = try await failure { try await harness.login(customer, password) }
                times[name, default: []].append(.now - start)
            }
        }
        let medians = times.mapValues { $0.sorted()[$0.count / 2] }
        let fastest = try #require(medians.values.min())
        let slowest = try #require(medians.values.max())
        // A machine busy with other work may push one whole kind into the next step; the step itself is the bound.
        #expect(fastest >= settings.refusalStep)
        #expect(slowest - fastest < .milliseconds(60), "\(medians)")
    }

    /// `auth.hash-cost` was raised and `auth.refusal-time` left: an unknown name is checked at the new cost, a known one at the
    /// old, and both answers leave at the same step.
    @Test func aRaisedCostRaisesTheStep() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        var settings = SignInSettings.fast
        settings.hashCost = 6
        try harness.service.apply(settings)
        for name in [acme, try CustomerName("nobody")] {
            let start = ContinuousClock.now
            _ = try await failure { try await harness.login(name, .wrong) }
            #expect(ContinuousClock.now - start >= harness.hasher.time * 3, "\(name)")
        }
    }

    @Test func tooManyWrongPasswordsLockOutOneSourceOnly() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        for name in [acme, try CustomerName("nobody")] {
            for _ in 0..<5 {
                #expect(try await failure { try await harness.login(name, .wrong) }.code == .loginRefused)
            }
            // Even the right password, until the time is up; the same for a name that nobody has.
            let locked = try await failure { try await harness.login(name) }
            #expect(locked.code == .lockedOut)
            #expect((1...6).contains(locked.retryAfter ?? 0))
        }
        _ = try await harness.login(acme, from: "203.0.113.7")
        // A new password from an operator ends it.
        _ = try await harness.operators.send(CustomerUpdate(customer: acme, password: Array("another horse".utf8)))
        _ = try await harness.login(acme, Array("another horse".utf8))
    }

    @Test func aDisabledCustomersRightPasswordCountsAsAWrongOne() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        _ = try await harness.operators.send(CustomerUpdate(customer: acme, status: .disabled))
        for _ in 0..<5 { _ = try await failure { try await harness.login(acme) } }
        #expect(try await failure { try await harness.login(acme) }.code == .lockedOut)
    }

    @Test func costChangeRenewsTheStoredHash() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let before = try await harness.database.read { try $0.credentials(of: acme)?.password }
        var settings = SignInSettings.fast
        settings.hashCost = 2
        try harness.service.apply(settings)
        _ = try await failure { try await harness.login(acme, .wrong) }
        #expect(try await harness.database.read { try $0.credentials(of: acme)?.password } == before)
        _ = try await harness.login(acme)
        let after = try await harness.database.read { try $0.credentials(of: acme)?.password }
        #expect(after != before)
        #expect(after?.parameters != before?.parameters)
        _ = try await harness.login(acme)
        #expect(try await harness.database.read { try $0.credentials(of: acme)?.password } == after)
    }

    @Test func customersChangeTheirOwnPassword() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let new = Array("battery staple".utf8)
        let change = AuthPassword(customer: acme, password: .correct, newPassword: new, source: "192.0.2.1")
        let id = RequestID.random()
        _ = try await harness.web.send(change, id: id)
        // The repeat of a request that was carried out is answered, though the old password is gone.
        _ = try await harness.web.send(change, id: id)
        _ = try await harness.login(acme, new)
        #expect(try await failure { try await harness.login(acme) }.code == .loginRefused)
        #expect(try await failure { try await harness.web.send(change) }.code == .loginRefused)
        for bad in [Array("short".utf8), Array("acme".utf8), new + [0]] {
            let refusal = try await failure {
                try await harness.web.changePassword(
                    customer: acme, password: new, newPassword: bad, source: "192.0.2.1")
            }
            #expect(refusal.code == .badRequest)
        }
    }

    /// A flood of sign-ins holds up neither other requests nor an operator, and everybody gets an answer.
    @Test func aFloodStarvesNobody() async throws {
        var settings = SignInSettings()
        settings.refusalStep = .milliseconds(50)
        let harness = try Harness(settings: settings, threads: 1, queue: 32)
        let acme = try await harness.customer()
        try await harness.content("tool", "1")
        try await harness.grant(acme, "tool")
        // From here on this customer is no stranger at this source.
        _ = try await harness.login(acme)
        let flood = Task {
            await withTaskGroup(of: FailureCode?.self) { group in
                for number in 0..<400 {
                    group.addTask {
                        let source = "198.51.\(number / 200).\(number % 200)"
                        do { _ = try await harness.login(acme, .wrong, from: source) } catch let failure as Failure {
                            return failure.code
                        } catch {}
                        return nil
                    }
                }
                return await group.reduce(into: [FailureCode?: Int]()) { $0[$1, default: 0] += 1 }
            }
        }
        while harness.hasher.depth < 30 { await Task.yield() }
        var slowest = Duration.zero
        for _ in 0..<20 {
            let start = ContinuousClock.now
            #expect(try await harness.web.entitlements(of: acme).count == 1)
            slowest = max(slowest, .now - start)
        }
        #expect(harness.hasher.depth > 16)
        #expect(try await harness.login(acme).customer == acme)
        let start = ContinuousClock.now
        _ = try await harness.operators.send(CustomerUpdate(customer: acme, password: .correct))
        let operatorTime = ContinuousClock.now - start
        let answers = await flood.value
        #expect(answers.values.reduce(0, +) == 400)
        #expect(Set(answers.keys) == [.loginRefused, .busy])
        #expect(answers[.busy, default: 0] >= 300)
        #expect(slowest < .milliseconds(250))
        #expect(operatorTime < .milliseconds(500))
    }
}
