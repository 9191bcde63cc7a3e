import ConfigurationSchema
import Testing

@testable import DaemonKit

@Suite struct ConfigurationLoaderTests {
    private func load(
        _ text: String?, settings: [String] = [], environment: [String: String] = [:]
    ) throws -> Configuration {
        try ConfigurationLoader.load(file: "/etc/ffs/ffs.yaml", settings: settings, environment: environment) { _ in
            text
        }
    }

    /// The complaints of a file that must be refused.
    private func complaints(_ text: String, settings: [String] = []) -> [String] {
        do {
            _ = try load(text, settings: settings)
            return []
        } catch let problems as ConfigurationLoader.Problems {
            return problems.all.map(\.description)
        } catch { return ["\(error)"] }
    }

    @Test func laterSourcesWin() throws {
        let file = "ftp:\n  port: 2121\nauth:\n  base-port: 7000\n"
        let loaded = try load(
            file, settings: ["ftp.port=2323"], environment: ["FFS_FTP_PORT": "2222", "FFS_AUTH_BASE_PORT": "7100"])
        #expect(loaded[Options.FTP.port] == 2323)
        #expect(loaded[Options.Auth.basePort] == 7100)
        #expect(try load(file)[Options.FTP.port] == 2121)
        #expect(try load(nil)[Options.FTP.port] == Options.FTP.port.defaultValue)
    }

    @Test func aMisspeltOptionNamesItsLineAndTheNearestOne() {
        #expect(
            complaints("ftp:\n  user: me\n  prot: 2121\n")
                == ["/etc/ffs/ffs.yaml:3: ftp.prot is not an option; did you mean ftp.port? (see ffs.yaml(5))"])
    }

    @Test func everyFaultIsReportedAtOnce() {
        let found = complaints("ftp:\n  port: many\nauth:\n  port-count: 65\nlog:\n  level: loud\n")
        #expect(found.count == 3)
        #expect(found[0].contains("must be a number, not \"many\""))
        #expect(found[1].contains("must be from 1 to 64 ports, not 65"))
        #expect(found[2].contains("must be trace | debug"))
    }

    @Test(arguments: [
        "ftp: [1, 2", "ftp:\n  port: 1\n  port: 2\n", "ftp:\n  user: {a: b}\n", "a: &x 1\nb: *x\n", "- 1\n",
    ])
    func whatIsNotAConfigurationIsRefused(_ text: String) { #expect(!complaints(text).isEmpty) }

    @Test(arguments: [
        ("ftp:\n  port: 1\n\nauth:\n  base-port: 7\nftp:\n  user: me\n", 6, "ftp", 1),
        ("web:\n  port: 5\nftp:\n  port: 1\n  user: me\n  # port\n  port: 2\nauth:\n  port: 9\n", 7, "ftp.port", 4),
    ])
    func aKeyThatAppearsTwiceIsOneLineOfComplaint(_ text: String, _ line: Int, _ key: String, _ first: Int) {
        let padding = (0..<400).map { "# comment \($0)\n" }.joined()
        #expect(
            complaints(text + padding)
                == ["/etc/ffs/ffs.yaml:\(line): \(key) appears twice, first at line \(first)"])
    }

    @Test func settingsNeedAnEqualsSign() {
        #expect(complaints("", settings: ["ftp.port"]) == ["--set: ftp.port must be written key=value"])
    }

    @Test func aMissingFileIsAnErrorOnlyWhenItWasNamed() throws {
        #expect(throws: (any Error).self) {
            try ConfigurationLoader.load(file: "/nowhere.yaml", settings: [], environment: [:]) { _ in nil }
        }
        _ = try load(nil)
    }

    /// What `--print-config` prints, and the sample file once its comments are opened, give the same values again.
    @Test func printedConfigurationsLoadAgain() throws {
        let changed = try load(nil, settings: ["ftp.port=2121", "log.format=json", "run.directory=/a b: c #\"d\""])
        let again = try load(changed.yaml())
        #expect(again.settings.map(\.text) == changed.settings.map(\.text))
        let sample = Configuration().yaml(commented: true)
        #expect(try load(sample).settings.map(\.source).allSatisfy { $0 == .default })
        let opened = sample.split(separator: "\n").map { line in
            line.hasPrefix("  #") && !line.hasPrefix("  # ") ? "  " + line.dropFirst(3) : String(line)
        }
        #expect(try load(opened.joined(separator: "\n")).settings.map(\.text) == Configuration().settings.map(\.text))
    }
}
