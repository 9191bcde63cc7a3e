package import FFSModel

/// Commands that need nothing but the session's own state.
extension SessionMachine {
    // MARK: Representation

    /// TYPE.
    package mutating func type(_ text: [UInt8]) -> Reply { representation.setType(text) }
    /// STRU.
    package mutating func structure(_ text: [UInt8]) -> Reply { representation.setStructure(text) }
    /// MODE.
    package mutating func mode(_ text: [UInt8]) -> Reply { representation.setMode(text) }

    /// How data goes out.
    package var mode: TransferMode { representation.isDeflated ? .deflate(level: deflateLevel) : .stream }

    /// `OPTS MODE Z [LEVEL n]` (draft-preston-ftpext-deflate-04 §3.1); other engines and methods are not served.
    private mutating func deflateOptions(_ text: String) -> Reply {
        let words = text.uppercased().split(separator: " ")
        switch (words.count, words.dropFirst().first) {
        case (1, _) where words[0] == "Z": break
        case (3, "LEVEL") where words[0] == "Z":
            guard let level = decimal(Array(words[2].utf8)[...], atMost: TransferMode.levels.upperBound),
                TransferMode.levels.contains(level)
            else { return Reply(501, "Use: OPTS MODE Z LEVEL 1 to 9") }
            deflateLevel = Int(level)
        default: return Reply(501, "Use: OPTS MODE Z LEVEL 1 to 9")
        }
        return Reply(200, "MODE Z LEVEL is \(deflateLevel).")
    }

    /// REST: offsets are those of the stored bytes, so they mean nothing where bytes are translated.
    package mutating func rest(_ offset: UInt64) -> Reply {
        guard representation.isVerbatim || offset == 0 else { return Reply(501, "REST needs TYPE I and STRU F.") }
        restart = offset == 0 ? .whole : .from(offset)
        return Reply(350, "Restarting at \(offset). Send RETR.")
    }

    /// RANG: `1 0` resets (draft-bryan-ftp-range §3).
    package mutating func rang(_ range: FileRange) -> Reply {
        if range == FileRange(first: 1, last: 0) {
            restart = .whole
            return Reply(350, "Range reset.")
        }
        guard representation.isVerbatim else { return Reply(551, "RANG needs TYPE I and STRU F.") }
        guard range.first <= range.last else { return .endsBeforeItStarts }
        restart = .range(first: range.first, last: range.last)
        return Reply(350, "Bytes \(range.first) to \(range.last). Send RETR.")
    }

    /// RETR, when TYPE or STRU has changed since REST or RANG; nil: it may be sent.
    package func refusal(of restart: Restart) -> Reply? {
        restart == .whole || representation.isVerbatim
            ? nil : Reply(554, "REST and RANG need TYPE I and STRU F; none is in force any more.")
    }

    // MARK: Data setup

    /// nil: listen (or keep listening), then call ``passiveReady()``.
    package mutating func pasv() -> Reply? {
        isExtendedPassiveOnly ? Reply(501, "Only EPSV after EPSV ALL.") : nil
    }

    /// nil: listen, then call ``passiveReady()``. `family` is the control connection's.
    package mutating func epsv(_ argument: ExtendedPassive, family: IPAddress.Family) -> Reply? {
        switch argument {
        case .same: return nil
        case .all:
            isExtendedPassiveOnly = true
            return Reply(200, "From now on EPSV only.")
        case .family(let wanted):
            return wanted == family ? nil : Reply(522, "Network protocol not supported, use (\(family.rawValue))")
        }
    }

    /// A passive port is open; the next transfer uses it.
    package mutating func passiveReady() { dataSetup = .passive }

    /// The listener was closed: unused for too long.
    package mutating func passiveGone() { if dataSetup == .passive { dataSetup = .none } }

    /// PORT and EPRT. Only the client's own address and unprivileged ports (RFC 2577 §3): otherwise this server
    /// could be made to speak to third parties. A refusal leaves the data setup as it was.
    package mutating func active(_ endpoint: Endpoint, peer: IPAddress) -> Reply {
        if isExtendedPassiveOnly { return Reply(501, "Only EPSV after EPSV ALL.") }
        guard policy.allowsActive else { return Reply(502, "Active mode is switched off; use EPSV or PASV.") }
        guard endpoint.address == peer else { return Reply(504, "Data goes to your own address only.") }
        guard endpoint.port >= 1_024 else { return Reply(504, "Data goes to ports from 1024 up only.") }
        dataSetup = .active(endpoint)
        return Reply(200, "Data will go to port \(endpoint.port).")
    }

    // MARK: Directory

    package var printDirectory: Reply {
        Reply(257, bytes: directory.quoted + Array(" is the current directory.".utf8))
    }

    /// CWD and CDUP, once the directory was found.
    package mutating func changed(to path: VirtualPath) -> Reply {
        directory = path
        return Reply(250, bytes: path.quoted + Array(" is the current directory.".utf8))
    }

    // MARK: Information

    package var feat: Reply {
        var lines = CommandTable.rows.flatMap(\.features)
        lines += [
            "UTF8", "TVFS", facts.featureLine, HashAlgorithm.featureLine(selected: hashAlgorithm),
        ]
        if policy.controlProtection != .off { lines += ["AUTH TLS;TLS-C;SSL;TLS-P;", "PBSZ", "PROT"] }
        return Reply(211, "Extensions:", inner: lines.sorted().map { Array($0.utf8) }, last: "End")
    }

    /// OPTS, RFC 2389 §4.
    package mutating func opts(_ text: [UInt8]) -> Reply {
        let words = text.split(separator: UInt8(ascii: " "), maxSplits: 1).map { String(decoding: $0, as: UTF8.self) }
        let value = words.count > 1 ? words[1] : ""
        switch words.first?.uppercased() {
        case "UTF8", "UTF-8":
            return ["", "ON"].contains(value.uppercased())
                ? Reply(200, "UTF8 is on.") : Reply(501, "Names are bytes as stored; UTF8 is always on.")
        case "MLST":
            guard let selection = FactSelection(list: value) else {
                return Reply(501, "Use: OPTS MLST [<fact>;…], each fact with its semicolon")
            }
            facts = selection
            return Reply(200, "MLST OPTS \(facts.optsText)")
        case "HASH":
            if value.isEmpty { return Reply(200, hashAlgorithm.rawValue) }
            guard let algorithm = HashAlgorithm(rawValue: value.uppercased()) else {
                return Reply(504, "Algorithms: \(HashAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            hashAlgorithm = algorithm
            return Reply(200, algorithm.rawValue)
        case "MODE": return deflateOptions(value)
        default: return Reply(501, "OPTS UTF8, OPTS MLST, OPTS HASH and OPTS MODE Z are supported.")
        }
    }

    /// HELP.
    package func help(_ name: [UInt8]?) -> Reply {
        if let name {
            guard let verb = Verb(word: name[...]) else { return Reply(502, "Unknown command.") }
            let row = CommandTable.row(verb)
            let syntax = row.syntax.isEmpty ? "" : " \(row.syntax)"
            return Reply(214, "\(verb.rawValue)\(syntax): \(row.summary)")
        }
        let lines = CommandRow.Group.allCases.map { group in
            let names = CommandTable.rows.filter { $0.group == group }.map(\.verb.rawValue)
            return Array("\(group.rawValue): \(names.joined(separator: " "))".utf8)
        }
        return Reply(214, "Commands, by group:", inner: lines, last: "HELP <command> explains one.")
    }

    /// LANG, RFC 2640 §4.
    package func lang(_ tag: [UInt8]?) -> Reply {
        guard let tag else { return Reply(200, "Replies are in English.") }
        let lower = String(decoding: tag, as: UTF8.self).lowercased()
        return lower == "en" || lower.hasPrefix("en-")
            ? Reply(200, "Replies are in English.") : Reply(504, "Replies are in English only.")
    }

    /// HOST comes before USER (RFC 7151 §3.1). Every domain is the same host here, except that it must be the one that TLS
    /// was asked for (§3.2.2); an address must be this server's.
    ///
    ///     C: HOST ftp.example.com        S: 220 All names are one host here.
    ///     C: HOST [2001:db8::9]          S: 504 That address is not this server's.
    ///
    /// - Parameters:
    ///   - serverName: what the client's TLS asked for (SNI); nil in clear, and for clients that name none.
    ///   - isOurs: whether clients reach this server under an address.
    package mutating func host(
        _ name: HostName, serverName: [UInt8]?, isOurs: (IPAddress) -> Bool
    ) -> Reply {
        guard isAnonymous else { return Reply(503, "HOST comes before USER.") }
        switch name {
        case .address(let address):
            guard isOurs(address) else { return Reply(504, "That address is not this server's.") }
        case .domain:
            guard Self.agree(name, serverName) else { return Reply(504, "TLS was asked for another name.") }
        }
        host = name
        return Reply(220, "All names are one host here.")
    }

    /// Whether TLS may begin with `serverName` after what HOST said.
    package func agrees(serverName: [UInt8]?) -> Bool { host.map { Self.agree($0, serverName) } ?? true }

    private static func agree(_ host: HostName, _ serverName: [UInt8]?) -> Bool {
        guard case .domain(let domain) = host, let serverName else { return true }
        return HostName.domain(serverName[...]) == domain
    }

    /// CLNT and CSID: kept for the log, printable and short.
    package mutating func named(_ text: [UInt8]) {
        client = String(
            decoding: text.prefix(80).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    /// STAT without a path, while no transfer runs. `peer` is the client's address.
    package func status(peer: String) -> Reply {
        let type = representation.kind == .ascii ? "A" : "I"
        let structure = representation.structure == .file ? "F" : "R"
        let mode = representation.isDeflated ? "Z, level \(deflateLevel)" : "S"
        let tls = isProtected ? (protectsData ? "control and data" : "control") : "none"
        let lines = [
            "Connected from \(peer)",
            account.map { "Signed in to \(String(decoding: $0.name, as: UTF8.self))" } ?? "Not signed in",
            "TYPE: \(type), STRU: \(structure), MODE: \(mode)", "Data: \(dataSetup.summary(isExtendedPassiveOnly))",
            "Next transfer: \(restart.summary)", "TLS: \(tls)",
            isTransferring ? "A transfer is running" : "No transfer is running",
        ]
        return Reply(211, "Status of this session:", inner: lines.map { Array($0.utf8) }, last: "End of status")
    }
}

extension DataSetup {
    /// For STAT.
    fileprivate func summary(_ isExtendedPassiveOnly: Bool) -> String {
        let setup =
            switch self {
            case .none: "not set up"
            case .passive: "passive"
            case .active(let endpoint): "to \(endpoint)"
            }
        return setup + (isExtendedPassiveOnly ? ", EPSV only" : "")
    }
}

extension Restart {
    /// For STAT.
    fileprivate var summary: String {
        switch self {
        case .whole: "whole"
        case .from(let first): "from byte \(first)"
        case .range(let first, let last): "bytes \(first) to \(last)"
        }
    }
}
