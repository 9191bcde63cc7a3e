#ifndef FFS_CCRYPT_SHIM_H
#define FFS_CCRYPT_SHIM_H
#include <crypt.h>
#endif
