#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <unistd.h>

#define RESULT(call) ((call) < 0 ? -errno : 0)

int ffs_open(int dir, const char *path, int flags, unsigned mode) {
    int fd;
    do fd = openat(dir, path, flags | O_CLOEXEC, mode); while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int ffs_open_beneath(int dir, const char *path, int flags, unsigned mode, uint64_t resolve) {
    struct open_how how = {.flags = (unsigned)flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
    long fd;
    // EAGAIN: a rename elsewhere made the kernel unsure that the walk stayed beneath; openat2(2) says to retry.
    int tries = 0;
    do fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 100)));
    return fd < 0 ? -errno : (int)fd;
}

// EINTR from close(2) on Linux means closed; a retry could close another thread's descriptor.
int ffs_close(int fd) { return close(fd) < 0 && errno != EINTR ? -errno : 0; }

int ffs_mkdir(int dir, const char *path, unsigned mode) { return RESULT(mkdirat(dir, path, mode)); }

int ffs_link(int from, const char *old, int to, const char *new_name) {
    return RESULT(linkat(from, old, to, new_name, 0));
}

int ffs_link_open_file(int fd, int to, const char *new_name) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return RESULT(linkat(AT_FDCWD, path, to, new_name, AT_SYMLINK_FOLLOW));
}

int ffs_rename(int from, const char *old, int to, const char *new_name, unsigned flags) {
    return RESULT(syscall(SYS_renameat2, from, old, to, new_name, flags));
}

int ffs_unlink(int dir, const char *path, int directory) {
    return RESULT(unlinkat(dir, path, directory ? AT_REMOVEDIR : 0));
}

int ffs_stat(int fd, const char *path, struct ffs_status *out) {
    struct statx s;
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (path ? 0 : AT_EMPTY_PATH);
    if (statx(fd, path ? path : "", flags, STATX_BASIC_STATS | STATX_MNT_ID, &s) < 0) return -errno;
    *out = (struct ffs_status){
        .device = (uint64_t)s.stx_dev_major << 32 | s.stx_dev_minor,
        .inode = s.stx_ino,
        .mount = s.stx_mask & STATX_MNT_ID ? s.stx_mnt_id : 0,
        .mode = s.stx_mode,
        .links = s.stx_nlink,
        .user = s.stx_uid,
        .group = s.stx_gid,
        .size = (int64_t)s.stx_size,
        .blocks = (int64_t)s.stx_blocks,
        .modified = s.stx_mtime.tv_sec,
        .changed = s.stx_ctime.tv_sec,
        .modified_nanoseconds = s.stx_mtime.tv_nsec,
        .changed_nanoseconds = s.stx_ctime.tv_nsec,
    };
    return 0;
}

int ffs_touch(int fd, int64_t seconds) {
    struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    return RESULT(futimens(fd, times));
}

long ffs_getdents(int fd, void *buffer, size_t size) {
    long bytes = syscall(SYS_getdents64, fd, buffer, size);
    return bytes < 0 ? -errno : bytes;
}

struct dirent_record {
    uint64_t inode;
    int64_t position;
    uint16_t length;
    uint8_t type;
    char name[];
};

long ffs_list(int fd, void *scratch, size_t size, void *out, int with_status) {
    for (;;) {
        long bytes = syscall(SYS_getdents64, fd, scratch, size);
        if (bytes <= 0) return bytes < 0 ? -errno : 0;
        char *next = out;
        for (long at = 0; at < bytes;) {
            struct dirent_record *record = (struct dirent_record *)((char *)scratch + at);
            at += record->length;
            const char *name = record->name;
            if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0))) continue;
            struct ffs_listed listed = {.mode = record->type == 4 ? S_IFDIR : record->type == 8 ? S_IFREG : 0};
            if (with_status || record->type == 0) {
                struct statx s;
                if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &s) < 0) continue;
                listed.size = (int64_t)s.stx_size;
                listed.modified = s.stx_mtime.tv_sec;
                listed.mode = s.stx_mode;
            }
            if (!S_ISREG(listed.mode) && !S_ISDIR(listed.mode)) continue;
            listed.name_length = (uint32_t)strlen(name);
            memcpy(next, &listed, sizeof listed);
            memcpy(next + sizeof listed, name, listed.name_length);
            next += sizeof listed + (listed.name_length + 7) / 8 * 8;
        }
        if (next > (char *)out) return next - (char *)out;
    }
}

int ffs_clone(int to, int from) { return RESULT(ioctl(to, FICLONE, from)); }

int ffs_writeback(int fd, int64_t offset, int64_t length) {
    return RESULT(sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE));
}

int ffs_write_out(int fd) {
    return RESULT(sync_file_range(
        fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
}

int ffs_syncfs(int fd) { return RESULT(syncfs(fd)); }

int ffs_statvfs(int fd, struct ffs_space *out) {
    struct statvfs v;
    struct statfs s;
    if (fstatvfs(fd, &v) < 0 || fstatfs(fd, &s) < 0) return -errno;
    *out = (struct ffs_space){
        .bytes = (uint64_t)v.f_blocks * v.f_frsize,
        .free_bytes = (uint64_t)v.f_bavail * v.f_frsize,
        .inodes = v.f_files,
        .free_inodes = v.f_favail,
        .type = s.f_type,
    };
    return 0;
}

int ffs_preallocate(int fd, int64_t size) { return RESULT(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size)); }

int ffs_lock(int fd) { return RESULT(flock(fd, LOCK_EX | LOCK_NB)); }

int ffs_has_writer(int fd) {
    // Whoever opens the file while the lease is held makes the kernel signal us: SIGURG is ignored, SIGIO would kill.
    if (fcntl(fd, F_SETSIG, SIGURG) < 0) return -errno;
    if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) return errno == EAGAIN ? 1 : -errno;
    return RESULT(fcntl(fd, F_SETLEASE, F_UNLCK));
}

int ffs_can_read(int dir, const char *path) {
    return RESULT(faccessat(dir, path, R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW));
}

int ffs_random(void *buffer, size_t size) {
    char *next = buffer;
    while (size > 0) {
        ssize_t got = getrandom(next, size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        next += got;
        size -= (size_t)got;
    }
    return 0;
}

const char *ffs_error_text(int number) { return strerrordesc_np(number); }

int ffs_no_new_privileges(void) { return RESULT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }

int ffs_undumpable(void) { return RESULT(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)); }

int ffs_thread_name(const char *name) { return RESULT(prctl(PR_SET_NAME, name, 0, 0, 0)); }

int ffs_set_identity(uint32_t user, uint32_t group, const uint32_t *groups, size_t count) {
    // glibc's wrappers, not bare system calls: they change every thread of the process.
    if (setgroups(count, groups) < 0) return -errno;
    if (setresgid(group, group, group) < 0) return -errno;
    if (setresuid(user, user, user) < 0) return -errno;
    return 0;
}

uint32_t ffs_umask(uint32_t mask) { return umask(mask); }

int ffs_clock_is_kept(void) {
    struct timex state = {0};
    int result = adjtimex(&state);
    return result < 0 ? -errno : result != TIME_ERROR;
}
