#ifndef FFS_SOCKETS_H
#define FFS_SOCKETS_H
// TCP sockets, epoll and sendfile for ffsftpd's event loops. Same rule as CLinux.h: results or -errno.

#include <stddef.h>
#include <stdint.h>

// An IPv4 or IPv6 address and a port, without sockaddr's layouts.
struct ffs_address {
    uint8_t bytes[16];  // network order; the first 4 for IPv4
    uint32_t scope;     // of a link-local IPv6 address
    uint16_t port;
    uint8_t family;     // 4 or 6
};

struct ffs_event {
    uint64_t token;
    uint32_t events;
};

enum ffs_socket_option {
    FFS_NO_DELAY,          // TCP_NODELAY
    FFS_CORK,              // TCP_CORK
    FFS_URGENT_INLINE,     // SO_OOBINLINE
    FFS_KEEP_ALIVE,        // SO_KEEPALIVE
    FFS_SEND_BUFFER,       // SO_SNDBUF, bytes
    FFS_UNSENT_LOW_WATER,  // TCP_NOTSENT_LOWAT, bytes
    FFS_RESET_ON_CLOSE,    // SO_LINGER of zero seconds
    FFS_DEFER_ACCEPT,      // TCP_DEFER_ACCEPT, seconds
};

// As much of the file as the page cache gives without waiting; negative or 0 when nothing.
long ffs_read_cached(int fd, void *buffer, size_t size, int64_t offset);

// Sockets are non-blocking and close-on-exec.
int ffs_listen(const struct ffs_address *address, int backlog, int both_families);
int ffs_accept(int fd, struct ffs_address *peer);
int ffs_connect(const struct ffs_address *from, const struct ffs_address *to);  // may still be in progress
int ffs_socket_error(int fd);                                                   // takes SO_ERROR: 0 or -errno
int ffs_local_address(int fd, struct ffs_address *out);
int ffs_socket_option(int fd, int option, int value);
int ffs_usual_congestion_control(char out[16]);                 // TCP_CONGESTION of a new socket, NUL-terminated
int ffs_set_congestion_control(int fd, const char *name);
long ffs_round_trip(int fd);                                    // microseconds, as TCP_INFO estimates it
int ffs_socket_pair(int out[2]);  // UNIX stream, blocking
int ffs_set_nonblocking(int fd);
int ffs_shutdown_write(int fd);
long ffs_receive(int fd, void *buffer, size_t size);
long ffs_peek(int fd, void *buffer, size_t size);  // MSG_PEEK
long ffs_send(int fd, const void *buffer, size_t size);
// SCM_RIGHTS of unix(7): `passed` goes with the first byte; -1 for none. What came is in *passed, or -1.
long ffs_send_passing(int fd, const void *buffer, size_t size, int passed);
long ffs_receive_passed(int fd, void *buffer, size_t size, int *passed);
long ffs_sendfile(int to, int from, int64_t offset, size_t count);
int ffs_is_cached(int fd, int64_t offset);  // 1 when the byte there can be read without waiting for a disk

int ffs_epoll_create(void);
int ffs_epoll_add(int epoll, int fd, uint32_t events, uint64_t token);
int ffs_epoll_modify(int epoll, int fd, uint32_t events, uint64_t token);
int ffs_epoll_remove(int epoll, int fd);
int ffs_epoll_wait(int epoll, struct ffs_event *events, int count, int milliseconds);
int ffs_eventfd(void);

// Memory that several processes share, and the few atomic operations done there.
int ffs_shared_memory(size_t size);                // memfd_create(2), sealed against shrinking
void *ffs_map_shared(int fd, size_t size);         // NULL on failure
void ffs_unmap_shared(void *memory, size_t size);
int64_t ffs_acquire64(const int64_t *word);
void ffs_release64(int64_t *word, int64_t value);
uint32_t ffs_load32(const uint32_t *word);
void ffs_add32(uint32_t *word, int32_t amount);
int64_t ffs_load64(const int64_t *word);
void ffs_add64(int64_t *word, int64_t amount);
int64_t ffs_take64(int64_t *word);  // sets it to 0, returns what it was
// A token bucket as one number, the time at which it will be empty again ("virtual scheduling", ITU-T I.371):
// returns 0 and takes `cost` nanoseconds if less than `burst` of them are outstanding at `now`, else how many
// nanoseconds to wait.
int64_t ffs_bucket_wait(const int64_t *empty_at, int64_t now, int64_t burst);
int64_t ffs_bucket_take(int64_t *empty_at, int64_t now, int64_t cost);

// Processes. `descriptors[i]` becomes descriptor 3 + i of the child; all others stay behind. Signals are reset.
int ffs_spawn(const char *path, char *const argv[], char *const envp[], const int *descriptors, int count, int32_t *pid);
#endif
