import COpenSSL

/// What a certificate says, read without its key: for operators' checks.
package final class CertificateFacts: Sendable {
    // Proof for the unsafe annotation: an X509 is only read after `init`.
    nonisolated(unsafe) private let certificate: OpaquePointer
    /// Seconds since 1970 in UTC.
    package let notBefore: Int64
    package let notAfter: Int64

    /// The first certificate in PEM text; nil when there is none.
    package init?(pem: [UInt8]) {
        let found = pem.withUnsafeBytes { bytes -> OpaquePointer? in
            guard let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
            defer { BIO_free(bio) }
            return ffs_read_certificate(bio)
        }
        ERR_clear_error()
        guard let found else { return nil }
        certificate = found
        notBefore = secondsSince1970(X509_get0_notBefore(found))
        notAfter = secondsSince1970(X509_get0_notAfter(found))
    }

    deinit { X509_free(certificate) }

    /// Whether it is valid for a server called `name` (RFC 9525), wildcards included, or at that address.
    package func serves(_ name: String) -> Bool {
        let bytes = Array(name.utf8CString)
        return X509_check_host(certificate, bytes, bytes.count - 1, 0, nil) == 1
            || X509_check_ip_asc(certificate, bytes, 0) == 1
    }

    /// Whether both are the same certificate, byte for byte.
    package func isSame(as other: CertificateFacts) -> Bool { X509_cmp(certificate, other.certificate) == 0 }
}

/// Seconds since 1970 in UTC; 0 for what is no time.
func secondsSince1970(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
    var days: Int32 = 0
    var seconds: Int32 = 0
    let epoch = ASN1_TIME_set(nil, 0)
    defer { ASN1_TIME_free(epoch) }
    guard ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else { return 0 }
    return Int64(days) * 86_400 + Int64(seconds)
}
