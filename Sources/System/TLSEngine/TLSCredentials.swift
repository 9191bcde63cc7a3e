import COpenSSL

/// A certificate chain with its private key, read from PEM text and checked to belong together.
package final class TLSCredentials: Sendable {
    // Proof for the unsafe annotations: OpenSSL's X509 and EVP_PKEY are reference counted with atomics and are only
    // read after `init`.
    nonisolated(unsafe) let leaf: OpaquePointer
    nonisolated(unsafe) let chain: OpaquePointer
    nonisolated(unsafe) let key: OpaquePointer
    /// When the leaf stops being valid: seconds since 1970 in UTC.
    package let notAfter: Int64

    /// - Parameters:
    ///   - certificatePEM: leaf first, then intermediates (ffs.yaml(5)).
    ///   - privateKeyPEM: unencrypted PKCS#8, PKCS#1 or SEC 1; an encrypted key is an error, never a prompt.
    package init(certificatePEM: [UInt8], privateKeyPEM: [UInt8]) throws(TLSError) {
        var certificates: [OpaquePointer] = []
        Self.read(certificatePEM) { bio in
            while let certificate = ffs_read_certificate(bio) { certificates.append(certificate) }
        }
        // The end of the file is an error to the PEM reader.
        ERR_clear_error()
        var key: OpaquePointer?
        Self.read(privateKeyPEM) { bio in key = ffs_read_key(bio) }
        guard let leaf = certificates.first, let key, X509_check_private_key(leaf, key) == 1,
            let stack = ffs_x509_stack()
        else {
            let error = Self.complaint(certificates: certificates.count, haveKey: key != nil)
            for certificate in certificates { X509_free(certificate) }
            EVP_PKEY_free(key)
            throw error
        }
        for certificate in certificates.dropFirst() { _ = ffs_x509_push(stack, certificate) }
        self.leaf = leaf
        self.key = key
        chain = stack
        notAfter = secondsSince1970(X509_get0_notAfter(leaf))
    }

    deinit {
        X509_free(leaf)
        ffs_x509_free(chain)
        EVP_PKEY_free(key)
    }

    /// Whether the leaf is valid for a server called `name` (RFC 9525), wildcards included.
    package func serves(_ name: String) -> Bool {
        let bytes = Array(name.utf8CString)
        return X509_check_host(leaf, bytes, bytes.count - 1, 0, nil) == 1
    }

    private static func read(_ pem: [UInt8], _ body: (OpaquePointer?) -> Void) {
        pem.withUnsafeBytes { bytes in
            guard let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return }
            body(bio)
            BIO_free(bio)
        }
    }

    private static func complaint(certificates: Int, haveKey: Bool) -> TLSError {
        if certificates == 0 { return .fromQueue(.credentials, "there is no PEM certificate in the certificate file") }
        if !haveKey {
            return .fromQueue(.credentials, "there is no unencrypted PEM private key in the key file")
        }
        return .fromQueue(.credentials, "the private key does not belong to the certificate")
    }
}
