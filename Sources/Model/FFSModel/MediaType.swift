/// The media type of a file, by the end of its name; for the media-type fact and HTTP's Content-Type.
package enum MediaType {
    private static let byExtension: [String: String] = [
        "txt": "text/plain", "log": "text/plain", "md": "text/plain", "asc": "text/plain", "sums": "text/plain",
        "html": "text/html", "htm": "text/html", "css": "text/css", "csv": "text/csv", "xml": "application/xml",
        "json": "application/json", "pdf": "application/pdf", "zip": "application/zip", "gz": "application/gzip",
        "tgz": "application/gzip", "bz2": "application/x-bzip2", "xz": "application/x-xz", "zst": "application/zstd",
        "tar": "application/x-tar", "iso": "application/x-iso9660-image", "jar": "application/java-archive",
        "deb": "application/vnd.debian.binary-package", "rpm": "application/x-rpm", "sig": "application/pgp-signature",
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "svg": "image/svg+xml",
    ]

    /// By the name's extension; SHA256SUMS is text, and what says nothing `application/octet-stream`.
    package static func of(_ name: ArraySlice<UInt8>) -> String {
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")), name.endIndex - dot <= 6 else {
            return name.elementsEqual("SHA256SUMS".utf8) ? "text/plain" : "application/octet-stream"
        }
        let suffix = String(decoding: name[(dot + 1)...], as: UTF8.self).lowercased()
        return byExtension[suffix] ?? "application/octet-stream"
    }
}
