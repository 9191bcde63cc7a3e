#ifndef FFS_CLINUX_H
#define FFS_CLINUX_H
// System calls that Swift cannot call itself: variadic ones, and those glibc has no wrapper for.
#include "privileges.h"
#endif
