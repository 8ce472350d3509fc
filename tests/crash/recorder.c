/* Records what a process does to the files of one folder, and can make its calls fail.
 *
 *   gcc -shared -fPIC -O2 -o recorder.so recorder.c
 *   RECORDER_ROOT=/data RECORDER_LOG=/tmp/log LD_PRELOAD=./recorder.so program
 *
 * Every effect becomes one record of the log (struct record, then its payload), appended by one writev, so several
 * processes may share a log. A write is performed and recorded under one lock: the order of the log is the order of the
 * effects. A sync is two records, begin and end, and runs outside the lock: it covers what was recorded before its
 * begin, and promises it from its end on.
 *
 *   RECORDER_SWALLOW=files,folders,wal,vectors   these syncs return 0, do nothing and are not recorded
 *
 * Faults are armed with recorder_arm (from ctypes) or RECORDER_FAULT="class nth action sticky", all numbers:
 *   class   0 write (write, pwrite, writev, ftruncate, fallocate)  1 sync  2 name (create, rename, unlink, mkdir, ...)
 *   action  an errno (5 EIO, 28 ENOSPC); -1 short write; -2 short write, and the next write fails with ENOSPC
 *
 * Not seen: stores through mmap, stdio (fwrite), sendfile, descriptors made by dup. replay.Recording.differences()
 * compares the replayed log with the folder byte by byte, so a program that uses them is found out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { OPEN = 1, WRITE, TRUNCATE, ALLOCATE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, MKDIR, RMDIR, LINK, MARK, FAULT };
enum class { CLASS_WRITE, CLASS_SYNC, CLASS_NAME, CLASSES };
enum { OPEN_CREATED = 1, OPEN_TRUNCATED = 2, OPEN_FOLDER = 4 };
enum { SWALLOW_FILES = 1, SWALLOW_FOLDERS = 2, SWALLOW_WAL = 4, SWALLOW_VECTORS = 8 };
enum { IS_FOLDER = 1, IS_WAL = 2, IS_VECTORS = 4 };

#define MAGIC 0x52434552u
#define DESCRIPTORS 65536
#define SHORT (-1)
#define SHORT_THEN_FULL (-2)

struct record {
    uint32_t magic;
    uint16_t kind, error;
    uint32_t flags, pid;
    uint64_t handle, offset, length;
};

struct fault {
    long nth, calls;
    int action, sticky;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int log_descriptor = -1, swallowed;
static pid_t owner;
static uint32_t handles_given;
static _Atomic uint64_t handle_of[DESCRIPTORS];
static _Atomic unsigned char nature_of[DESCRIPTORS];
static struct fault faults[CLASSES];

/* ---- the log ---------------------------------------------------------------------------------------------------- */

static void append(struct record record, const void *payload) {
    record.magic = MAGIC;
    record.pid = (uint32_t)owner;
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)payload, record.length}};
    int saved = errno;
    if (log_descriptor >= 0 && syscall(SYS_writev, log_descriptor, parts, 2) != (long)(sizeof record + record.length))
        abort(); /* a log with a hole would make every later check a lie */
    errno = saved;
}

static void append_text(enum kind kind, uint64_t handle, uint32_t flags, const char *text, size_t length) {
    append((struct record){.kind = kind, .handle = handle, .flags = flags, .length = length}, text);
}

/* ---- which calls concern us ------------------------------------------------------------------------------------- */

static uint64_t tracked(int fd) {
    return fd >= 0 && fd < DESCRIPTORS ? handle_of[fd] : 0;
}

static int ends_with(const char *text, const char *ending) {
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && !strcmp(text + length - tail, ending);
}

/* The part of an absolute path below the root ("" is the root itself), or NULL. */
static const char *below_root(const char *path) {
    if (!root_length || strncmp(path, root, root_length))
        return NULL;
    if (path[root_length] == '\0')
        return path + root_length;
    return path[root_length] == '/' ? path + root_length + 1 : NULL;
}

static int path_of_descriptor(int fd, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    out[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* Make `path` absolute, resolving its folder but not its last part. */
static int absolute(int folder, const char *path, char *out) {
    char joined[2 * PATH_MAX], parent[PATH_MAX];
    if (path[0] == '/')
        snprintf(joined, sizeof joined, "%s", path);
    else if (folder == AT_FDCWD ? !getcwd(parent, sizeof parent) : !path_of_descriptor(folder, parent))
        return 0;
    else
        snprintf(joined, sizeof joined, "%s/%s", parent, path);
    size_t length = strlen(joined);
    while (length > 1 && joined[length - 1] == '/')
        joined[--length] = '\0';
    char *slash = strrchr(joined, '/');
    *slash = '\0';
    if (!realpath(slash == joined ? "/" : joined, parent))
        return 0;
    return snprintf(out, PATH_MAX, "%s/%s", strcmp(parent, "/") ? parent : "", slash + 1) < PATH_MAX;
}

/* The path below the root that a call names, or NULL; `out` keeps the text. */
static const char *concerned(int folder, const char *path, char *out) {
    if (!root_length || !path)
        return NULL;
    int saved = errno;
    const char *found = absolute(folder, path, out) ? below_root(out) : NULL;
    errno = saved;
    return found;
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

/* Count a call; return 0, or the action of the fault it meets. Call with the lock held. */
static int met(enum class class) {
    struct fault *fault = &faults[class];
    fault->calls++;
    if (!fault->nth || fault->calls < fault->nth || (fault->calls > fault->nth && !fault->sticky))
        return 0;
    int action = fault->action;
    if (action == SHORT_THEN_FULL)
        *fault = (struct fault){.nth = fault->calls + 1, .calls = fault->calls, .action = ENOSPC};
    append((struct record){.kind = FAULT, .flags = class, .error = (uint16_t)(action > 0 ? action : 0)}, "");
    return action;
}

static int failed(int action) {
    if (action <= 0)
        return 0;
    errno = action;
    return 1;
}

void recorder_arm(int class, long nth, int action, int sticky) {
    pthread_mutex_lock(&lock);
    faults[class] = (struct fault){.nth = nth, .action = action, .sticky = sticky};
    pthread_mutex_unlock(&lock);
}

long recorder_calls(int class) {
    return faults[class].calls;
}

void recorder_swallow(const char *names) {
    swallowed = (strstr(names, "files") ? SWALLOW_FILES : 0) | (strstr(names, "folders") ? SWALLOW_FOLDERS : 0) |
                (strstr(names, "wal") ? SWALLOW_WAL : 0) | (strstr(names, "vectors") ? SWALLOW_VECTORS : 0);
}

/* ---- starting ----------------------------------------------------------------------------------------------------- */

void recorder_stop(void) {
    pthread_mutex_lock(&lock);
    root_length = 0;
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        handle_of[fd] = 0;
    if (log_descriptor >= 0)
        syscall(SYS_close, log_descriptor);
    log_descriptor = -1;
    memset(faults, 0, sizeof faults);
    pthread_mutex_unlock(&lock);
}

/* `path` may be empty: faults without a log. Returns 0, or -1 when folder or log cannot be opened. */
int recorder_start(const char *folder, const char *path) {
    recorder_stop();
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    if (path[0] && (log_descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600)) < 0)
        return -1;
    if (!realpath(folder, root))
        return -1;
    root_length = strlen(root);
    return 0;
}

static void hold(void) { pthread_mutex_lock(&lock); }
static void release(void) { pthread_mutex_unlock(&lock); }

static void reborn(void) {
    pthread_mutex_init(&lock, NULL);
    owner = getpid();
}

__attribute__((constructor)) static void start(void) {
    owner = getpid();
    pthread_atfork(hold, release, reborn);
    const char *folder = getenv("RECORDER_ROOT"), *path = getenv("RECORDER_LOG");
    const char *names = getenv("RECORDER_SWALLOW"), *fault = getenv("RECORDER_FAULT");
    if (folder && recorder_start(folder, path ? path : ""))
        abort();
    recorder_swallow(names ? names : "");
    int class, action, sticky;
    long nth;
    if (fault && sscanf(fault, "%d %ld %d %d", &class, &nth, &action, &sticky) == 4)
        recorder_arm(class, nth, action, sticky);
}

/* ---- opening and closing ------------------------------------------------------------------------------------------ */

static void remember(int fd, const char *path, uint32_t flags) {
    uint64_t handle = ((uint64_t)owner << 32) | ++handles_given;
    nature_of[fd] = (unsigned char)((flags & OPEN_FOLDER ? IS_FOLDER : 0) | (ends_with(path, "-wal") ? IS_WAL : 0) |
                                    (ends_with(path, ".f32") ? IS_VECTORS : 0));
    handle_of[fd] = handle;
    append_text(OPEN, handle, flags, path, strlen(path));
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    char name[PATH_MAX], real[PATH_MAX];
    struct stat before, after;
    if (!concerned(folder, path, name))
        return (int)syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    int creates = (flags & O_CREAT) && lstat(name, &before);
    int fd = creates && failed(met(CLASS_NAME)) ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
    const char *below = fd >= 0 && fd < DESCRIPTORS && path_of_descriptor(fd, real) ? below_root(real) : NULL;
    if (below && !fstat(fd, &after))
        remember(fd, below, (creates ? OPEN_CREATED : 0) | (flags & O_TRUNC ? OPEN_TRUNCATED : 0) |
                                (S_ISDIR(after.st_mode) ? OPEN_FOLDER : 0));
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags, mode)                    \
    mode_t mode = 0;                         \
    if ((flags) & (O_CREAT | O_TMPFILE)) {   \
        va_list rest;                        \
        va_start(rest, flags);               \
        mode = (mode_t)va_arg(rest, int);    \
        va_end(rest);                        \
    }

int open(const char *path, int flags, ...) { MODE(flags, mode) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, mode) return opened(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags, mode) return opened(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags, mode) return opened(folder, path, flags, mode); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* After vfork the child shares this memory: its closes must not make the parent forget. */
int close(int fd) {
    if (tracked(fd) && getpid() == owner)
        handle_of[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

/* A process that dies by its own hand does not die between an effect and its record. */
void _exit(int status) {
    pthread_mutex_lock(&lock);
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static void wrote(uint64_t handle, int fd, off_t offset, const void *data, ssize_t length) {
    if (length <= 0)
        return;
    if (offset < 0)
        offset = lseek(fd, 0, SEEK_CUR) - length;
    append((struct record){.kind = WRITE, .handle = handle, .offset = (uint64_t)offset, .length = (uint64_t)length}, data);
}

/* A negative offset means the descriptor's own position. */
static ssize_t written(int fd, const void *data, size_t length, off_t offset) {
    uint64_t handle = tracked(fd);
    if (!handle)
        return offset < 0 ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
    pthread_mutex_lock(&lock);
    int action = met(CLASS_WRITE);
    ssize_t done = -1;
    if (action < 0 && length > 1)
        length /= 2;
    if (!failed(action))
        done = offset < 0 ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
    wrote(handle, fd, offset, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *data, size_t length) { return written(fd, data, length, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return written(fd, data, length, at); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) { return written(fd, data, length, at); }

/* One part at a time: a legal short write when a part fails, and the log stays a list of plain writes. */
static ssize_t written_parts(int fd, const struct iovec *parts, int count, off_t offset) {
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t done = written(fd, parts[i].iov_base, parts[i].iov_len, offset < 0 ? -1 : offset + total);
        if (done < 0)
            return total ? total : -1;
        total += done;
        if ((size_t)done < parts[i].iov_len)
            break;
    }
    return total;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return tracked(fd) ? written_parts(fd, parts, count, -1) : syscall(SYS_writev, fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    return tracked(fd) ? written_parts(fd, parts, count, at) : syscall(SYS_pwritev, fd, parts, count, at, 0);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return pwritev(fd, parts, count, at); }

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    return tracked(fd) ? written_parts(fd, parts, count, at) : syscall(SYS_pwritev2, fd, parts, count, at, 0, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags) {
    return pwritev2(fd, parts, count, at, flags);
}

static int resized(int fd, off_t length) {
    uint64_t handle = tracked(fd);
    if (!handle)
        return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    int done = failed(met(CLASS_WRITE)) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
    if (!done)
        append((struct record){.kind = TRUNCATE, .handle = handle, .offset = (uint64_t)length}, "");
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int fd, off_t length) { return resized(fd, length); }
int ftruncate64(int fd, off64_t length) { return resized(fd, length); }

/* Only the plain mode (grow, keep bytes) is recorded; the others (punch, keep size) are refused as unsupported. */
static int allocated(int fd, int mode, off_t offset, off_t length) {
    uint64_t handle = tracked(fd);
    if (!handle)
        return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    pthread_mutex_lock(&lock);
    int done = failed(mode ? EOPNOTSUPP : met(CLASS_WRITE)) ? -1 : (int)syscall(SYS_fallocate, fd, 0, offset, length);
    if (!done)
        append((struct record){.kind = ALLOCATE, .handle = handle, .offset = (uint64_t)(offset + length)}, "");
    pthread_mutex_unlock(&lock);
    return done;
}

int fallocate(int fd, int mode, off_t at, off_t length) { return allocated(fd, mode, at, length); }
int fallocate64(int fd, int mode, off64_t at, off64_t length) { return allocated(fd, mode, at, length); }

int posix_fallocate(int fd, off_t at, off_t length) {
    int saved = errno, error = allocated(fd, 0, at, length) ? errno : 0;
    errno = saved;
    return error;
}

int posix_fallocate64(int fd, off64_t at, off64_t length) { return posix_fallocate(fd, at, length); }

/* ---- syncs -------------------------------------------------------------------------------------------------------- */

static int swallows(int fd) {
    int nature = nature_of[fd];
    return (swallowed & SWALLOW_FOLDERS && nature & IS_FOLDER) || (swallowed & SWALLOW_FILES && !(nature & IS_FOLDER)) ||
           (swallowed & SWALLOW_WAL && nature & IS_WAL) || (swallowed & SWALLOW_VECTORS && nature & IS_VECTORS);
}

static int synced(int fd, long call) {
    static uint64_t tickets;
    uint64_t handle = tracked(fd);
    if (!handle)
        return (int)syscall(call, fd);
    if (swallows(fd))
        return 0;
    pthread_mutex_lock(&lock);
    uint64_t ticket = ++tickets;
    int action = met(CLASS_SYNC);
    append((struct record){.kind = SYNC_BEGIN, .handle = handle, .offset = ticket}, "");
    pthread_mutex_unlock(&lock);
    int done = failed(action) ? -1 : (int)syscall(call, fd);
    uint16_t error = (uint16_t)(done ? errno : 0);
    pthread_mutex_lock(&lock);
    append((struct record){.kind = SYNC_END, .handle = handle, .offset = ticket, .error = error}, "");
    pthread_mutex_unlock(&lock);
    return done;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* ---- names -------------------------------------------------------------------------------------------------------- */

/* A call that changes one name. */
static int named(enum kind kind, int folder, const char *path, long call, long third) {
    char name[PATH_MAX];
    const char *below = concerned(folder, path, name);
    if (!below)
        return (int)syscall(call, folder, path, third);
    pthread_mutex_lock(&lock);
    int done = failed(met(CLASS_NAME)) ? -1 : (int)syscall(call, folder, path, third);
    if (!done)
        append_text(kind, 0, 0, below, strlen(below));
    pthread_mutex_unlock(&lock);
    return done;
}

/* A call that changes two names. A move out of the root, or into it, is recorded with an empty other side. */
static int moved(enum kind kind, int from, const char *old, int to, const char *new, int flags) {
    char first[PATH_MAX], second[PATH_MAX], both[2 * PATH_MAX];
    const char *source = concerned(from, old, first), *target = concerned(to, new, second);
    long call = kind == LINK ? SYS_linkat : SYS_renameat2;
    if (!source && !target)
        return (int)syscall(call, from, old, to, new, flags);
    pthread_mutex_lock(&lock);
    int done = failed(met(CLASS_NAME)) ? -1 : (int)syscall(call, from, old, to, new, flags);
    if (!done) {
        int length = snprintf(both, sizeof both, "%s%c%s", source ? source : "", 0, target ? target : "");
        append_text(kind, 0, (uint32_t)flags, both, (size_t)length);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int unlink(const char *path) { return named(UNLINK, AT_FDCWD, path, SYS_unlinkat, 0); }
int rmdir(const char *path) { return named(RMDIR, AT_FDCWD, path, SYS_unlinkat, AT_REMOVEDIR); }
int unlinkat(int at, const char *path, int flags) { return named(flags & AT_REMOVEDIR ? RMDIR : UNLINK, at, path, SYS_unlinkat, flags); }
int remove(const char *path) { struct stat s; return !lstat(path, &s) && S_ISDIR(s.st_mode) ? rmdir(path) : unlink(path); }
int mkdir(const char *path, mode_t mode) { return named(MKDIR, AT_FDCWD, path, SYS_mkdirat, (long)mode); }
int mkdirat(int at, const char *path, mode_t mode) { return named(MKDIR, at, path, SYS_mkdirat, (long)mode); }
int rename(const char *old, const char *new) { return moved(RENAME, AT_FDCWD, old, AT_FDCWD, new, 0); }
int renameat(int from, const char *old, int to, const char *new) { return moved(RENAME, from, old, to, new, 0); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) { return moved(RENAME, from, old, to, new, (int)flags); }
int link(const char *old, const char *new) { return moved(LINK, AT_FDCWD, old, AT_FDCWD, new, 0); }
int linkat(int from, const char *old, int to, const char *new, int flags) { return moved(LINK, from, old, to, new, flags); }
