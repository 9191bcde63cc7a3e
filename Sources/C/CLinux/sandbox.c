#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int ffs_close_all_but(const int *keep, size_t count) {
    unsigned from = 3;
    for (size_t i = 0; i < count; i++) {
        unsigned kept = (unsigned)keep[i];
        if (kept < from) continue;
        if (kept > from && syscall(SYS_close_range, from, kept - 1, 0) != 0) return -errno;
        from = kept + 1;
    }
    return syscall(SYS_close_range, from, ~0U, 0) == 0 ? 0 : -errno;
}

// Access rights by Landlock ABI, as the installed <linux/landlock.h> may be older than the running kernel.
enum { rights_abi1 = (1 << 13) - 1, right_refer = 1 << 13, right_truncate = 1 << 14, right_ioctl_device = 1 << 15 };

int ffs_restrict_files(int directory) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0) return -errno;
    struct landlock_ruleset_attr attributes = {.handled_access_fs = rights_abi1};
    if (abi >= 2) attributes.handled_access_fs |= right_refer;
    if (abi >= 3) attributes.handled_access_fs |= right_truncate;
    if (abi >= 5) attributes.handled_access_fs |= right_ioctl_device;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset < 0) return -errno;
    struct landlock_path_beneath_attr beneath = {
        .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
        .parent_fd = directory,
    };
    int result = 0;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0 ||
        syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        result = -errno;
    close(ruleset);
    return result;
}

#if defined(__x86_64__)
#define FFS_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FFS_AUDIT_ARCH AUDIT_ARCH_AARCH64
#else
#error "add this machine's AUDIT_ARCH"
#endif

// What NIO, the Swift runtime, glibc's allocator and threads, and a sendfile server call once they run.
static const int allowed[] = {
    // descriptors
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_preadv2, SYS_pwrite64, SYS_lseek, SYS_close, SYS_dup, SYS_fdatasync,
    SYS_pipe2, SYS_splice, SYS_tee, SYS_sendfile, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_openat,
    SYS_openat2, SYS_readlinkat, SYS_faccessat, SYS_fadvise64, SYS_readahead, SYS_fstatfs, SYS_close_range,
    // sockets
    SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_shutdown, SYS_getsockname, SYS_getpeername,
    SYS_setsockopt, SYS_getsockopt, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg,
    // readiness and time
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd2, SYS_timerfd_create,
    SYS_timerfd_settime, SYS_timerfd_gettime, SYS_ppoll, SYS_pselect6, SYS_clock_gettime, SYS_clock_nanosleep,
    SYS_clock_getres, SYS_nanosleep, SYS_gettimeofday,
    // memory
    SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_brk, SYS_mlock, SYS_munlock,
    // threads
    SYS_futex, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq, SYS_gettid, SYS_tgkill, SYS_membarrier,
    SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_sched_getparam, SYS_sched_getscheduler,
    SYS_set_tid_address, SYS_getcpu,
    // signals and the end
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_rt_sigsuspend, SYS_sigaltstack,
    SYS_restart_syscall, SYS_signalfd4, SYS_exit, SYS_exit_group,
    // who and how much
    SYS_getpid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getrandom, SYS_getrusage,
    SYS_prlimit64, SYS_sysinfo, SYS_uname,
#if defined(__x86_64__)
    SYS_poll, SYS_epoll_wait, SYS_epoll_create, SYS_stat, SYS_lstat, SYS_time, SYS_arch_prctl,
#endif
};

// Nothing a file server meets by mistake: whoever calls these has taken the process over.
static const int fatal[] = {
    SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_init_module,
    SYS_finit_module, SYS_kexec_load, SYS_bpf, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_setns, SYS_unshare,
    SYS_keyctl, SYS_add_key, SYS_perf_event_open, SYS_userfaultfd,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define LOAD_ARGUMENT(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n)))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, (skip))
#define UNLESS_BITS(value, skip) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(value), 0, (skip))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, (uint32_t)(action))
#define REFUSE(error) ANSWER(SECCOMP_RET_ERRNO | ((error) & SECCOMP_RET_DATA))

int ffs_restrict_system_calls(void) {
    struct sock_filter program[2 * (COUNT(allowed) + COUNT(fatal)) + 64];
    size_t n = 0;
#define ADD(...)                                                       \
    do {                                                               \
        const struct sock_filter statements[] = {__VA_ARGS__};         \
        for (size_t k = 0; k < COUNT(statements); k++) program[n++] = statements[k]; \
    } while (0)

    ADD(LOAD(arch), UNLESS(FFS_AUDIT_ARCH, 0));
    program[n - 1].jt = 1;
    ADD(ANSWER(SECCOMP_RET_KILL_PROCESS), LOAD(nr));
#if defined(__x86_64__)
    // x32 calls carry this bit and would pass number checks meant for others.
    ADD(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), ANSWER(SECCOMP_RET_KILL_PROCESS));
#endif
    for (size_t i = 0; i < COUNT(allowed); i++) ADD(UNLESS(allowed[i], 1), ANSWER(SECCOMP_RET_ALLOW));
    for (size_t i = 0; i < COUNT(fatal); i++) ADD(UNLESS(fatal[i], 1), ANSWER(SECCOMP_RET_KILL_PROCESS));
    // Threads, not processes. clone3's flags are out of a filter's sight: glibc falls back to clone on ENOSYS.
    ADD(UNLESS(SYS_clone3, 1), REFUSE(ENOSYS));
    ADD(UNLESS(SYS_clone, 3), LOAD_ARGUMENT(0), UNLESS_BITS(CLONE_THREAD, 1), ANSWER(SECCOMP_RET_ALLOW));
    ADD(LOAD(nr));
    // TCP alone: no packet, netlink or local sockets.
    ADD(UNLESS(SYS_socket, 5), LOAD_ARGUMENT(0), UNLESS(AF_INET, 1), ANSWER(SECCOMP_RET_ALLOW), UNLESS(AF_INET6, 1),
        ANSWER(SECCOMP_RET_ALLOW));
    ADD(LOAD(nr));
    ADD(UNLESS(SYS_prctl, 3), LOAD_ARGUMENT(0), UNLESS(PR_SET_NAME, 1), ANSWER(SECCOMP_RET_ALLOW));
    ADD(LOAD(nr));
    ADD(UNLESS(SYS_ioctl, 5), LOAD_ARGUMENT(1), UNLESS(FIONBIO, 1), ANSWER(SECCOMP_RET_ALLOW), UNLESS(FIONREAD, 1),
        ANSWER(SECCOMP_RET_ALLOW));
    ADD(LOAD(nr));
    // No shared mapping, through which a journal could be overwritten.
    ADD(UNLESS(SYS_mmap, 4), LOAD_ARGUMENT(3), UNLESS_BITS(MAP_SHARED, 1), REFUSE(EPERM), ANSWER(SECCOMP_RET_ALLOW));
    ADD(LOAD(nr));
    // A journal's descriptor stays one that appends: flags of open files are not set any more. NIO makes each socket
    // that it gets non-blocking, which ours are: it is told that it has done so.
    ADD(UNLESS(SYS_fcntl, 4), LOAD_ARGUMENT(1), UNLESS(F_SETFL, 1), REFUSE(0), ANSWER(SECCOMP_RET_ALLOW));
    ADD(REFUSE(EPERM));
#undef ADD

    struct sock_fprog filter = {.len = (unsigned short)n, .filter = program};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0) return -errno;
    return 0;
}
