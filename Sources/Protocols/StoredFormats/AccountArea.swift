package import FFSModel

/// Names inside `staging.accounts` (docs/formats.md).
///
///     accounts/<account>/record               this file makes it an account
///     accounts/<account>/index                what the folders of a large tree hold (``TreeIndex``)
///     accounts/<account>/root/                the customer's `/`
///     accounts/<account>/root/SHA256SUMS
///     accounts/<account>/root/<product>-<version>/…
///     accounts/.building/<account>/           not published yet
///     accounts/.withdrawn/<account>/          no longer an account; `root` goes first, `record` stays a while
package enum AccountArea {
    package static let record = "record"
    package static let index = "index"
    package static let root = "root"
    package static let sums = "SHA256SUMS"
    package static let building = ".building"
    package static let withdrawn = ".withdrawn"

    /// nil for work areas and for anything else that is not an account's directory.
    package static func account(directory name: [UInt8]) -> AccountID? {
        guard name.count == 16 else { return nil }
        return try? AccountID(bytes: name)
    }
}
