import TestSupport
import Testing

/// FFS installed by install.sh on Debian hosts, booted with a real systemd in containers of this machine: each scenario
/// is a shell script beside this file, whose head says what it shows. One after another, as each takes the processor.
@Suite(.serialized, .enabled(if: System.isRoot, "containers need root"))
struct HostTests {
    /// All output at a failure; the steps with their times otherwise.
    private func scenario(_ name: String) async throws {
        let result = try await command(
            "sh", "\(Project.root)/Tests/Hosts/\(name).sh", environment: ["PROGRAMS": Project.products],
            timeout: .seconds(540))
        #expect(result.status == 0, "\(result)")
        print(result.output)
    }

    @Test(.timeLimit(.minutes(10))) func oneHost() async throws { try await scenario("one-host") }

    @Test(.timeLimit(.minutes(10))) func threeHosts() async throws { try await scenario("three-hosts") }

    @Test(.timeLimit(.minutes(10))) func withoutSystemd() async throws { try await scenario("without-systemd") }
}
