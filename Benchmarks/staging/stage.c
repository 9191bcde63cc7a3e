// The floor: what linking a tree costs in bare C, with no request, record, checksums or limits around it.
//
//   stage make DIR FILES SIZE PER-FOLDER      makes a source tree
//   stage link SRC DST THREADS SYNC           hard-links SRC to the new DST; SYNC: none, fsync or syncfs
//
// Build: cc -O2 -pthread -o stage stage.c
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void make(const char *dir, long files, long size, long per_folder) {
    char *bytes = calloc(1, size + sizeof files), path[4096];
    if (mkdir(dir, 0755)) err(1, "%s", dir);
    for (long i = 0; i < files; i++) {
        if (i % per_folder == 0) {
            snprintf(path, sizeof path, "%s/d%05ld", dir, i / per_folder);
            if (mkdir(path, 0755)) err(1, "%s", path);
        }
        snprintf(path, sizeof path, "%s/d%05ld/file-%06ld.bin", dir, i / per_folder, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
        memcpy(bytes, &i, sizeof i);
        if (fd < 0 || write(fd, bytes, size) != size) err(1, "%s", path);
        close(fd);
    }
}

static char **folders;
static int folder_count, next_folder, source, target;
static long linked;

static void collect(int fd, const char *path) {
    folders = realloc(folders, (folder_count + 1) * sizeof *folders);
    folders[folder_count++] = strdup(path);
    DIR *d = fdopendir(dup(fd));
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        char inner[4096];
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        int f = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY);
        collect(f, inner);
        close(f);
    }
    closedir(d);
}

struct entry { uint64_t inode; int64_t offset; uint16_t length; uint8_t type; char name[]; };

static void *work(void *unused) {
    (void)unused;
    char buffer[65536];
    for (int i; (i = __sync_fetch_and_add(&next_folder, 1)) < folder_count;) {
        int from = openat(source, folders[i], O_RDONLY | O_DIRECTORY);
        int to = openat(target, folders[i], O_RDONLY | O_DIRECTORY);
        if (from < 0 || to < 0) err(1, "%s", folders[i]);
        long n = 0;
        for (long got; (got = syscall(SYS_getdents64, from, buffer, sizeof buffer)) > 0;)
            for (long at = 0; at < got;) {
                struct entry *e = (void *)(buffer + at);
                at += e->length;
                if (e->type != DT_REG) continue;
                if (linkat(from, e->name, to, e->name, 0)) err(1, "linkat %s", e->name);
                n++;
            }
        close(from);
        close(to);
        __sync_fetch_and_add(&linked, n);
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc == 6 && !strcmp(argv[1], "make")) {
        make(argv[2], atol(argv[3]), atol(argv[4]), atol(argv[5]));
        return 0;
    }
    if (argc != 6 || strcmp(argv[1], "link")) errx(64, "see the top of stage.c");
    double start = now();
    source = open(argv[2], O_RDONLY | O_DIRECTORY);
    if (source < 0 || mkdir(argv[3], 0755)) err(1, "%s", argv[3]);
    target = open(argv[3], O_RDONLY | O_DIRECTORY);
    collect(source, ".");
    for (int i = 1; i < folder_count; i++)
        if (mkdirat(target, folders[i], 0755)) err(1, "%s", folders[i]);
    int threads = atoi(argv[4]);
    pthread_t thread[64];
    for (int i = 0; i < threads; i++) pthread_create(&thread[i], NULL, work, NULL);
    for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
    if (!strcmp(argv[5], "fsync")) fsync(target);
    if (!strcmp(argv[5], "syncfs")) syncfs(target);
    printf("%.3f\n", (now() - start) * 1e3);
    return 0;
}
