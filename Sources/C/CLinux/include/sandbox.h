#ifndef FFS_SANDBOX_H
#define FFS_SANDBOX_H
// What a worker gives up before it reads its first byte from a stranger. Returns 0, or -errno.

#include <stddef.h>

/// Closes every descriptor above 2 that is not in `keep` (ascending order), close_range(2).
int ffs_close_all_but(const int *keep, size_t count);

/// Landlock: from now on nothing outside `directory` can be opened, and nothing inside it but for reading.
/// Descriptors already open stay as they are. -ENOSYS or -EOPNOTSUPP where the kernel has no Landlock.
int ffs_restrict_files(int directory);

/// seccomp(2): a system call outside the network file server's list fails with EPERM; execve, ptrace and the like
/// end the process. Applies to every thread. Needs NO_NEW_PRIVS.
int ffs_restrict_system_calls(void);

#endif
