// Load for FTP and FTPS servers: threads with blocking sockets, received data discarded in the kernel (MSG_TRUNC) or
// read (--copy). One line of JSON on standard output; exit status 1 when anything failed.
//
//   ftpload retr   -c SESSIONS -n FILES -f PATH [--expect BYTES] [--tls [--tlsdiscard]]   %d in PATH: the file's number
//   ftpload list   -c SESSIONS -n TIMES -C LIST|MLSD|NLST -f FOLDER
//   ftpload login  -c AT-ONCE -t SECONDS [--tls --noprot]
//   ftpload hs     -c AT-ONCE -t SECONDS [--resume] [--tls12]                              TLS handshakes
//   ftpload conn   -c AT-ONCE -t SECONDS                                                   connect, 220, close
//   ftpload lat    -c SESSIONS -n COMMANDS -C NOOP [--rate COMMANDS-A-SECOND]
//   ftpload hold   -c SESSIONS [--tls]                                                     until standard input ends
//   always: -h HOST -p PORT -u USER -P PASSWORD
//
// cc -O2 -pthread ftpload.c -o ftpload -lssl -lcrypto
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char *host = "127.0.0.1", *user = "anonymous", *pass = "x@y", *file = "/big", *cmdname = "NOOP",
                  *cg = NULL, *memcg = NULL;
static int port = 21, conc = 1, count = 1, tls = 0, tls12 = 0, tlsdiscard = 0, copy = 0, pasv = 0, resume_ = 0,
           dataresume = 1, rcvbuf = 0, verbose = 0, rate = 0, uperconn = 0, srcspread = 0, noprot = 0;
static double secs = 3;
static long expect = -1;
static const char *cipher = "TLS_AES_128_GCM_SHA256",
                  *cipher12 = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
static SSL_CTX *ctx;
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
typedef struct {
    int fd;
    SSL *ssl;
    char buf[8192];
    int len, pos;
    char line[1100];
    int idx;
    SSL_SESSION *sess;
    int reused;
} Ctl;

static int tcp_connect(int p, int idx) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (rcvbuf) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    if (srcspread) {
        int one = 1;
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        struct sockaddr_in s = {.sin_family = AF_INET};
        s.sin_addr.s_addr = htonl(0x7f000001u + (unsigned)((idx / 200) % srcspread));
        if (bind(fd, (void *)&s, sizeof s)) {
            close(fd);
            return -1;
        }
    }
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(p)};
    inet_pton(AF_INET, host, &a.sin_addr);
    if (connect(fd, (void *)&a, sizeof a)) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}
static int rd(Ctl *c, char *b, int n) {
    if (c->ssl) return SSL_read(c->ssl, b, n);
    int r;
    do r = recv(c->fd, b, n, 0);
    while (r < 0 && errno == EINTR);
    return r;
}
static int wr(Ctl *c, const char *b, int n) {
    if (c->ssl) return SSL_write(c->ssl, b, n);
    return send(c->fd, b, n, MSG_NOSIGNAL);
}
static int getline_(Ctl *c) {
    int n = 0;
    for (;;) {
        while (c->pos < c->len) {
            char ch = c->buf[c->pos++];
            if (ch == '\n') {
                if (n && c->line[n - 1] == '\r') n--;
                c->line[n] = 0;
                return n;
            }
            if (n < (int)sizeof c->line - 1) c->line[n++] = ch;
        }
        int r = rd(c, c->buf, sizeof c->buf);
        if (r <= 0) {
            c->line[0] = 0;
            return -1;
        }
        c->pos = 0;
        c->len = r;
    }
}
static int reply(Ctl *c) { // returns code
    if (getline_(c) < 0) return -1;
    int code = atoi(c->line);
    if (strlen(c->line) > 3 && c->line[3] == '-') {
        for (;;) {
            if (getline_(c) < 0) return -1;
            if (atoi(c->line) == code && c->line[3] == ' ') break;
        }
    }
    if (verbose) fprintf(stderr, "< %s\n", c->line);
    return code;
}
static int cmd(Ctl *c, const char *fmt, const char *arg) {
    char b[1200];
    int n = snprintf(b, sizeof b, fmt, arg);
    if (verbose) fprintf(stderr, "> %s", b);
    if (wr(c, b, n) != n) return -1;
    return 0;
}
static int xc(Ctl *c, const char *fmt, const char *arg) {
    if (cmd(c, fmt, arg)) return -1;
    return reply(c);
}
static SSL *tls_start(int fd, SSL_SESSION *s, int *reused) {
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    if (s) SSL_set_session(ssl, s);
    if (SSL_connect(ssl) != 1) {
        if (verbose) ERR_print_errors_fp(stderr);
        SSL_free(ssl);
        return NULL;
    }
    if (reused) *reused = SSL_session_reused(ssl);
    return ssl;
}
static int ctl_open(Ctl *c, int idx) {
    memset(c, 0, sizeof *c);
    c->idx = idx;
    c->fd = tcp_connect(port, idx);
    if (c->fd < 0) return -1;
    if (reply(c) != 220) {
        close(c->fd);
        return -2;
    }
    return 0;
}
static int ctl_tls(Ctl *c, SSL_SESSION *s) {
    if (xc(c, "AUTH TLS\r\n", NULL) != 234) return -3;
    c->ssl = tls_start(c->fd, s, &c->reused);
    if (!c->ssl) return -4;
    return 0;
}
static int ctl_login(Ctl *c) {
    char u[256];
    if (uperconn)
        snprintf(u, sizeof u, user, c->idx);
    else
        snprintf(u, sizeof u, "%s", user);
    int r = xc(c, "USER %s\r\n", u);
    if (r == 331) r = xc(c, "PASS %s\r\n", pass);
    if (r != 230) return -5;
    if (tls && !noprot) {
        if (xc(c, "PBSZ 0\r\n", NULL) / 100 != 2) return -6;
        if (xc(c, "PROT P\r\n", NULL) != 200) return -7;
    }
    return 0;
}
static void ctl_close(Ctl *c) {
    if (c->ssl) {
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    close(c->fd);
}
static int ctl_full(Ctl *c, int idx) {
    int r = ctl_open(c, idx);
    if (r) return r;
    if (tls && (r = ctl_tls(c, NULL))) return r;
    if ((r = ctl_login(c))) return r;
    return xc(c, "TYPE I\r\n", NULL) == 200 ? 0 : -8;
}

static int open_data(Ctl *c) {
    int p;
    if (pasv) {
        if (xc(c, "PASV\r\n", NULL) != 227) return -1;
        char *s = strrchr(c->line, '(');
        int a, b, d, e, f, g;
        s = s ? s + 1 : c->line + 4;
        while (*s && (*s < '0' || *s > '9')) s++;
        if (sscanf(s, "%d,%d,%d,%d,%d,%d", &a, &b, &d, &e, &f, &g) != 6) return -1;
        p = f * 256 + g;
    } else {
        if (xc(c, "EPSV\r\n", NULL) != 229) return -1;
        char *s = strstr(c->line, "|||");
        if (!s) return -1;
        p = atoi(s + 3);
    }
    return tcp_connect(p, c->idx);
}
// run one data command; returns payload bytes or <0
static long transfer(Ctl *c, const char *fmt, const char *arg, long *raw) {
    int d = open_data(c);
    if (d < 0) return -10;
    if (cmd(c, fmt, arg)) {
        close(d);
        return -11;
    }
    int r = reply(c);
    if (r != 150 && r != 125) {
        close(d);
        return -12;
    }
    long tot = 0;
    SSL *ds = NULL;
    if (tls && !noprot) {
        SSL_SESSION *s = dataresume ? SSL_get1_session(c->ssl) : NULL;
        int ru = 0;
        ds = tls_start(d, s, &ru);
        if (s) SSL_SESSION_free(s);
        if (!ds) {
            close(d);
            return -13;
        }
        c->reused = ru;
    }
    static __thread char *b;
    static __thread int bl = 262144;
    if (!b) {
        b = malloc(bl);
    }
    if (ds && !tlsdiscard) {
        int n;
        while ((n = SSL_read(ds, b, bl)) > 0) tot += n;
        SSL_shutdown(ds);
        SSL_free(ds);
        close(d);
    } else {
        ssize_t n;
        if (copy)
            while ((n = recv(d, b, bl, 0)) > 0) tot += n;
        else if (ds && expect > 0) {
            long thr = expect + expect / 16384 * 22 - 65536;
            int sd = 0; // raw TLS bytes; once nearly all is in and the line is quiet, send our close_notify so that
                        // servers that wait for it go on
            for (;;) {
                if (!sd && tot >= thr) {
                    struct pollfd q = {d, POLLIN, 0};
                    if (poll(&q, 1, 3) == 0) {
                        SSL_shutdown(ds);
                        sd = 1;
                    }
                }
                n = recv(d, b, 16 << 20, MSG_TRUNC);
                if (n <= 0) break;
                tot += n;
            }
        } else
            while ((n = recv(d, b, 16 << 20, MSG_TRUNC)) > 0) tot += n;
        if (n < 0) {
            close(d);
            return -14;
        }
        if (ds) {
            SSL_shutdown(ds);
            SSL_free(ds);
        }
        close(d);
    }
    r = reply(c);
    if (r != 226 && r != 250) return -15;
    if (raw) *raw = tot;
    return tot;
}
// ---- accounting
static double cgusage(const char *f) {
    if (!cg) return 0;
    char p[512];
    snprintf(p, sizeof p, "%s/%s", cg, f);
    FILE *h = fopen(p, "r");
    if (!h) return 0;
    double v = 0;
    if (fscanf(h, "%lf", &v) != 1) v = 0;
    fclose(h);
    return v * 1e-9;
}
static void sysstat(double *busy) {
    FILE *h = fopen("/proc/stat", "r");
    long u, n, s, i, w, q, sq;
    if (fscanf(h, "cpu %ld %ld %ld %ld %ld %ld %ld", &u, &n, &s, &i, &w, &q, &sq) != 7) u = n = s = q = sq = 0;
    fclose(h);
    *busy = (u + n + s + q + sq) / 100.0;
}
typedef struct {
    double t, su, ss, st, cu, cs, sys;
} Acc;
static void acc(Acc *a) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    a->cu = r.ru_utime.tv_sec + r.ru_utime.tv_usec * 1e-6;
    a->cs = r.ru_stime.tv_sec + r.ru_stime.tv_usec * 1e-6;
    a->st = cgusage("cpuacct.usage");
    a->su = cgusage("cpuacct.usage_user");
    a->ss = cgusage("cpuacct.usage_sys");
    sysstat(&a->sys);
    a->t = now();
}
static void acc_print(Acc *a, Acc *b) {
    printf("\"wall\":%.6f,\"srv_cpu\":%.6f,\"srv_user\":%.6f,\"srv_sys\":%.6f,\"cli_cpu\":%.6f,\"all_cpu\":%.3f",
           b->t - a->t, b->st - a->st, b->su - a->su, b->ss - a->ss, (b->cu + b->cs) - (a->cu + a->cs),
           b->sys - a->sys);
}
static pthread_barrier_t bar;
static volatile int fails;
static volatile int lastfail;
static char failline[1200];
static long total;
static volatile int stop;
static long done_;
static void fail(Ctl *c, int r) {
    __sync_fetch_and_add(&fails, 1);
    lastfail = r;
    if (c) snprintf(failline, sizeof failline, "%s", c->line);
}
static void *th_retr(void *v) {
    int idx = (int)(long)v;
    Ctl c;
    int r = ctl_full(&c, idx);
    if (r) fail(&c, r);
    pthread_barrier_wait(&bar);
    pthread_barrier_wait(&bar);
    if (!r) {
        for (int i = 0; i < count; i++) {
            char f[512];
            snprintf(f, sizeof f, file, i % 10000);
            long n = transfer(&c, "RETR %s\r\n", f, NULL);
            if (n < 0 || (expect >= 0 && (tls ? n < expect : n != expect))) {
                fail(&c, (int)(n < 0 ? n : -99));
                break;
            }
            __sync_fetch_and_add(&total, n);
            __sync_fetch_and_add(&done_, 1);
        }
    }
    pthread_barrier_wait(&bar);
    if (!r) {
        xc(&c, "QUIT\r\n", NULL);
    }
    if (c.fd > 0) ctl_close(&c);
    return NULL;
}
static void *th_list(void *v) {
    int idx = (int)(long)v;
    Ctl c;
    int r = ctl_full(&c, idx);
    if (r) fail(&c, r);
    pthread_barrier_wait(&bar);
    pthread_barrier_wait(&bar);
    if (!r) {
        for (int i = 0; i < count; i++) {
            char f[64];
            snprintf(f, sizeof f, "%s %%s\r\n", cmdname);
            long n = transfer(&c, f, file, NULL);
            if (n < 0) {
                fail(&c, (int)n);
                break;
            }
            __sync_fetch_and_add(&total, n);
            __sync_fetch_and_add(&done_, 1);
        }
    }
    pthread_barrier_wait(&bar);
    if (!r) {
        xc(&c, "QUIT\r\n", NULL);
    }
    if (c.fd > 0) ctl_close(&c);
    return NULL;
}
static void *th_login(void *v) {
    int idx = (int)(long)v;
    long n = 0;
    pthread_barrier_wait(&bar);
    pthread_barrier_wait(&bar);
    while (!stop) {
        Ctl c;
        int r = ctl_open(&c, idx);
        if (r) {
            fail(&c, r);
            usleep(1000);
            if (c.fd > 0 && r != -2) close(c.fd);
            continue;
        }
        if (tls && (r = ctl_tls(&c, NULL))) {
            fail(&c, r);
            ctl_close(&c);
            continue;
        }
        if ((r = ctl_login(&c))) {
            fail(&c, r);
            ctl_close(&c);
            usleep(1000);
            continue;
        }
        xc(&c, "QUIT\r\n", NULL);
        ctl_close(&c);
        n++;
    }
    __sync_fetch_and_add(&done_, n);
    pthread_barrier_wait(&bar);
    return NULL;
}
static long resumed;
static void *th_hs(void *v) { // connect, 220, AUTH TLS, handshake, close
    int idx = (int)(long)v;
    long n = 0, ru = 0;
    SSL_SESSION *s = NULL;
    if (resume_) {
        Ctl c;
        int r = ctl_open(&c, idx);
        if (!r) r = ctl_tls(&c, NULL);
        if (r)
            fail(&c, r);
        else {
            xc(&c, "NOOP\r\n", NULL);
            s = SSL_get1_session(c.ssl);
            xc(&c, "QUIT\r\n", NULL);
        }
        ctl_close(&c);
    }
    pthread_barrier_wait(&bar);
    pthread_barrier_wait(&bar);
    while (!stop) {
        Ctl c;
        int r = ctl_open(&c, idx);
        if (r) {
            fail(&c, r);
            usleep(1000);
            continue;
        }
        if ((r = ctl_tls(&c, s))) {
            fail(&c, r);
            ctl_close(&c);
            continue;
        }
        ru += c.reused;
        if (s) {
        }
        ctl_close(&c);
        n++;
    }
    __sync_fetch_and_add(&done_, n);
    __sync_fetch_and_add(&resumed, ru);
    pthread_barrier_wait(&bar);
    return NULL;
}
static void *th_conn(void *v) { // connect, 220, close : accept rate
    int idx = (int)(long)v;
    long n = 0;
    pthread_barrier_wait(&bar);
    pthread_barrier_wait(&bar);
    while (!stop) {
        Ctl c;
        int r = ctl_open(&c, idx);
        if (r) {
            fail(&c, r);
            usleep(1000);
            continue;
        }
        struct linger l = {1, 0};
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
        close(c.fd);
        n++;
    }
    __sync_fetch_and_add(&done_, n);
    pthread_barrier_wait(&bar);
    return NULL;
}
static int dcmp(const void *a, const void *b) {
    double x = *(double *)a, y = *(double *)b;
    return x < y ? -1 : x > y;
}
static long memusage(void) {
    if (!memcg) return 0;
    char p[512];
    snprintf(p, sizeof p, "%s/memory.usage_in_bytes", memcg);
    FILE *h = fopen(p, "r");
    if (!h) return 0;
    long v = 0;
    if (fscanf(h, "%ld", &v) != 1) v = 0;
    fclose(h);
    return v;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000);
    if (argc < 2) {
        fprintf(stderr, "usage: ftpload retr|login|hs|conn|list|lat|hold [opts]\n");
        return 2;
    }
    const char *mode = argv[1];
    static struct option lo[] = {{"host", 1, 0, 'h'},    {"port", 1, 0, 'p'},
                                 {"user", 1, 0, 'u'},    {"pass", 1, 0, 'P'},
                                 {"file", 1, 0, 'f'},    {"c", 1, 0, 'c'},
                                 {"n", 1, 0, 'n'},       {"secs", 1, 0, 't'},
                                 {"cmd", 1, 0, 'C'},     {"cg", 1, 0, 'g'},
                                 {"memcg", 1, 0, 'M'},   {"tls", 0, 0, 1},
                                 {"tls12", 0, 0, 2},     {"tlsdiscard", 0, 0, 3},
                                 {"copy", 0, 0, 4},      {"pasv", 0, 0, 5},
                                 {"resume", 0, 0, 6},    {"nodataresume", 0, 0, 7},
                                 {"rcvbuf", 1, 0, 8},    {"verbose", 0, 0, 'v'},
                                 {"rate", 1, 0, 9},      {"expect", 1, 0, 10},
                                 {"uperconn", 0, 0, 11}, {"srcspread", 1, 0, 12},
                                 {"noprot", 0, 0, 13},   {0}};
    int o;
    optind = 2;
    while ((o = getopt_long(argc, argv, "h:p:u:P:f:c:n:t:C:g:M:v", lo, NULL)) != -1) switch (o) {
        case 'h':
            host = optarg;
            break;
        case 'p':
            port = atoi(optarg);
            break;
        case 'u':
            user = optarg;
            break;
        case 'P':
            pass = optarg;
            break;
        case 'f':
            file = optarg;
            break;
        case 'c':
            conc = atoi(optarg);
            break;
        case 'n':
            count = atoi(optarg);
            break;
        case 't':
            secs = atof(optarg);
            break;
        case 'C':
            cmdname = optarg;
            break;
        case 'g':
            cg = optarg;
            break;
        case 'M':
            memcg = optarg;
            break;
        case 1:
            tls = 1;
            break;
        case 2:
            tls12 = 1;
            break;
        case 3:
            tlsdiscard = 1;
            break;
        case 4:
            copy = 1;
            break;
        case 5:
            pasv = 1;
            break;
        case 6:
            resume_ = 1;
            break;
        case 7:
            dataresume = 0;
            break;
        case 8:
            rcvbuf = atoi(optarg);
            break;
        case 'v':
            verbose = 1;
            break;
        case 9:
            rate = atoi(optarg);
            break;
        case 10:
            expect = atol(optarg);
            break;
        case 11:
            uperconn = 1;
            break;
        case 12:
            srcspread = atoi(optarg);
            break;
        case 13:
            noprot = 1;
            break;
        default:
            return 2;
        }
    if (tls || !strcmp(mode, "hs")) {
        ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_ciphersuites(ctx, cipher);
        SSL_CTX_set_cipher_list(ctx, cipher12);
        if (tls12) SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
        SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
        SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    }
    Acc a, b;
    if (!strcmp(mode, "hold") || !strcmp(mode, "lat")) {
        Ctl *cs = calloc(conc, sizeof(Ctl));
        int ok = 0;
        double t0 = now();
        long m0 = memusage();
        for (int i = 0; i < conc; i++) {
            int r = ctl_open(&cs[i], i);
            if (!r && tls) r = ctl_tls(&cs[i], NULL);
            if (!r) r = ctl_login(&cs[i]);
            if (r) {
                fail(&cs[i], r);
                fprintf(stderr, "session %d failed %d: %s errno %s\n", i, r, cs[i].line, strerror(errno));
                if (!strcmp(mode, "hold")) {
                    break;
                }
                return 1;
            }
            ok++;
        }
        if (!strcmp(mode, "hold")) {
            printf("{\"held\":%d,\"asked\":%d,\"login_secs\":%.3f,\"mem0\":%ld,\"mem1\":%ld}\n", ok, conc, now() - t0,
                   m0, memusage());
            fflush(stdout);
            char x[16];
            while (read(0, x, sizeof x) > 0)
                ;
            for (int i = 0; i < ok; i++) {
                ctl_close(&cs[i]);
            }
            return 0;
        }
        // lat
        for (int i = 0; i < conc; i++) xc(&cs[i], "TYPE I\r\n", NULL);
        char msg[600];
        int ml = snprintf(msg, sizeof msg, "%s\r\n", cmdname);
        long N = (long)count;
        double *L = malloc(sizeof(double) * (N + conc));
        long got = 0, sent = 0;
        if (conc == 1 && !rate) {
            for (int i = 0; i < 200; i++) {
                wr(&cs[0], msg, ml);
                reply(&cs[0]);
            }
            acc(&a);
            for (long i = 0; i < N; i++) {
                double t = now();
                wr(&cs[0], msg, ml);
                int r = reply(&cs[0]);
                L[got++] = now() - t;
                if (r < 200 || r > 299) {
                    fail(&cs[0], r);
                    break;
                }
            }
            acc(&b);
        } else {
            int ep = epoll_create1(0);
            double *st = calloc(conc, sizeof(double));
            char *busy = calloc(conc, 1);
            for (int i = 0; i < conc; i++) {
                struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
                epoll_ctl(ep, EPOLL_CTL_ADD, cs[i].fd, &e);
            }
            acc(&a);
            double tstart = now();
            int rr = 0;
            if (!rate)
                for (int i = 0; i < conc && sent < N; i++) {
                    st[i] = now();
                    wr(&cs[i], msg, ml);
                    sent++;
                }
            while (got < N) {
                struct epoll_event ev[128];
                int tmo = rate ? 0 : 1000;
                if (rate) {
                    double t = now();
                    while (sent < N && tstart + (double)sent / rate <= t) {
                        int k;
                        for (k = 0; k < conc && busy[rr]; k++) rr = (rr + 1) % conc;
                        if (busy[rr]) break;
                        st[rr] = tstart + (double)sent / rate;
                        wr(&cs[rr], msg, ml);
                        busy[rr] = 1;
                        sent++;
                        rr = (rr + 1) % conc;
                    }
                }
                int n;
                if (rate) {
                    double w = sent < N ? tstart + (double)sent / rate - now() : 0.05;
                    if (w < 0) w = 0;
                    struct timespec ts = {0, (long)(w * 1e9)};
                    n = epoll_pwait2(ep, ev, 128, &ts, NULL);
                } else
                    n = epoll_wait(ep, ev, 128, tmo);
                for (int k = 0; k < n; k++) {
                    int i = ev[k].data.u32;
                    int r = reply(&cs[i]);
                    L[got++] = now() - st[i];
                    busy[i] = 0;
                    if (r < 200 || r > 299) {
                        fail(&cs[i], r);
                        got = N;
                        break;
                    }
                    if (!rate && sent < N) {
                        st[i] = now();
                        wr(&cs[i], msg, ml);
                        sent++;
                    }
                }
                if (n == 0 && !rate) break;
                if (rate && now() - tstart > 60) break;
            }
            acc(&b);
        }
        qsort(L, got, sizeof(double), dcmp);
        printf("{\"mode\":\"lat\",\"cmd\":\"%s\",\"c\":%d,\"n\":%ld,\"rate\":%d,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_"
               "us\":%.1f,\"max_us\":%.1f,\"per_s\":%.0f,\"fails\":%d,",
               cmdname, conc, got, rate, L[got / 2] * 1e6, L[got * 9 / 10] * 1e6, L[got * 99 / 100] * 1e6,
               L[got - 1] * 1e6, got / (b.t - a.t), fails);
        acc_print(&a, &b);
        printf("}\n");
        for (int i = 0; i < conc; i++) ctl_close(&cs[i]);
        return fails ? 1 : 0;
    }
    void *(*fn)(void *) = !strcmp(mode, "retr")    ? th_retr
                          : !strcmp(mode, "list")  ? th_list
                          : !strcmp(mode, "login") ? th_login
                          : !strcmp(mode, "hs")    ? th_hs
                          : !strcmp(mode, "conn")  ? th_conn
                                                   : NULL;
    if (!fn) return 2;
    if (!strcmp(mode, "hs")) tls = 1;
    pthread_barrier_init(&bar, NULL, conc + 1);
    pthread_t *t = calloc(conc, sizeof *t);
    pthread_attr_t at;
    pthread_attr_init(&at);
    pthread_attr_setstacksize(&at, 1 << 20);
    for (int i = 0; i < conc; i++) pthread_create(&t[i], &at, fn, (void *)(long)i);
    pthread_barrier_wait(&bar);
    acc(&a);
    pthread_barrier_wait(&bar);
    if (!strcmp(mode, "login") || !strcmp(mode, "hs") || !strcmp(mode, "conn")) {
        struct timespec ts = {(time_t)secs, (long)((secs - (long)secs) * 1e9)};
        nanosleep(&ts, NULL);
        stop = 1;
    }
    pthread_barrier_wait(&bar);
    acc(&b);
    for (int i = 0; i < conc; i++) pthread_join(t[i], NULL);
    double w = b.t - a.t;
    printf("{\"mode\":\"%s\",\"c\":%d,\"n\":%d,\"bytes\":%ld,\"done\":%ld,\"per_s\":%.2f,\"GiBps\":%.4f,\"fails\":%d,"
           "\"lastfail\":%d,\"resumed\":%ld,",
           mode, conc, count, total, done_, done_ / w, total / w / 1073741824.0, fails, lastfail, resumed);
    acc_print(&a, &b);
    printf("}\n");
    if (fails) fprintf(stderr, "fails %d last %d line '%s'\n", fails, lastfail, failline);
    return fails ? 1 : 0;
}
