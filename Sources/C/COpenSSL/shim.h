#ifndef FFS_COPENSSL_SHIM_H
#define FFS_COPENSSL_SHIM_H

// Single DES is "legacy" in OpenSSL 3: through EVP it would need the legacy provider's module on disk,
// which is out of reach after chroot(2). The low-level calls need nothing, hence this define.
#define OPENSSL_SUPPRESS_DEPRECATED 1

#include <openssl/des.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#endif
