import Testing

/// Every command of the command table in every state of a session: Clients/ftp_states.txt against the running daemon.
@Suite struct FTPStateTests {
    @Test func everyCommandInEveryState() async throws {
        try await FTPServer.play("ftp_states", "every_command_in_every_state")
    }
}
