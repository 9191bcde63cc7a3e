/// The JSON of the API, as ffswebd(8) documents it. Times are RFC 3339 in UTC, sizes bytes, durations seconds.
enum API {
    struct SignIn: Decodable {
        let customer: String
        let password: String
    }

    struct Session: Encodable {
        let token: String
        let customer: String
        let displayName: String
        /// Seconds without a request after which the token is worthless, and seconds after which it is in any case.
        let idleTimeout: Int64
        let lifetime: Int64
    }

    struct ItemName: Codable {
        let product: String
        let version: String
    }

    static let productsOnAPage = 100

    struct Entitlements: Encodable {
        /// On all pages.
        let products: Int
        /// Asks for the next page, as `after`; absent on the last.
        let next: String?
        let entitlements: [EntitlementRow]
    }

    struct EntitlementRow: Encodable {
        let product: String
        let version: String
        let title: String
        let summary: String
        let size: Int
        let files: Int
        let released: String
        let until: String?
        let policy: String
    }

    struct Order: Decodable {
        let items: [ItemName]
        let lifetime: Int?
    }

    struct Lifetime: Decodable {
        let lifetime: Int?
    }

    struct Password: Decodable {
        let password: String
        let newPassword: String
    }

    static let accountsOnAPage = 100

    struct Accounts: Encodable {
        /// On all pages.
        let count: Int
        /// Asks for the next page, as `after`; absent on the last.
        let next: String?
        let accounts: [AccountRow]
    }

    struct AccountRow: Encodable {
        let account: String
        let items: [ItemName]
        let created: String
        let expires: String
    }

    struct Account: Encodable {
        let account: String
        /// Only in the reply that made the account.
        let password: String?
        let items: [ItemName]
        let created: String
        let expires: String
        let policy: String
        let order: Int
        let fileCount: Int
        let size: Int
        let links: Links
        /// What the commands check the server against, to be saved under the name they give; absent where tools trust
        /// the server unasked.
        let certificate: String?
        let commands: [Command]
        let files: [File]
    }

    struct Links: Encodable {
        let https: String?
        /// ``https`` with what opens it without the password, for a while.
        let signed: String?
        let ftps: String?
        let ftp: String?
    }

    struct Command: Encodable {
        let tool: String
        let purpose: String
        let command: String
    }

    struct File: Encodable {
        let path: String
        let url: String?
        let signedUrl: String?
        let size: Int
        let sha256: String
    }

    struct Problem: Encodable {
        struct Detail: Encodable {
            let code: String
            let message: String
            let retryAfter: Int?
        }

        let error: Detail
    }
}
