import FFSModel

/// The first line each way. Fields are single spaces apart; numbers are decimal without leading zeros.
///
///     C: FFS2 5f0c9a4e1b7d2386 49153 18 <base64 of Noise message 1>
///     S: FFS2 5f0c9a4e1b7d2386 <base64 of Noise message 2>
enum Hello {
    /// Bytes of a hello line, CR LF not counted.
    static let limit = 510

    struct Client: Sendable, Hashable {
        let bag: BagID
        let port: UInt16
        let index: Int
        let message: [UInt8]

        /// The line without its last field: what the handshake authenticates.
        var prologue: [UInt8] { Hello.prologue(bag: bag, port: port, index: index) }

        var line: [UInt8] { prologue + [space] + Base64.encode(message) }

        init(bag: BagID, port: UInt16, index: Int, message: [UInt8]) {
            self.bag = bag
            self.port = port
            self.index = index
            self.message = message
        }

        init(parsing line: ArraySlice<UInt8>) throws(WireError) {
            let fields = line.split(separator: space, omittingEmptySubsequences: false)
            guard fields.count == 5, fields[0].elementsEqual(magic), let bag = BagID(hex: fields[1]),
                let port = decimal(fields[2]).flatMap(UInt16.init(exactly:)), port > 0,
                let index = decimal(fields[3])
            else { throw .malformedHello }
            self.init(bag: bag, port: port, index: index, message: try noiseMessage(fields[4]))
        }
    }

    struct Server: Sendable, Hashable {
        let bag: BagID
        let message: [UInt8]

        var line: [UInt8] { magic + [space] + Array(bag.description.utf8) + [space] + Base64.encode(message) }

        init(bag: BagID, message: [UInt8]) {
            self.bag = bag
            self.message = message
        }

        init(parsing line: ArraySlice<UInt8>) throws(WireError) {
            let fields = line.split(separator: space, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[0].elementsEqual(magic), let bag = BagID(hex: fields[1]) else {
                throw .malformedHello
            }
            self.init(bag: bag, message: try noiseMessage(fields[2]))
        }
    }

    static func prologue(bag: BagID, port: UInt16, index: Int) -> [UInt8] {
        Array("FFS2 \(bag) \(port) \(index)".utf8)
    }
}

private let magic = Array("FFS2".utf8)
private let space = UInt8(ascii: " ")

private func noiseMessage(_ field: ArraySlice<UInt8>) throws(WireError) -> [UInt8] {
    guard let bytes = Base64.decode(Array(field)), bytes.count == Noise.emptyMessageSize else {
        throw .malformedHello
    }
    return bytes
}

/// Decimal digits without a leading zero, at most 65535.
private func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
    guard let first = digits.first, digits.count <= 5, first != UInt8(ascii: "0") || digits.count == 1 else {
        return nil
    }
    var value = 0
    for digit in digits {
        guard (0x30...0x39).contains(digit) else { return nil }
        value = value * 10 + Int(digit - 0x30)
    }
    return value <= 65_535 ? value : nil
}
