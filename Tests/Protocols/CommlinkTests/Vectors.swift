import FFSModel
import Foundation
import Testing

/// The published vectors, as their files hold them.
enum Vectors {
    struct NoiseFile: Decodable { let vectors: [NoiseVector] }

    struct NoiseVector: Decodable {
        struct Message: Decodable { let payload, ciphertext: String }
        let protocol_name, init_prologue, init_ephemeral, resp_prologue, resp_ephemeral, handshake_hash: String
        let init_psks, resp_psks: [String]
        let messages: [Message]
    }

    struct FFS2File: Decodable {
        let keybag: String
        let conversations: [Conversation]
    }

    struct Conversation: Decodable, Sendable, CustomTestStringConvertible {
        struct Line: Decodable, Sendable {
            let from, line: String
            let flag: UInt8?
            let iv, body: String?
        }
        let port: UInt16
        let index: Int
        let client_ephemeral_private, server_ephemeral_private, handshake_hash: String
        let wire: [Line]

        var testDescription: String { "port \(port)" }
    }

    static func load<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
        let url = try #require(Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Vectors"))
        return try JSONDecoder().decode(type, from: Data(contentsOf: url))
    }

    static func ffs2() throws -> FFS2File { try load("ffs2", as: FFS2File.self) }
}

func bytes(hex: String) throws -> [UInt8] { try #require(Hex.decode(Array(hex.utf8))) }

/// Gives out exactly the bytes it was made with; drawing more is a test's mistake.
struct Tape: RandomNumberGenerator {
    private var words: ArraySlice<UInt64>

    init(hex: String...) throws {
        let bytes = try hex.flatMap(CommlinkTests.bytes(hex:))
        precondition(bytes.count.isMultiple(of: 8))
        words =
            stride(from: 0, to: bytes.count, by: 8).map { start in
                bytes[start..<(start + 8)].reduce(0) { $0 << 8 | UInt64($1) }
            }[...]
    }

    var isEmpty: Bool { words.isEmpty }

    mutating func next() -> UInt64 {
        guard let word = words.popFirst() else { preconditionFailure("the tape has ended") }
        return word
    }
}
