import ConfigurationSchema
import FFSModel
import Testing

@Suite struct OptionTests {
    @Test func keysAreUniqueAndDefaultsAreValid() {
        #expect(Set(Options.all.map(\.key)).count == Options.all.count)
        for option in Options.all {
            #expect(option.complaint(about: option.defaultText) == nil, "\(option.key)")
            #expect(option.key.split(separator: ".").count == 2, "\(option.key)")
            #expect(option.summary.hasSuffix("."), "\(option.key): a summary is full sentences")
            #expect(option.typeName != "number" || option.bounds != nil, "\(option.key) is a number without bounds")
            #expect(option.typeName != "number" || option.unit != nil, "\(option.key) is a number without a unit")
        }
    }

    @Test func environmentNames() {
        #expect(Options.Auth.basePort.environmentName == "FFS_AUTH_BASE_PORT")
        #expect(Set(Options.all.map(\.environmentName)).count == Options.all.count)
    }

    @Test func settingRefusesWhatAnOptionDoesNotAccept() throws {
        var configuration = Configuration()
        try configuration.set("ftp.port", to: "2121", from: .commandLine)
        #expect(configuration[Options.FTP.port] == 2121)
        #expect(throws: Configuration.Problem.self) {
            try configuration.set("ftp.port", to: "70000", from: .commandLine)
        }
        #expect(throws: Configuration.Problem.self) { try configuration.set("ftp.port", to: "", from: .commandLine) }
        #expect(throws: Configuration.Problem.self) { try configuration.set("nonsense", to: "1", from: .commandLine) }
        #expect(configuration[Options.FTP.port] == 2121)
    }

    @Test("the host's own name is the node's, without what cannot stand in one")
    func localNode() throws {
        let own = NodeOption()
        for (host, name) in [
            ("storage-1", "storage-1"), ("storage-1.example.net", "storage-1"), ("-a_b", "ab"), ("", "localhost"),
            ("_", "localhost"), (String(repeating: "x", count: 70), String(repeating: "x", count: 64)),
        ] { #expect(own.name(ofHost: host).text == name) }
        let given = try #require(NodeOption(optionText: "web-1"))
        #expect(given.name(ofHost: "other").text == "web-1" && given.optionText == "web-1")
        #expect(NodeOption(optionText: "a b") == nil && NodeOption(optionText: "") == own)
    }

    @Test func lists() {
        #expect([String](optionText: "a, b ,c") == ["a", "b", "c"])
        #expect([String](optionText: "") == [])
    }
}
