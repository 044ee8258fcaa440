/* A disk that fails: loaded before the C library (LD_PRELOAD), it has system calls on some files end with EIO.

   FAIL_BELOW: folders, separated by ':', whose files are concerned. FAIL_ONE_IN: how many calls there are for each that
   fails. FAIL_SEED: where chance begins. FAIL_LOG: a file to which the name of each call that failed is appended. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_FILES 65536

static unsigned char concerned[MOST_FILES]; /* by file descriptor */
static uint64_t calls;

static int is_concerned(const char *path)
{
    const char *folder = getenv("FAIL_BELOW");
    while (path && folder && *folder) {
        size_t length = strcspn(folder, ":");
        if (!strncmp(path, folder, length))
            return 1;
        folder += length + (folder[length] == ':');
    }
    return 0;
}

/* splitmix64 (Steele, Lea and Flood 2014) over the number of the call: no state that threads could spoil. */
static int fails(const char *call)
{
    const char *one_in = getenv("FAIL_ONE_IN"), *seed = getenv("FAIL_SEED"), *log = getenv("FAIL_LOG");
    uint64_t number = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    uint64_t x = (number + (uint64_t)getpid() * 1000003u + (seed ? strtoull(seed, 0, 10) : 0)) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    if (!one_in || (x ^ (x >> 31)) % strtoull(one_in, 0, 10))
        return 0;
    if (log) {
        int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
        ssize_t (*real_write)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
        int (*real_close)(int) = dlsym(RTLD_NEXT, "close");
        int file = real_open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        char line[32];
        size_t length = strlen(call);
        memcpy(line, call, length);
        line[length] = '\n';
        if (file >= 0 && real_write(file, line, length + 1) < 0)
            abort();
        real_close(file);
    }
    errno = EIO;
    return 1;
}

static int opened(int file, const char *path)
{
    if (file >= 0 && file < MOST_FILES)
        concerned[file] = (unsigned char)is_concerned(path);
    return file;
}

#define BY_FILE(type, name, parameters, arguments)                     \
    type name parameters                                               \
    {                                                                  \
        type(*real) parameters = dlsym(RTLD_NEXT, #name);              \
        if (file >= 0 && file < MOST_FILES && concerned[file] && fails(#name)) \
            return -1;                                                 \
        return real arguments;                                         \
    }

BY_FILE(ssize_t, read, (int file, void *data, size_t size), (file, data, size))
BY_FILE(ssize_t, write, (int file, const void *data, size_t size), (file, data, size))
BY_FILE(ssize_t, pread, (int file, void *data, size_t size, off_t at), (file, data, size, at))
BY_FILE(ssize_t, pread64, (int file, void *data, size_t size, off64_t at), (file, data, size, at))
BY_FILE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
BY_FILE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
BY_FILE(int, fsync, (int file), (file))
BY_FILE(int, fdatasync, (int file), (file))
BY_FILE(int, ftruncate, (int file, off_t size), (file, size))
BY_FILE(int, ftruncate64, (int file, off64_t size), (file, size))

#define BY_PATH(name, parameters, arguments)              \
    int name parameters                                   \
    {                                                     \
        int(*real) parameters = dlsym(RTLD_NEXT, #name);  \
        if (is_concerned(path) && fails(#name))           \
            return -1;                                    \
        return real arguments;                            \
    }

BY_PATH(stat, (const char *path, struct stat *found), (path, found))
BY_PATH(stat64, (const char *path, struct stat64 *found), (path, found))
BY_PATH(lstat, (const char *path, struct stat *found), (path, found))
BY_PATH(lstat64, (const char *path, struct stat64 *found), (path, found))
BY_PATH(rename, (const char *path, const char *other), (path, other))
BY_PATH(unlink, (const char *path), (path))

#define OPENING(name)                                               \
    int name(const char *path, int flags, ...)                      \
    {                                                               \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
        va_list more;                                               \
        va_start(more, flags);                                      \
        mode_t mode = va_arg(more, mode_t);                         \
        va_end(more);                                               \
        if (is_concerned(path) && fails(#name))                     \
            return -1;                                              \
        return opened(real(path, flags, mode), path);               \
    }

OPENING(open)
OPENING(open64)

#define OPENING_AT(name)                                                 \
    int name(int folder, const char *path, int flags, ...)               \
    {                                                                    \
        int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
        va_list more;                                                    \
        va_start(more, flags);                                           \
        mode_t mode = va_arg(more, mode_t);                              \
        va_end(more);                                                    \
        if (is_concerned(path) && fails(#name))                          \
            return -1;                                                   \
        return opened(real(folder, path, flags, mode), path);            \
    }

OPENING_AT(openat)
OPENING_AT(openat64)

int close(int file)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    if (file >= 0 && file < MOST_FILES)
        concerned[file] = 0;
    return real(file);
}
