/* Faults below the sidecar, to be preloaded into both of its processes: errors and delays of all
 * files below CHAOS_FOLDER, and a wall clock that is set. What is in force is read from the file
 * CHAOS_CONTROL, which is mapped, so that it can change at any moment.
 *
 * For power cuts, CHAOS_SYNCED gets a line for each file of the folder that was fsynced, with its
 * inode and its size, and for each that is new; and the boot has the identity in CHAOS_BOOT. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    int32_t write_error; /* errno of every change of a file or a folder; 0: none */
    int32_t read_error;  /* errno of every read of a table */
    int32_t delay_ms;    /* of every read of a table and every write of a log */
    int32_t unused;
    int64_t clock_seconds; /* added to the wall clock */
};

static const struct control *control;
static const char *folder, *boot;
static size_t folder_length;
static int synced = -1;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_CONTROL");
    folder = getenv("CHAOS_FOLDER");
    boot = getenv("CHAOS_BOOT");
    const char *record = getenv("CHAOS_SYNCED");
    if (record) synced = open(record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (!path || !folder) return;
    folder_length = strlen(folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) control = mapped;
}

#define REAL(name)                        \
    static typeof(&name) real;            \
    if (!real) real = (typeof(&name))dlsym(RTLD_NEXT, #name)

static int is_below(const char *path) {
    return path && folder && strncmp(path, folder, folder_length) == 0;
}

/* The path of a regular file below the folder; 0 if it is another. */
static int path_of(int fd, char *path, size_t size) {
    struct stat info;
    char link[64];
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static int ends_with(const char *path, const char *suffix) {
    size_t length = strlen(path), tail = strlen(suffix);
    return length >= tail && strcmp(path + length - tail, suffix) == 0;
}

static void delay(void) {
    struct timespec wait = {control->delay_ms / 1000, (control->delay_ms % 1000) * 1000000L};
    nanosleep(&wait, NULL);
}

static int write_fails(int fd) {
    char path[4096];
    if (!control || !(control->write_error || control->delay_ms)) return 0;
    if (!path_of(fd, path, sizeof path)) return 0;
    if (control->delay_ms && ends_with(path, ".log")) delay();
    if (control->write_error) errno = control->write_error;
    return control->write_error;
}

static void note(int fd, long long size) {
    char path[4096], line[64];
    struct stat info;
    if (synced < 0 || fd < 0 || !path_of(fd, path, sizeof path) || fstat(fd, &info) != 0) return;
    int length = snprintf(line, sizeof line, "%llu %lld\n", (unsigned long long)info.st_ino, size);
    if (write(synced, line, length) != length) abort();
}

static int change_fails(const char *path) {
    if (!control || !control->write_error || !is_below(path)) return 0;
    errno = control->write_error;
    return 1;
}

static int read_fails(int fd) {
    char path[4096];
    if (!control || !(control->read_error || control->delay_ms)) return 0;
    if (!path_of(fd, path, sizeof path) || !ends_with(path, ".sst")) return 0;
    if (control->delay_ms) delay();
    if (control->read_error) errno = control->read_error;
    return control->read_error;
}

#define WRITES(name, arguments, pass) \
    ssize_t name arguments {          \
        REAL(name);                   \
        return write_fails(fd) ? -1 : real pass; \
    }
WRITES(write, (int fd, const void *data, size_t size), (fd, data, size))
WRITES(pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
WRITES(pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))

/* The size from before: what is appended meanwhile may be lost. */
#define SYNCS(name)                                           \
    int name(int fd) {                                        \
        REAL(name);                                           \
        struct stat before;                                   \
        if (write_fails(fd) || fstat(fd, &before)) return -1; \
        int failed = real(fd);                                \
        if (!failed) note(fd, before.st_size);                \
        return failed;                                        \
    }
SYNCS(fsync)
SYNCS(fdatasync)

ssize_t pread(int fd, void *data, size_t size, off_t at) {
    REAL(pread);
    return read_fails(fd) ? -1 : real(fd, data, size, at);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    REAL(pread64);
    return read_fails(fd) ? -1 : real(fd, data, size, at);
}

#define OPENS(name)                                                                       \
    int name(const char *path, int flags, ...) {                                          \
        REAL(name);                                                                       \
        va_list rest;                                                                     \
        va_start(rest, flags);                                                            \
        mode_t mode = va_arg(rest, mode_t);                                               \
        va_end(rest);                                                                     \
        if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && change_fails(path)) return -1;     \
        if (boot && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) path = boot;    \
        int fd = real(path, flags, mode);                                                 \
        struct stat info;                                                                 \
        if ((flags & (O_CREAT | O_TRUNC)) && fd >= 0 && !fstat(fd, &info) && !info.st_size) \
            note(fd, 0);                                                                  \
        return fd;                                                                        \
    }
OPENS(open)
OPENS(open64)

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return change_fails(path) ? -1 : real(path, mode);
}

int unlink(const char *path) {
    REAL(unlink);
    return change_fails(path) ? -1 : real(path);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    return change_fails(from) ? -1 : real(from, to);
}

int clock_gettime(clockid_t id, struct timespec *now) {
    REAL(clock_gettime);
    int failed = real(id, now);
    if (!failed && control && id == CLOCK_REALTIME) now->tv_sec += control->clock_seconds;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(gettimeofday);
    int failed = real(now, zone);
    if (!failed && control) now->tv_sec += control->clock_seconds;
    return failed;
}

time_t time(time_t *now) {
    struct timespec read;
    clock_gettime(CLOCK_REALTIME, &read);
    if (now) *now = read.tv_sec;
    return read.tv_sec;
}
