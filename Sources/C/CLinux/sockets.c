#define _GNU_SOURCE
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define RESULT(call) ((call) < 0 ? -errno : 0)

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t to_kernel(const struct ffs_address *in, union any_address *out) {
    memset(out, 0, sizeof *out);
    if (in->family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(in->port);
        memcpy(&out->v4.sin_addr, in->bytes, 4);
        return sizeof out->v4;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(in->port);
    out->v6.sin6_scope_id = in->scope;
    memcpy(&out->v6.sin6_addr, in->bytes, 16);
    return sizeof out->v6;
}

// A v4-mapped IPv6 address is reported as IPv4: one peer, one form.
static void from_kernel(const union any_address *in, struct ffs_address *out) {
    memset(out, 0, sizeof *out);
    if (in->any.sa_family == AF_INET) {
        out->family = 4;
        out->port = ntohs(in->v4.sin_port);
        memcpy(out->bytes, &in->v4.sin_addr, 4);
    } else if (IN6_IS_ADDR_V4MAPPED(&in->v6.sin6_addr)) {
        out->family = 4;
        out->port = ntohs(in->v6.sin6_port);
        memcpy(out->bytes, (const uint8_t *)&in->v6.sin6_addr + 12, 4);
    } else {
        out->family = 6;
        out->port = ntohs(in->v6.sin6_port);
        out->scope = in->v6.sin6_scope_id;
        memcpy(out->bytes, &in->v6.sin6_addr, 16);
    }
}

static int fail(int fd) {
    int error = -errno;
    close(fd);
    return error;
}

int ffs_listen(const struct ffs_address *address, int backlog, int both_families) {
    union any_address kernel;
    socklen_t size = to_kernel(address, &kernel);
    int fd = socket(kernel.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, only = !both_families;
    if (fd < 0) return -errno;
    // Not on a port the kernel chooses, where it would allow a port in TIME_WAIT to be taken twice.
    if (address->port != 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0) return fail(fd);
    if (address->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0) return fail(fd);
    if (bind(fd, &kernel.any, size) < 0 || listen(fd, backlog) < 0) return fail(fd);
    return fd;
}

int ffs_accept(int fd, struct ffs_address *peer) {
    union any_address kernel;
    for (;;) {
        socklen_t size = sizeof kernel;
        int accepted = accept4(fd, &kernel.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            from_kernel(&kernel, peer);
            return accepted;
        }
        // accept(2): errors of the new connection itself come out here; the next one may be fine.
        switch (errno) {
        case EINTR: case ECONNABORTED: case EPROTO: case ENETDOWN: case ENOPROTOOPT: case EHOSTDOWN: case ENONET:
        case EHOSTUNREACH: case ENETUNREACH: continue;
        default: return -errno;
        }
    }
}

int ffs_connect(const struct ffs_address *from, const struct ffs_address *to) {
    union any_address local, remote;
    socklen_t local_size = to_kernel(from, &local), remote_size = to_kernel(to, &remote);
    int fd = socket(remote.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) return -errno;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, &local.any, local_size) < 0) return fail(fd);
    if (connect(fd, &remote.any, remote_size) < 0 && errno != EINPROGRESS && errno != EINTR) return fail(fd);
    return fd;
}

int ffs_socket_error(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return -errno;
    return -error;
}

int ffs_local_address(int fd, struct ffs_address *out) {
    union any_address kernel;
    socklen_t size = sizeof kernel;
    if (getsockname(fd, &kernel.any, &size) < 0) return -errno;
    from_kernel(&kernel, out);
    return 0;
}

int ffs_socket_option(int fd, int option, int value) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    switch (option) {
    case FFS_NO_DELAY: return RESULT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value));
    case FFS_CORK: return RESULT(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value));
    case FFS_URGENT_INLINE: return RESULT(setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &value, sizeof value));
    case FFS_KEEP_ALIVE: return RESULT(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value));
    case FFS_SEND_BUFFER: return RESULT(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof value));
    case FFS_UNSENT_LOW_WATER: return RESULT(setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, sizeof value));
    case FFS_RESET_ON_CLOSE: return RESULT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    case FFS_DEFER_ACCEPT: return RESULT(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, sizeof value));
    default: return -EINVAL;
    }
}

int ffs_usual_congestion_control(char out[16]) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    socklen_t size = 15;
    memset(out, 0, 16);
    int result = RESULT(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, out, &size));
    close(fd);
    return result;
}

int ffs_set_congestion_control(int fd, const char *name) {
    return RESULT(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)));
}

long ffs_round_trip(int fd) {
    struct tcp_info info;
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) return -errno;
    return info.tcpi_rtt;
}

int ffs_socket_pair(int out[2]) { return RESULT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out)); }

int ffs_set_nonblocking(int fd) {
    int on = 1;  // not fcntl(2), whose F_SETFL the sandbox takes for done
    return RESULT(ioctl(fd, FIONBIO, &on));
}

int ffs_shutdown_write(int fd) { return RESULT(shutdown(fd, SHUT_WR)); }

long ffs_receive(int fd, void *buffer, size_t size) {
    long count;
    do count = recv(fd, buffer, size, 0); while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

long ffs_peek(int fd, void *buffer, size_t size) {
    long count;
    do count = recv(fd, buffer, size, MSG_PEEK); while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

long ffs_send(int fd, const void *buffer, size_t size) {
    long count;
    do count = send(fd, buffer, size, MSG_NOSIGNAL); while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

union one_descriptor {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

long ffs_send_passing(int fd, const void *buffer, size_t size, int passed) {
    if (passed < 0) return ffs_send(fd, buffer, size);
    union one_descriptor control = {.header = {
        .cmsg_len = CMSG_LEN(sizeof passed), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
    struct iovec bytes = {.iov_base = (void *)buffer, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    long count;
    do count = sendmsg(fd, &message, MSG_NOSIGNAL); while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

long ffs_receive_passed(int fd, void *buffer, size_t size, int *passed) {
    union one_descriptor control;
    struct iovec bytes = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control,
        // Room for one and no second, which the alignment would leave: what is not taken would stay open.
        .msg_controllen = CMSG_LEN(sizeof *passed)};
    long count;
    *passed = -1;
    do count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC); while (count < 0 && errno == EINTR);
    if (count < 0) return -errno;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof *passed))
        memcpy(passed, CMSG_DATA(header), sizeof *passed);
    return count;
}

long ffs_read_cached(int fd, void *buffer, size_t size, int64_t offset) {
    struct iovec space = {.iov_base = buffer, .iov_len = size};
    return preadv2(fd, &space, 1, offset, RWF_NOWAIT);
}

int ffs_is_cached(int fd, int64_t offset) {
    char byte;
    struct iovec space = {.iov_base = &byte, .iov_len = 1};
    return preadv2(fd, &space, 1, offset, RWF_NOWAIT) == 1;
}

long ffs_sendfile(int to, int from, int64_t offset, size_t count) {
    off_t position = offset;
    long sent;
    do sent = sendfile(to, from, &position, count); while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

int ffs_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int control(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return RESULT(epoll_ctl(epoll, operation, fd, &event));
}

int ffs_epoll_add(int epoll, int fd, uint32_t events, uint64_t token) {
    return control(epoll, EPOLL_CTL_ADD, fd, events, token);
}

int ffs_epoll_modify(int epoll, int fd, uint32_t events, uint64_t token) {
    return control(epoll, EPOLL_CTL_MOD, fd, events, token);
}

int ffs_epoll_remove(int epoll, int fd) { return control(epoll, EPOLL_CTL_DEL, fd, 0, 0); }

int ffs_epoll_wait(int epoll, struct ffs_event *events, int count, int milliseconds) {
    struct epoll_event kernel[128];
    int found;
    if (count > 128) count = 128;
    do found = epoll_wait(epoll, kernel, count, milliseconds); while (found < 0 && errno == EINTR);
    if (found < 0) return -errno;
    for (int i = 0; i < found; i++) events[i] = (struct ffs_event){kernel[i].data.u64, kernel[i].events};
    return found;
}

int ffs_eventfd(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int ffs_shared_memory(size_t size) {
    int fd = memfd_create("ffsftpd", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    // A worker that could shrink it would end all others by SIGBUS.
    if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return fail(fd);
    return fd;
}

void *ffs_map_shared(int fd, size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void ffs_unmap_shared(void *memory, size_t size) { munmap(memory, size); }

uint32_t ffs_load32(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

void ffs_add32(uint32_t *word, int32_t amount) { __atomic_fetch_add(word, (uint32_t)amount, __ATOMIC_RELAXED); }

int64_t ffs_acquire64(const int64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

void ffs_release64(int64_t *word, int64_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

int64_t ffs_load64(const int64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

void ffs_add64(int64_t *word, int64_t amount) { __atomic_fetch_add(word, amount, __ATOMIC_RELAXED); }

int64_t ffs_take64(int64_t *word) { return __atomic_exchange_n(word, 0, __ATOMIC_RELAXED); }

int64_t ffs_bucket_wait(const int64_t *empty_at, int64_t now, int64_t burst) {
    int64_t ahead = __atomic_load_n(empty_at, __ATOMIC_RELAXED) - now;
    return ahead < burst ? 0 : ahead - burst + 1;
}

int64_t ffs_bucket_take(int64_t *empty_at, int64_t now, int64_t cost) {
    int64_t old = __atomic_load_n(empty_at, __ATOMIC_RELAXED), start;
    do start = old > now ? old : now;
    while (!__atomic_compare_exchange_n(empty_at, &old, start + cost, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return start;
}

int ffs_spawn(const char *path, char *const argv[], char *const envp[], const int *descriptors, int count, int32_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int copies[32], made = 0, error = 0;
    sigset_t none, all;
    if (count > 32) return -EINVAL;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    // Copies above the target range first: otherwise one dup2 could overwrite the source of a later one.
    for (; made < count; made++) {
        copies[made] = fcntl(descriptors[made], F_DUPFD_CLOEXEC, 64);
        if (copies[made] < 0) {
            error = errno;
            break;
        }
        posix_spawn_file_actions_adddup2(&actions, copies[made], 3 + made);
    }
    // This process ignores and blocks signals as its own needs are; a child starts fresh.
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (error == 0) error = posix_spawn(pid, path, &actions, &attributes, argv, envp);
    while (made > 0) close(copies[--made]);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -error;
}
