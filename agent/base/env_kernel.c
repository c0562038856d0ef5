#include "base/env_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wire/abi.h"

#define NEWS_READS_MAX 64 /* of 4 KiB, in one turn */

/* ---- locks ------------------------------------------------------------------ */

static struct flock lock_of(short type)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = WIRE_LOCK_OFFSET,
		.l_len = WIRE_LOCK_LENGTH,
	};
}

int env_kernel_lock(struct env *env, int fd)
{
	struct flock lock = lock_of(F_WRLCK);

	(void)env;
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int env_kernel_locked(struct env *env, int fd)
{
	/* Asked as a reader: a stranger's read lock is not life. */
	struct flock lock = lock_of(F_RDLCK);

	(void)env;
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	return lock.l_type != F_UNLCK;
}

/* ---- news of a directory ------------------------------------------------------ */

int env_kernel_news_open(struct env *env, const char *path)
{
	int fd, r;

	(void)env;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (inotify_add_watch(fd, path, IN_MOVED_TO | IN_CREATE | IN_ONLYDIR) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* 1: some are missing between those that were given. */
static int tell(const char *events, ssize_t n, env_name_fn *each, void *arg)
{
	int lost = 0, r;

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const struct inotify_event *)(events + at);

		at += (ssize_t)(sizeof *event + event->len);
		if (event->mask & IN_Q_OVERFLOW)
			lost = 1;
		if (event->len == 0)
			continue;
		r = each(arg, event->name);
		if (r != 0)
			return r;
	}
	return lost;
}

int env_kernel_news(struct env *env, int fd, env_name_fn *each, void *arg)
{
	_Alignas(struct inotify_event) char events[4096];
	int lost = 0, r;

	(void)env;
	/* Whoever makes files faster than they are looked at does not keep us. */
	for (int reads = 0; reads < NEWS_READS_MAX; reads++) {
		ssize_t n = read(fd, events, sizeof events);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0)
			break;
		r = tell(events, n, each, arg);
		if (r < 0)
			return r;
		lost |= r;
	}
	return lost;
}

/* ---- processes ------------------------------------------------------------------ */

uint32_t env_kernel_pid(struct env *env)
{
	(void)env;
	return (uint32_t)getpid();
}

int env_kernel_process(struct env *env, uint32_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);

	(void)env;
	if (fd < 0)
		return -errno;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* the kernel has set it since there are pidfds */
	return fd;
}
