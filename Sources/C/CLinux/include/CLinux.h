#ifndef FFS_CLINUX_H
#define FFS_CLINUX_H
// System calls that Swift cannot call itself: variadic ones, and those glibc has no wrapper for.
//
// Every function returns what the system call returns, or -errno. errno itself is never left for the caller:
// Swift may run code of its own between the call and the look at it.

#include <stddef.h>
#include <stdint.h>

// What statx(2) tells, without its padding.
struct ffs_status {
    uint64_t device;   // major << 32 | minor
    uint64_t inode;
    uint64_t mount;    // STATX_MNT_ID; 0 where the kernel (before 5.8) does not tell
    uint32_t mode;
    uint32_t links;
    uint32_t user;
    uint32_t group;
    int64_t size;
    int64_t blocks;    // of 512 bytes
    int64_t modified;  // seconds since the epoch
    int64_t changed;
    uint32_t modified_nanoseconds;
    uint32_t changed_nanoseconds;
};

// What statvfs(3) tells of the file system that holds a descriptor.
struct ffs_space {
    uint64_t bytes, free_bytes;    // free_bytes: for unprivileged users
    uint64_t inodes, free_inodes;  // both 0 where inodes are not counted (btrfs)
    int64_t type;                  // magic number, statfs(2)
};

// Files and directories; flags and modes are those of <fcntl.h>.
int ffs_open(int dir, const char *path, int flags, unsigned mode);                       // openat(2)
int ffs_open_beneath(int dir, const char *path, int flags, unsigned mode, uint64_t resolve);  // openat2(2)
int ffs_close(int fd);
int ffs_mkdir(int dir, const char *path, unsigned mode);
int ffs_link(int from, const char *old, int to, const char *new_name);                   // linkat(2), flags 0
int ffs_link_open_file(int fd, int to, const char *new_name);  // linkat(2) through /proc/self/fd
int ffs_rename(int from, const char *old, int to, const char *new_name, unsigned flags); // renameat2(2)
int ffs_unlink(int dir, const char *path, int directory);
int ffs_stat(int fd, const char *path, struct ffs_status *out);  // path NULL: fd itself; never follows a final link
int ffs_touch(int fd, int64_t seconds);
long ffs_getdents(int fd, void *buffer, size_t size);

// One name of a listing, followed by the name itself, padded to a multiple of 8.
struct ffs_listed {
    int64_t size;
    int64_t modified;      // seconds since the epoch; 0 without status
    uint32_t mode;         // with the file type
    uint32_t name_length;
};

// The next getdents64(2) of a directory as ffs_listed records of its regular files and directories, without `.` and
// `..`. `scratch` and `out` have `size` and 2 * `size` bytes. Returns the bytes in `out`, 0 at the end. A name that
// vanishes meanwhile is left out.
long ffs_list(int fd, void *scratch, size_t size, void *out, int with_status);
int ffs_clone(int to, int from);                                                         // ioctl FICLONE
int ffs_writeback(int fd, int64_t offset, int64_t length);       // sync_file_range(2), start only
int ffs_write_out(int fd);                                       // sync_file_range(2), start and wait
int ffs_syncfs(int fd);
int ffs_preallocate(int fd, int64_t size);                       // fallocate(2), the size stays
int ffs_statvfs(int fd, struct ffs_space *out);
int ffs_lock(int fd);                                            // flock(2), exclusive, does not wait
int ffs_has_writer(int fd);   // 1 when anyone has the file open for writing; F_SETLEASE of fcntl(2): owner or root
int ffs_can_read(int dir, const char *path);                     // faccessat(2) with the effective ids

// The process.
const char *ffs_error_text(int number);  // strerrordesc_np(3): static, the same in every locale; NULL if unknown
int ffs_random(void *buffer, size_t size);
int ffs_no_new_privileges(void);
int ffs_undumpable(void);
int ffs_thread_name(const char *name);
int ffs_set_identity(uint32_t user, uint32_t group, const uint32_t *groups, size_t count);
uint32_t ffs_umask(uint32_t mask);
int ffs_clock_is_kept(void);  // 1 when a time service keeps the clock, adjtimex(2)

#include "sandbox.h"
#include "sockets.h"

#endif
