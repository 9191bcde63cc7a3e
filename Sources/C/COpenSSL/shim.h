#ifndef FFS_COPENSSL_SHIM_H
#define FFS_COPENSSL_SHIM_H

// Single DES is "legacy" in OpenSSL 3: through EVP it would need the legacy provider's module on disk,
// which is out of reach after chroot(2). The low-level calls need nothing, hence this define.
#define OPENSSL_SUPPRESS_DEPRECATED 1

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/des.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// Function-like macros, which Swift does not import.
static inline long ffs_ctx_set_min_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}
static inline long ffs_ctx_set_max_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_max_proto_version(context, version);
}
static inline void ffs_ctx_set_options(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA | SSL_OP_ENABLE_KTLS);
    // Buffers exist only while bytes are in them; partial writes suit non-blocking sockets.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}
// A pem_password_cb that has none.
static inline int ffs_no_password(char *buffer, int size, int writing, void *data) {
    (void)buffer; (void)size; (void)writing; (void)data;
    return -1;
}
static inline X509 *ffs_read_certificate(BIO *bio) { return PEM_read_bio_X509(bio, NULL, ffs_no_password, NULL); }
static inline EVP_PKEY *ffs_read_key(BIO *bio) { return PEM_read_bio_PrivateKey(bio, NULL, ffs_no_password, NULL); }
static inline long ffs_ctx_set_cache_mode(SSL_CTX *context, long mode) {
    return SSL_CTX_set_session_cache_mode(context, mode);
}
static inline long ffs_ctx_set_chain(SSL_CTX *context, STACK_OF(X509) *chain) {
    return SSL_CTX_set1_chain(context, chain);
}
static inline long ffs_set_chain(SSL *connection, STACK_OF(X509) *chain) { return SSL_set1_chain(connection, chain); }
static inline long ffs_ctx_set_groups(SSL_CTX *context, const char *groups) {
    return SSL_CTX_set1_groups_list(context, groups);
}
// Sets a ticket's cipher and MAC up under one key; writing, `iv` (16 bytes) is drawn. 1, or -1 when OpenSSL refuses.
static inline int ffs_ticket_key(EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, const unsigned char *hmac_key,
                                 const unsigned char *aes_key, unsigned char *iv, int writing) {
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("digest", "SHA256", 0), OSSL_PARAM_construct_end()};
    if (writing && RAND_bytes(iv, 16) != 1) return -1;
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, aes_key, iv, writing) == 1 &&
           EVP_MAC_init(mac, hmac_key, 32, parameters) == 1 ? 1 : -1;
}
static inline STACK_OF(X509) *ffs_x509_stack(void) { return sk_X509_new_null(); }
static inline int ffs_x509_push(STACK_OF(X509) *stack, X509 *certificate) { return sk_X509_push(stack, certificate); }
static inline void ffs_x509_free(STACK_OF(X509) *stack) { sk_X509_pop_free(stack, X509_free); }
static inline int ffs_ssl_set_data(SSL *connection, void *data) { return SSL_set_app_data(connection, data); }
static inline void *ffs_ssl_data(const SSL *connection) { return SSL_get_app_data(connection); }
static inline int ffs_ktls_send(SSL *connection) { return BIO_get_ktls_send(SSL_get_wbio(connection)) != 0; }
// Records gather in `bytes` of memory in front of the socket; 0 when there is none to be had.
static inline int ffs_gather_records(SSL *connection, long bytes) {
    BIO *socket = SSL_get_wbio(connection), *gather = BIO_new(BIO_f_buffer());
    if (gather == NULL || BIO_set_write_buffer_size(gather, bytes) != 1 || BIO_up_ref(socket) != 1) {
        BIO_free(gather);
        return 0;
    }
    SSL_set0_wbio(connection, BIO_push(gather, socket));
    // The record's own buffer is wanted again at once.
    SSL_clear_mode(connection, SSL_MODE_RELEASE_BUFFERS);
    return 1;
}
// 1 when all is with the socket, 0 when it is full, -1 when it is broken.
// The kernel is not asked to encrypt for this connection.
static inline void ffs_ssl_without_kernel(SSL *connection) { SSL_clear_options(connection, SSL_OP_ENABLE_KTLS); }

static inline int ffs_flush_records(SSL *connection) {
    BIO *gather = SSL_get_wbio(connection);
    return BIO_flush(gather) == 1 ? 1 : BIO_should_retry(gather) ? 0 : -1;
}
static inline size_t ffs_bio_pending(BIO *bio) { return BIO_ctrl_pending(bio); }
static inline long ffs_set_servername(SSL *connection, const char *name) {
    return SSL_set_tlsext_host_name(connection, name);
}

#endif
