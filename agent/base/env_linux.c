#include "base/env_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
#endif

#include "base/env_doorbell.h"
#include "base/env_helper.h"
#include "base/env_kernel.h"
#include "base/env_listen.h"
#include "base/env_loop.h"
#include "base/env_uring.h"

/* A name server that does not answer must delay nobody who asks another one; a
 * thread begins when it is first needed. */
#define NAMES_AT_ONCE 8

struct env_linux {
	struct env env; /* first */
	struct env_loop loop;
	struct env_uring uring;
	struct env_helper syncs;
	struct env_helper names[NAMES_AT_ONCE];
	struct env_doorbell doorbell;
	bool tsc;
	bool openat2; /* the kernel has it, and no filter forbids it */
};

static struct env_linux *of(struct env *env)
{
	return (struct env_linux *)env;
}

/* ---- clocks and randomness ------------------------------------------------ */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	(void)clock_gettime(clock, &now); /* cannot fail for these three */
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t linux_mono_ns(struct env *env)
{
	(void)env;
	return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t linux_boot_ns(struct env *env)
{
	(void)env;
	return clock_ns(CLOCK_BOOTTIME);
}

static uint64_t linux_wall_ns(struct env *env)
{
	(void)env;
	return clock_ns(CLOCK_REALTIME);
}

static uint64_t linux_ticks(struct env *env)
{
#if defined(__x86_64__) || defined(__i386__)
	return of(env)->tsc ? __rdtsc() : 0;
#else
	(void)env;
	return 0;
#endif
}

/* The TSC is trusted where the kernel trusts it, and only there. */
static bool clock_is_tsc(void)
{
	static const char path[] =
		"/sys/devices/system/clocksource/clocksource0/current_clocksource";
	char name[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, name, sizeof name - 1);
	close(fd);
	return n >= 3 && memcmp(name, "tsc", 3) == 0 && (name[3] == '\n' || name[3] == '\0');
}

static int linux_random(struct env *env, void *at, size_t len)
{
	uint8_t *to = at;

	(void)env;
	while (len > 0) {
		ssize_t n = getrandom(to, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- files ---------------------------------------------------------------- */

static long openat2_call(int dirfd, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV |
			   RESOLVE_NO_MAGICLINKS,
	};

	return syscall(SYS_openat2, dirfd, name, &how, sizeof how);
}

/* Linux 5.6 has it; before, and where a filter says no, one component and
 * O_NOFOLLOW leave only the entry that another file system is mounted on. */
static bool openat2_works(void)
{
	long fd = openat2_call(AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0);

	if (fd >= 0)
		close((int)fd);
	return fd >= 0 || (errno != ENOSYS && errno != EPERM);
}

static int linux_open(struct env *env, int dirfd, const char *name, int flags, mode_t mode)
{
	bool beneath = flags & O_NOFOLLOW;
	long fd;

	if (beneath && (strchr(name, '/') || strcmp(name, "..") == 0))
		return -EINVAL;
	do {
		if (beneath && of(env)->openat2)
			fd = openat2_call(dirfd, name, flags, mode);
		else
			fd = openat(dirfd, name, flags | O_CLOEXEC, mode);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : (int)fd;
}

static int linux_close(struct env *env, int fd)
{
	(void)env;
	/* EINTR leaves the descriptor closed on Linux. */
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static int linux_fstat(struct env *env, int fd, struct stat *ret_stat)
{
	(void)env;
	return fstat(fd, ret_stat) < 0 ? -errno : 0;
}

static ssize_t linux_pread(struct env *env, int fd, void *at, size_t len, off_t offset)
{
	ssize_t n;

	(void)env;
	do
		n = pread(fd, at, len, offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t linux_pwritev(struct env *env, int fd, const struct iovec *iov, int n,
			     off_t offset)
{
	ssize_t written;

	(void)env;
	do
		written = pwritev(fd, iov, n, offset);
	while (written < 0 && errno == EINTR);
	return written < 0 ? -errno : written;
}

static int linux_fallocate(struct env *env, int fd, off_t offset, off_t len)
{
	int r;

	(void)env;
	do
		r = fallocate(fd, 0, offset, len);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int linux_truncate(struct env *env, int fd, off_t len)
{
	int r;

	(void)env;
	do
		r = ftruncate(fd, len);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int linux_rename(struct env *env, int olddir, const char *oldname, int newdir,
			const char *newname, unsigned flags)
{
	int r;

	(void)env;
	/* Not every file system knows the flags, so they are used when asked for. */
	if (flags)
		r = renameat2(olddir, oldname, newdir, newname, flags);
	else
		r = renameat(olddir, oldname, newdir, newname);
	return r < 0 ? -errno : 0;
}

static int linux_unlink(struct env *env, int dirfd, const char *name, int flags)
{
	(void)env;
	return unlinkat(dirfd, name, flags) < 0 ? -errno : 0;
}

static int linux_mkdir(struct env *env, int dirfd, const char *name, mode_t mode)
{
	(void)env;
	return mkdirat(dirfd, name, mode) < 0 ? -errno : 0;
}

static int linux_list(struct env *env, int dirfd, env_name_fn *each, void *arg)
{
	struct dirent *entry;
	DIR *dir;
	int fd, r = 0;

	/* A description of its own: the caller's offset is not ours to move. */
	fd = linux_open(env, dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			r = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = each(arg, entry->d_name);
		if (r != 0)
			break;
	}
	closedir(dir);
	return r;
}

static int linux_space(struct env *env, int fd, uint64_t *ret_free, uint64_t *ret_total)
{
	struct statvfs vfs;

	(void)env;
	if (fstatvfs(fd, &vfs) < 0)
		return -errno;
	*ret_free = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	*ret_total = (uint64_t)vfs.f_blocks * vfs.f_frsize;
	return 0;
}

static int linux_sync(struct env *env, int fd)
{
	int r;

	(void)env;
	do
		r = fsync(fd);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int linux_sync_start(struct env *env, int fd, env_done_fn *done, void *arg)
{
	struct env_job *job = calloc(1, sizeof *job);

	if (!job)
		return -ENOMEM;
	job->fd = fd;
	job->done = done;
	job->arg = arg;
	if (of(env)->uring.usable && env_uring_sync(&of(env)->uring, job) == 0)
		return 0;
	return env_helper_push(&of(env)->syncs, job);
}

/* ---- sockets -------------------------------------------------------------- */

#define SILENCE_MS 30000

static int linux_connect(struct env *env, const struct sockaddr *addr, socklen_t len)
{
	unsigned silence_ms = SILENCE_MS;
	int fd, r, one = 1;

	(void)env;
	fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Requests are written whole; waiting for more would only delay them. */
	if (addr->sa_family == AF_INET || addr->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	/* What is sent and never acknowledged is a peer that is gone. */
	if (addr->sa_family == AF_INET || addr->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms,
				 sizeof silence_ms);
	/* EINTR as EINPROGRESS: the attempt goes on in the background. */
	if (connect(fd, addr, len) < 0 && errno != EINPROGRESS && errno != EINTR) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int linux_connected(struct env *env, int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	int error = 0;
	socklen_t error_len = sizeof error;

	(void)env;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) < 0)
		return -errno;
	if (error)
		return -error;
	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return errno == ENOTCONN ? -EINPROGRESS : -errno;
	return 0;
}

static ssize_t linux_recv(struct env *env, int fd, void *at, size_t len)
{
	ssize_t n;

	(void)env;
	do
		n = recv(fd, at, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t linux_send(struct env *env, int fd, const struct iovec *iov, int n)
{
	struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
	ssize_t sent;

	(void)env;
	do
		sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static struct env_helper *names_free(struct env_linux *world)
{
	for (int i = 0; i < NAMES_AT_ONCE - 1; i++)
		if (env_helper_idle(&world->names[i]))
			return &world->names[i];
	return &world->names[NAMES_AT_ONCE - 1];
}

static int linux_resolve_start(struct env *env, const char *host, const char *port,
			       env_resolved_fn *done, void *arg)
{
	struct env_job *job = calloc(1, sizeof *job);

	if (!job)
		return -ENOMEM;
	job->host = strdup(host);
	job->port = strdup(port);
	job->resolved = done;
	job->arg = arg;
	if (!job->host || !job->port) {
		env_job_free(job);
		return -ENOMEM;
	}
	return env_helper_push(names_free(of(env)), job);
}

static void linux_cancel(struct env *env, void *arg)
{
	env_helper_cancel(&of(env)->syncs, arg);
	for (int i = 0; i < NAMES_AT_ONCE; i++)
		env_helper_cancel(&of(env)->names[i], arg);
	env_uring_cancel(&of(env)->uring, arg);
}

/* ---- waiting -------------------------------------------------------------- */

static int linux_watch(struct env *env, int fd, uint32_t events, env_watch_fn *fn, void *arg)
{
	return env_loop_watch(&of(env)->loop, fd, events, fn, arg);
}

static int linux_wait(struct env *env, uint64_t timeout_ns)
{
	return env_loop_wait(&of(env)->loop, timeout_ns);
}

static const struct env_ops linux_ops = {
	.mono_ns = linux_mono_ns,
	.boot_ns = linux_boot_ns,
	.wall_ns = linux_wall_ns,
	.ticks = linux_ticks,
	.random = linux_random,
	.open = linux_open,
	.close = linux_close,
	.fstat = linux_fstat,
	.pread = linux_pread,
	.pwritev = linux_pwritev,
	.fallocate = linux_fallocate,
	.truncate = linux_truncate,
	.rename = linux_rename,
	.unlink = linux_unlink,
	.mkdir = linux_mkdir,
	.list = linux_list,
	.space = linux_space,
	.sync = linux_sync,
	.sync_start = linux_sync_start,
	.lock = env_kernel_lock,
	.locked = env_kernel_locked,
	.news_open = env_kernel_news_open,
	.news = env_kernel_news,
	.pid = env_kernel_pid,
	.process = env_kernel_process,
	.connect = linux_connect,
	.connected = linux_connected,
	.recv = linux_recv,
	.send = linux_send,
	.listen = env_listen,
	.accept = env_accept,
	.resolve_start = linux_resolve_start,
	.cancel = linux_cancel,
	.watch = linux_watch,
	.wait = linux_wait,
};

int env_linux_doorbell(struct env *env, _Atomic uint32_t *word, env_watch_fn *fn, void *arg)
{
	struct env_linux *world = of(env);
	int r;

	if (world->doorbell.running) {
		(void)env_loop_watch(&world->loop, world->doorbell.event_fd, 0, NULL, NULL);
		env_doorbell_stop(&world->doorbell);
	}
	if (!word)
		return 0;
	r = env_doorbell_start(&world->doorbell, word, fn, arg);
	if (r < 0)
		return r;
	r = env_loop_watch(&world->loop, world->doorbell.event_fd, EPOLLIN, env_doorbell_rung,
			   &world->doorbell);
	if (r < 0)
		env_doorbell_stop(&world->doorbell);
	return r;
}

/* Another world, as tests have them, is no struct env_linux and uses neither. */
static const struct env_linux *ours(const struct env *env)
{
	return env->ops == &linux_ops ? (const struct env_linux *)env : NULL;
}

bool env_linux_uses_uring(const struct env *env)
{
	const struct env_linux *world = ours(env);

	return world && world->uring.usable;
}

bool env_linux_uses_openat2(const struct env *env)
{
	const struct env_linux *world = ours(env);

	return world && world->openat2;
}

/* The thread gets what the kernel's ring did not do. */
static void uring_refused(void *arg, struct env_job *job)
{
	struct env_linux *world = arg;
	env_done_fn *done = job->done;
	void *done_arg = job->arg;
	int r = env_helper_push(&world->syncs, job);

	if (r < 0)
		done(done_arg, r);
}

static void uring_probe(struct env_linux *world, const struct env_linux_options *options)
{
	if (options && options->uring == ENV_LINUX_URING_NEVER)
		return;
	if (env_uring_init(&world->uring, uring_refused, world) < 0)
		return;
	if (env_loop_watch(&world->loop, world->uring.event_fd, EPOLLIN, env_uring_collect,
			   &world->uring) < 0)
		env_uring_fini(&world->uring);
}

static void sigxfsz_ignore(void)
{
	struct sigaction now, ignore = {.sa_handler = SIG_IGN};

	if (sigaction(SIGXFSZ, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		(void)sigaction(SIGXFSZ, &ignore, NULL);
}

static void names_fini(struct env_linux *world, int count)
{
	while (count)
		env_helper_fini(&world->names[--count]);
}

static int names_init(struct env_linux *world)
{
	for (int i = 0; i < NAMES_AT_ONCE; i++) {
		struct env_helper *names = &world->names[i];
		int r = env_helper_init(names);

		if (r < 0) {
			names_fini(world, i);
			return r;
		}
		r = env_loop_watch(&world->loop, names->event_fd, EPOLLIN, env_helper_collect,
				   names);
		if (r < 0) {
			names_fini(world, i + 1);
			return r;
		}
	}
	return 0;
}

int env_linux_new(struct env **ret_env, const struct env_linux_options *options)
{
	struct env_linux *world = calloc(1, sizeof *world);
	int r;

	if (!world)
		return -ENOMEM;
	world->env.ops = &linux_ops;
	world->tsc = clock_is_tsc();
	world->openat2 = openat2_works();
	r = env_loop_init(&world->loop);
	if (r < 0)
		goto free;
	r = env_helper_init(&world->syncs);
	if (r < 0)
		goto loop;
	r = env_loop_watch(&world->loop, world->syncs.event_fd, EPOLLIN, env_helper_collect,
			   &world->syncs);
	if (r == 0)
		r = names_init(world);
	if (r < 0)
		goto syncs;
	uring_probe(world, options);
	sigxfsz_ignore();
	*ret_env = &world->env;
	return 0;

syncs:
	env_helper_fini(&world->syncs);
loop:
	env_loop_fini(&world->loop);
free:
	free(world);
	return r;
}

void env_linux_free(struct env *env)
{
	struct env_linux *world = of(env);

	if (!env)
		return;
	env_doorbell_stop(&world->doorbell);
	env_uring_fini(&world->uring);
	names_fini(world, NAMES_AT_ONCE);
	env_helper_fini(&world->syncs);
	env_loop_fini(&world->loop);
	free(world);
}
