import FFSModel
import TestSupport
import Testing

/// The HTTPS side against the running daemon, with curl (Clients/https_side.py). Rows that need no settings of their
/// own share a daemon.
@Suite(.serialized) struct HTTPSSideTests {
    @Test func whatIsAnswered() async throws {
        try await FTPServer.play(
            "https_side", "files", "ranges", "directories", "refusals", "links", "logs_agree", "drain_and_admit",
            "metrics")
    }

    @Test func strangers() async throws {
        try await FTPServer.play("https_side", "ranges_bounded", "none_of_ours", "one_way_to_read", "names_are_text")
    }

    @Test func floods() async throws {
        try await FTPServer.play("https_side", "calmed", "failures_of_one_connection")
    }

    @Test func listingsHoldUpNobody() async throws {
        try await FTPServer.play("https_side", "listings_beside")
    }

    @Test func refusedAlike() async throws {
        try await FTPServer.play("https_side", "refused_alike", settings: ["ftp.lockout-time": "7"])
    }

    @Test func slowRequests() async throws {
        try await FTPServer.play(
            "https_side", "slow_requests", settings: ["ftp.login-timeout": "5", "ftp.idle-timeout": "10"])
    }

    @Test func limits() async throws {
        try await FTPServer.play(
            "https_side", "limits",
            settings: [
                "ftp.sessions-per-account": "2", "ftp.sessions-per-address": "4", "ftp.rate-per-session": "8192",
            ])
    }

    @Test func aFullServer() async throws {
        try await FTPServer.play(
            "https_side", "full", settings: ["ftp.sessions": "1", "ftp.rate-per-session": "8192"])
    }

    @Test func ratesAndKicks() async throws {
        try await FTPServer.play(
            "https_side", "rates", "who_and_kick",
            settings: ["ftp.rate-per-session": "2048", "ftp.rate-per-account": "3072"])
    }

    @Test func rollingRestart() async throws {
        try await FTPServer.play("https_side", "rolling_restart", settings: ["ftp.rate-per-session": "12288"])
    }

    @Test func balancers() async throws {
        try await FTPServer.play("https_side", "proxied", settings: ["ftp.proxies": "127.0.0.0/8"])
    }

    @Test(arguments: [ExpiryPolicy.finish, .cut, .grace(seconds: 3)])
    func accountsEndByTheirPolicy(policy: ExpiryPolicy) async throws {
        try await FTPServer.play(
            "https_side", "ended_account", settings: ["ftp.rate-per-session": "1024"], endingPolicy: policy)
    }
}
