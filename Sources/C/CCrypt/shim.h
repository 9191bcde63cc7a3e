#ifndef FFS_CCRYPT_SHIM_H
#define FFS_CCRYPT_SHIM_H
#include <crypt.h>
#include <stdlib.h>

// What libcrypt allocated.
static inline void ffs_crypt_free(void *memory) { free(memory); }
#endif
