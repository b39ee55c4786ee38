/* A slow disk, to be preloaded: every read of a RocksDB table file and every write of its log takes
 * SLOW_DISK_MS milliseconds more. Everything else is as fast as it was. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static long delay_ms(void) {
    const char *text = getenv("SLOW_DISK_MS");
    return text ? atol(text) : 0;
}

static void delay_if(int fd, const char *suffix) {
    struct stat info;
    char link[64], path[4096];
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t tail = strlen(suffix);
    if (length < (ssize_t)tail) return;
    path[length] = 0;
    if (strcmp(path + length - tail, suffix) != 0) return;
    long ms = delay_ms();
    struct timespec wait = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&wait, NULL);
}

/* Looked up once: sockets are written to as well, and a look-up costs as much as a small write. */
#define REAL(name)                                               \
    static typeof(&name) real;                                   \
    if (!real) real = (typeof(&name))dlsym(RTLD_NEXT, #name)

ssize_t pread(int fd, void *buffer, size_t count, off_t offset) {
    REAL(pread);
    delay_if(fd, ".sst");
    return real(fd, buffer, count, offset);
}

ssize_t pread64(int fd, void *buffer, size_t count, off64_t offset) {
    REAL(pread64);
    delay_if(fd, ".sst");
    return real(fd, buffer, count, offset);
}

ssize_t write(int fd, const void *buffer, size_t count) {
    REAL(write);
    delay_if(fd, ".log");
    return real(fd, buffer, count);
}
