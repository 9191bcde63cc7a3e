package import FFSModel

/// A directory as a page for people or as JSON, rendered piece by piece so that no listing is ever held whole.
package enum DirectoryPage {
    /// `default-src 'none'` with the digest of the style below would break with every change of it; the style is
    /// served from its own path instead.
    package static let contentSecurityPolicy =
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// Served at ``stylePath``.
    package static let style = """
        :root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif;accent-color:#0f766e}
        body{margin:0 auto;max-width:60rem;padding:1.5rem 1rem}
        h1{font-size:1.25rem;overflow-wrap:anywhere}
        a{color:light-dark(#0f766e,#4cc9b6)}
        table{border-collapse:collapse;width:100%}
        td,th{padding:.35rem .5rem;text-align:left;border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent)}
        td:first-child{overflow-wrap:anywhere}
        td:nth-child(n+2),th:nth-child(n+2){text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
        footer{margin-top:1.5rem;opacity:.7}
        @media (max-width:40rem){td:nth-child(3),th:nth-child(3){display:none}}

        """
    /// Where the pages find ``style``.
    package static let stylePath = "/a/style.css"

    /// Everything before the first row.
    package static func htmlHead(_ path: VirtualPath) -> [UInt8] {
        let up = path == .root ? "" : "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n"
        return documentHead("Index of \(escaped(path.bytes))\(path == .root ? "" : "/")")
            + Array(
                """
                <table>
                <thead><tr><th scope="col">Name</th><th scope="col">Size</th><th scope="col">Modified (UTC)</th></tr></thead>
                <tbody>
                \(up)
                """.utf8)
    }

    /// A refusal as a page for people; programs get the sentence alone. Both texts are ours.
    package static func notice(_ title: String, _ sentence: String) -> [UInt8] {
        documentHead(title) + Array("<p>\(sentence)</p>\n</html>\n".utf8)
    }

    /// - Parameter title: HTML.
    private static func documentHead(_ title: String) -> [UInt8] {
        Array(
            """
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width,initial-scale=1">
            <meta name="robots" content="noindex">
            <title>\(title)</title>
            <link rel="stylesheet" href="\(stylePath)">
            <h1>\(title)</h1>

            """.utf8)
    }

    /// One entry of the table.
    package static func htmlRow(_ entry: ListingEntry, into out: inout [UInt8]) {
        let isDirectory = entry.kind == .directory
        let slash = isDirectory ? "/" : ""
        let date = entry.modified.description.prefix(16).map { $0 == "T" ? " " : $0 }
        out +=
            "<tr><td><a href=\"./\(Target.encode(entry.name))\(slash)\">\(escaped(entry.name))\(slash)</a></td><td>"
            .utf8
        out += (isDirectory ? "" : readable(entry.size)).utf8
        out += "</td><td>\(String(date))</td></tr>\n".utf8
    }

    package static let htmlTail = Array(
        """
        </tbody>
        </table>
        <footer>SHA256SUMS at the top lists every file; <code>sha256sum -c SHA256SUMS</code> checks what was fetched.</footer>
        </html>

        """.utf8)

    /// Everything before the first entry.
    package static func jsonHead(_ path: VirtualPath) -> [UInt8] {
        Array("{\"path\":".utf8) + JSON.string(path.bytes) + Array(",\"entries\":[".utf8)
    }

    /// One entry; `isFirst` leaves out the comma. A name that is not UTF-8 also has `nameBase64`.
    package static func jsonRow(_ entry: ListingEntry, isFirst: Bool, into out: inout [UInt8]) {
        out += (isFirst ? "\n{\"name\":" : ",\n{\"name\":").utf8
        out += JSON.string(entry.name)
        if String(validating: entry.name, as: UTF8.self) == nil {
            out += ",\"nameBase64\":\"".utf8
            out += Base64.encode(entry.name)
            out += "\"".utf8
        }
        let type = entry.kind == .directory ? "directory" : "file"
        out += ",\"type\":\"\(type)\",\"modified\":\"\(entry.modified)\"".utf8
        if entry.kind == .file { out += ",\"size\":\(entry.size)".utf8 }
        if let digest = entry.digest { out += ",\"sha256\":\"\(digest)\"".utf8 }
        out += "}".utf8
    }

    package static let jsonTail = Array("\n]}\n".utf8)

    /// For text and attribute values of HTML.
    package static func escaped(_ bytes: [UInt8]) -> String {
        var out = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            case _ where isHidden(scalar): out += "\u{FFFD}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    /// `1.5 GiB`; three digits are enough for people, the exact size is in the JSON and in Content-Length.
    static func readable(_ size: UInt64) -> String {
        guard size >= 1_024 else { return "\(size) B" }
        var value = Double(size)
        var unit = -1
        while value >= 1_024, unit < 4 {
            value /= 1_024
            unit += 1
        }
        let rounded = (value * 10).rounded() / 10
        let text = rounded >= 100 || rounded == rounded.rounded() ? "\(Int(rounded.rounded()))" : "\(rounded)"
        return "\(text) \(["KiB", "MiB", "GiB", "TiB", "PiB"][unit])"
    }
}
