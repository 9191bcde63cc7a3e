#define _GNU_SOURCE
#include "CSandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int ffs_close_from(unsigned first) { return syscall(SYS_close_range, first, ~0U, 0) < 0 ? -errno : 0; }

int ffs_thread_count(void) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return -errno;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

// MARK: Landlock

// Every access of ABI 1 to 5; bits that a kernel does not know are cut off below.
#define FILE_SYSTEM_V1 ((1ULL << 13) - 1)

int ffs_landlock_read_only(int directory) {
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0) return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
    struct {
        uint64_t file_system, network;
    } handled = {FILE_SYSTEM_V1, 0};
    if (abi >= 2) handled.file_system |= 1ULL << 13;  // REFER
    if (abi >= 3) handled.file_system |= 1ULL << 14;  // TRUNCATE
    if (abi >= 5) handled.file_system |= 1ULL << 15;  // IOCTL_DEV
    size_t size = abi >= 4 ? sizeof handled : sizeof handled.file_system;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0);
    if (rules < 0) return -errno;
    struct landlock_path_beneath_attr beneath = {
        .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
        .parent_fd = directory,
    };
    int error = 0;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        error = -errno;
    close(rules);
    return error < 0 ? error : abi;
}

// MARK: seccomp

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#else
#error "add this machine's audit number"
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

static const int allowed[] = {
    // Sockets.
    SYS_accept4, SYS_bind, SYS_connect, SYS_getpeername, SYS_getsockname, SYS_getsockopt, SYS_listen, SYS_recvfrom,
    SYS_recvmsg, SYS_sendfile, SYS_sendmsg, SYS_sendto, SYS_setsockopt, SYS_shutdown, SYS_socket,
    // Files: reading only; openat is for the C library's own needs after chroot and obeys Landlock.
    SYS_close, SYS_fstat, SYS_getdents64, SYS_lseek, SYS_newfstatat, SYS_openat, SYS_openat2, SYS_pread64, SYS_preadv,
    SYS_read, SYS_readv, SYS_statx, SYS_fadvise64, SYS_readahead, SYS_fcntl, SYS_ioctl, SYS_dup,
    // Log, transfer log and the supervisor's channel.
    SYS_write, SYS_writev, SYS_pwrite64,
    // Waiting and time.
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_eventfd2, SYS_ppoll, SYS_clock_gettime, SYS_clock_nanosleep,
    SYS_gettimeofday, SYS_nanosleep, SYS_restart_syscall,
    // Threads and memory. clone: no new process can gain anything, execve is not allowed.
    SYS_clone, SYS_clone3, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq, SYS_set_tid_address, SYS_futex,
    SYS_sched_yield, SYS_sched_getaffinity, SYS_membarrier, SYS_mmap, SYS_mprotect, SYS_munmap, SYS_mremap,
    SYS_madvise, SYS_brk, SYS_prctl, SYS_sysinfo,
    // Signals and the end.
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_tgkill, SYS_exit, SYS_exit_group,
    // Who am I.
    SYS_getpid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getrandom, SYS_getrlimit,
    SYS_prlimit64, SYS_uname, SYS_getrusage,
#ifdef SYS_epoll_wait
    SYS_epoll_wait, SYS_poll, SYS_open, SYS_stat, SYS_access, SYS_arch_prctl, SYS_time, SYS_readlink,
#endif
};

// Nothing in this program ever asks for these: whoever does is an intruder.
static const int fatal[] = {
    SYS_execve, SYS_execveat, SYS_ptrace, SYS_mount, SYS_umount2, SYS_chroot, SYS_pivot_root, SYS_setns, SYS_unshare,
    SYS_init_module, SYS_finit_module, SYS_kexec_load, SYS_bpf, SYS_keyctl, SYS_process_vm_writev, SYS_setuid,
    SYS_setgid, SYS_setresuid, SYS_setresgid,
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

int ffs_seccomp_worker(void) {
    // 4 for the machine, then a test and a result for each number, then the default.
    struct sock_filter program[4 + 2 * COUNT(allowed) + 2 * COUNT(fatal) + 1];
    size_t n = 0;
#define ADD(...)                                               \
    do {                                                       \
        const struct sock_filter statement = __VA_ARGS__;      \
        program[n++] = statement;                              \
    } while (0)
    ADD(LOAD(arch));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0));
    ADD(RETURN(SECCOMP_RET_KILL_PROCESS));
    ADD(LOAD(nr));
    for (size_t i = 0; i < COUNT(allowed); i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1));
        ADD(RETURN(SECCOMP_RET_ALLOW));
    }
    for (size_t i = 0; i < COUNT(fatal); i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, fatal[i], 0, 1));
        ADD(RETURN(SECCOMP_RET_KILL_PROCESS));
    }
    ADD(RETURN(SECCOMP_RET_ERRNO | EPERM));
    struct sock_fprog filter = {.len = (unsigned short)n, .filter = program};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0 ? -errno : 0;
}
