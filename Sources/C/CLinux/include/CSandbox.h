#ifndef FFS_CSANDBOX_H
#define FFS_CSANDBOX_H
// What confines a worker of ffsftpd. Results or -errno.

#include <stdint.h>

// close_range(2): closes every descriptor from `first` up.
int ffs_close_from(unsigned first);

// Landlock: below `directory` files and directories can be read, everything else in the file system is out of reach,
// and where the kernel knows it (ABI 4) no TCP port below 1024 can be bound. Returns the ABI, or 0 where the kernel
// has no Landlock. Applies to the calling thread and those it starts; needs NO_NEW_PRIVS.
int ffs_landlock_read_only(int directory);

// seccomp(2) allow-list of a worker, on all threads: execve, ptrace, mount and the like end the process, any other
// call not listed fails with EPERM. Needs NO_NEW_PRIVS.
int ffs_seccomp_worker(void);

// Threads of this process, from /proc/self/task; -errno when it cannot be read.
int ffs_thread_count(void);
#endif
