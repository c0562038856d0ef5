/* Loaded in front of the agent's libraries (LD_PRELOAD): calls fail, or take long,
 * as a file says that the test rewrites while the agent runs. It is named by
 * SPANRING_TEST_CALLS and holds lines of
 *
 *	CALL NAME ERRNO|sleep COUNT|MILLISECONDS
 *
 * A call (fdatasync, fsync, pwritev, fallocate, openat for writing, renameat,
 * unlinkat) on a
 * descriptor or path whose name, as it was given to openat, holds NAME ("*": any)
 * fails so often with this number, -1 for ever; or sleeps so long each time. A
 * sync that the agent gives to io_uring counts as fdatasync: its failure is then
 * always EBADF. Counting begins anew when the file is another one (rename). */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NAMES 4096
#define NAME_BYTES 128
#define RULES_MAX 16

struct rule {
	char call[16], name[64], what[16];
	long number;
	long used;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char names[NAMES][NAME_BYTES];
static struct rule rules[RULES_MAX];
static int rule_count;
static ino_t rules_inode;

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static long real_syscall(long number, const long at[6])
{
	static long (*real)(long, ...);

	if (!real)
		real = next("syscall");
	return real(number, at[0], at[1], at[2], at[3], at[4], at[5]);
}

static void rules_parse(char *text)
{
	char *line, *rest = text;

	rule_count = 0;
	while ((line = strsep(&rest, "\n")) != NULL && rule_count < RULES_MAX) {
		struct rule *rule = &rules[rule_count];

		if (sscanf(line, "%15s %63s %15s %ld", rule->call, rule->name, rule->what,
			   &rule->number) != 4)
			continue;
		rule->used = 0;
		rule_count++;
	}
}

static void rules_look(void)
{
	const char *path = getenv("SPANRING_TEST_CALLS");
	char text[2048];
	struct stat st;
	ssize_t n;
	int fd;

	if (!path || stat(path, &st) < 0 || st.st_ino == rules_inode)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n < 0)
		return;
	text[n] = '\0';
	rules_inode = st.st_ino;
	rules_parse(text);
}

/* The number of the error to answer with, or 0; *ret_ms: sleep first. */
static int verdict(const char *call, const char *name, long *ret_ms)
{
	int error = 0;

	*ret_ms = 0;
	pthread_mutex_lock(&lock);
	rules_look();
	for (int i = 0; i < rule_count && !error; i++) {
		struct rule *rule = &rules[i];

		if (strcmp(rule->call, call) != 0 ||
		    (strcmp(rule->name, "*") != 0 && !strstr(name, rule->name)))
			continue;
		if (strcmp(rule->what, "sleep") == 0)
			*ret_ms = rule->number;
		else if (rule->number < 0 || rule->used++ < rule->number)
			error = atoi(rule->what);
	}
	pthread_mutex_unlock(&lock);
	return error;
}

/* -1 with errno, or 0 to go on. */
static int judge(const char *call, const char *name)
{
	long ms;
	int error = verdict(call, name, &ms);

	if (ms)
		usleep((useconds_t)ms * 1000);
	if (!error)
		return 0;
	errno = error;
	return -1;
}

static const char *name_of(int fd)
{
	return fd >= 0 && fd < NAMES ? names[fd] : "";
}

static int opened(int fd, const char *path)
{
	if (fd >= 0 && fd < NAMES) {
		strncpy(names[fd], path, NAME_BYTES - 1);
		names[fd][NAME_BYTES - 1] = '\0';
	}
	return fd;
}

static int writes(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
}

int openat(int dirfd, const char *path, int flags, ...)
{
	static int (*real)(int, const char *, int, ...);
	mode_t mode = 0;
	va_list args;

	if (!real)
		real = next("openat");
	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	if (writes(flags) && judge("openat", path) < 0)
		return -1;
	return opened(real(dirfd, path, flags, mode), path);
}

/* openat2() has no function of its own in the library. */
long syscall(long number, ...)
{
	long at[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		at[i] = va_arg(args, long);
	va_end(args);
	if (number != SYS_openat2)
		return real_syscall(number, at);
	if (writes(*(const int *)at[2]) && judge("openat", (const char *)at[1]) < 0)
		return -1;
	return opened((int)real_syscall(number, at), (const char *)at[1]);
}

int fdatasync(int fd)
{
	static int (*real)(int);

	if (!real)
		real = next("fdatasync");
	return judge("fdatasync", name_of(fd)) < 0 ? -1 : real(fd);
}

int fsync(int fd)
{
	static int (*real)(int);

	if (!real)
		real = next("fsync");
	return judge("fsync", name_of(fd)) < 0 ? -1 : real(fd);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	static ssize_t (*real)(int, const struct iovec *, int, off_t);

	if (!real)
		real = next("pwritev");
	return judge("pwritev", name_of(fd)) < 0 ? -1 : real(fd, iov, n, offset);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	static int (*real)(int, int, off_t, off_t);

	if (!real)
		real = next("fallocate");
	return judge("fallocate", name_of(fd)) < 0 ? -1 : real(fd, mode, offset, len);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	static int (*real)(int, const char *, int, const char *);

	if (!real)
		real = next("renameat");
	return judge("renameat", to) < 0 ? -1 : real(from_dir, from, to_dir, to);
}

int unlinkat(int dirfd, const char *path, int flags)
{
	static int (*real)(int, const char *, int);

	if (!real)
		real = next("unlinkat");
	return judge("unlinkat", path) < 0 ? -1 : real(dirfd, path, flags);
}

/* Puts a pause in front of the prepared sync. It says nothing itself. */
static void put_pause(struct io_uring *ring, long ms)
{
	static struct __kernel_timespec pause;
	unsigned last = ring->sq.sqe_tail - 1;
	struct io_uring_sqe *first = &ring->sq.sqes[last & ring->sq.ring_mask], *second;
	struct io_uring_sqe sync = *first;

	pause.tv_sec = ms / 1000;
	pause.tv_nsec = ms % 1000 * 1000000;
	second = io_uring_get_sqe(ring);
	if (!second)
		return;
	*second = sync;
	io_uring_prep_timeout(first, &pause, 0, IORING_TIMEOUT_ETIME_SUCCESS);
	first->flags = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
}

int io_uring_submit(struct io_uring *ring)
{
	static int (*real)(struct io_uring *);
	struct io_uring_sqe *sqe;
	long ms = 0;
	int r;

	if (!real)
		real = next("io_uring_submit");
	if (ring->sq.sqe_tail != ring->sq.sqe_head) {
		sqe = &ring->sq.sqes[(ring->sq.sqe_tail - 1) & ring->sq.ring_mask];
		if (sqe->opcode == IORING_OP_FSYNC &&
		    verdict("fdatasync", name_of(sqe->fd), &ms))
			sqe->fd = -1;
		if (ms)
			put_pause(ring, ms);
	}
	r = real(ring);
	return ms && r == 2 ? 1 : r;
}
