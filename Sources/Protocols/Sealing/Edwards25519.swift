import COpenSSL

/// Public keys of Ed25519 as points of Curve25519, by OpenSSL's numbers; nothing secret comes here.
enum Edwards25519 {
    /// `u = (1 + y) / (1 − y)` modulo 2²⁵⁵ − 19 (RFC 7748 §4.1), little-endian, of an encoded point (RFC 8032 §5.1.2); nil
    /// when the bytes are no point of the curve, or one without a `u`.
    static func montgomery(_ encoded: [UInt8]) -> [UInt8]? {
        guard encoded.count == 32 else { return nil }
        var bytes = encoded
        let isOdd = bytes[31] & 0x80 != 0
        bytes[31] &= 0x7F
        let field = Field()
        let y = Number(littleEndian: bytes)
        // A coordinate has one encoding.
        guard BN_cmp(y.raw, field.prime.raw) < 0, let x2 = field.squareOfX(y) else { return nil }
        if BN_is_zero(x2.raw) == 1 && isOdd { return nil }
        guard let inverse = field.inverse(field.subtract(Number(1), y)) else { return nil }
        return field.multiply(field.add(Number(1), y), inverse).littleEndian
    }

    /// A number of OpenSSL's.
    private final class Number {
        let raw: OpaquePointer

        init() { raw = BN_new() }
        init(_ word: UInt) {
            raw = BN_new()
            BN_set_word(raw, word)
        }
        init(littleEndian bytes: [UInt8]) { raw = BN_lebin2bn(bytes, Int32(bytes.count), nil) }
        deinit { BN_free(raw) }

        /// 32 bytes.
        var littleEndian: [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 32)
            BN_bn2lebinpad(raw, &bytes, 32)
            return bytes
        }
    }

    /// Arithmetic modulo 2²⁵⁵ − 19.
    private final class Field {
        let prime = Number()
        private let context: OpaquePointer = BN_CTX_new()
        private let d: Number

        init() {
            BN_set_bit(prime.raw, 255)
            BN_sub_word(prime.raw, 19)
            // RFC 8032 §5.1: d = −121665 / 121666.
            d = Number(121_666)
            BN_mod_inverse(d.raw, d.raw, prime.raw, context)
            let factor = Number(121_665)
            BN_mod_mul(d.raw, d.raw, factor.raw, prime.raw, context)
            BN_sub(d.raw, prime.raw, d.raw)
        }

        deinit { BN_CTX_free(context) }

        func add(_ a: Number, _ b: Number) -> Number {
            let sum = Number()
            BN_mod_add(sum.raw, a.raw, b.raw, prime.raw, context)
            return sum
        }

        func subtract(_ a: Number, _ b: Number) -> Number {
            let difference = Number()
            BN_mod_sub(difference.raw, a.raw, b.raw, prime.raw, context)
            return difference
        }

        func multiply(_ a: Number, _ b: Number) -> Number {
            let product = Number()
            BN_mod_mul(product.raw, a.raw, b.raw, prime.raw, context)
            return product
        }

        /// nil for zero.
        func inverse(_ a: Number) -> Number? {
            guard BN_is_zero(a.raw) == 0 else { return nil }
            let inverse = Number()
            BN_mod_inverse(inverse.raw, a.raw, prime.raw, context)
            return inverse
        }

        /// `(y² − 1) / (d y² + 1)`; nil when that is no square, so that the curve has no point with this `y`.
        func squareOfX(_ y: Number) -> Number? {
            let y2 = multiply(y, y)
            guard let below = inverse(add(multiply(d, y2), Number(1))) else { return nil }
            let x2 = multiply(subtract(y2, Number(1)), below)
            guard BN_is_zero(x2.raw) == 0 else { return x2 }
            // Euler's criterion: a square's power (p − 1) / 2 is one.
            let exponent = Number()
            BN_copy(exponent.raw, prime.raw)
            BN_rshift1(exponent.raw, exponent.raw)
            let power = Number()
            BN_mod_exp(power.raw, x2.raw, exponent.raw, prime.raw, context)
            return BN_is_one(power.raw) == 1 ? x2 : nil
        }
    }
}
