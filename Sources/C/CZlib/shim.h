#ifndef FFS_CZLIB_SHIM_H
#define FFS_CZLIB_SHIM_H
#include <zlib.h>

/* deflateInit() is a macro, which Swift does not see. Z_OK, or an error of zlib.h. */
static inline int ffs_deflate_init(z_stream *stream, int level) { return deflateInit(stream, level); }

static inline int ffs_inflate_init(z_stream *stream) { return inflateInit(stream); }
#endif
