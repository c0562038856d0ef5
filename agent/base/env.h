/* The one seam between the agent's core and the world: clock, randomness,
 * files, sockets, waiting. The core calls nothing else that can fail, block or
 * tell the time, so a test can replace the world and make the n-th operation
 * fail. `env_linux.c` is the real one (io_uring where the kernel allows it,
 * pwrite and epoll where not).
 *
 * One thread calls all of this: the agent's. Every result is 0 or positive, or
 * -errno. Only wait() blocks. */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

struct env;

/* Called from wait(); `events` are EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP. */
typedef void env_watch_fn(void *arg, uint32_t events);
/* Called from wait(); result 0 or -errno. */
typedef void env_done_fn(void *arg, int result);
#define ENV_ADDRESSES_MAX 16
struct env_address {
	struct sockaddr_storage at;
	socklen_t len;
};
/* Called from wait(); `result` is how many addresses the name has, up to
 * ENV_ADDRESSES_MAX, in the order to try them in, or -errno. */
typedef void env_resolved_fn(void *arg, int result, const struct env_address *addresses);
/* A non-zero return stops the listing and is handed back. Of news only a negative
 * one may be returned. */
typedef int env_name_fn(void *arg, const char *name);

struct env_ops {
	/* Clocks, nanoseconds. boot includes suspend, wall is UTC since 1970. */
	uint64_t (*mono_ns)(struct env *env);
	uint64_t (*boot_ns)(struct env *env);
	uint64_t (*wall_ns)(struct env *env);
	/* Raw TSC, 0 where the kernel's clock is not the TSC. */
	uint64_t (*ticks)(struct env *env);

	int (*random)(struct env *env, void *at, size_t len);

	/* Files. O_CLOEXEC is always added. With O_NOFOLLOW the directory is
	 * hostile ground: `name` is one component and means that very entry, no
	 * link, no other file system, no door of /proc. -EINVAL: more than one
	 * component. -ELOOP, -EXDEV: planted. */
	int (*open)(struct env *env, int dirfd, const char *name, int flags, mode_t mode);
	int (*close)(struct env *env, int fd);
	int (*fstat)(struct env *env, int fd, struct stat *ret_stat);
	ssize_t (*pread)(struct env *env, int fd, void *at, size_t len, off_t offset);
	ssize_t (*pwritev)(struct env *env, int fd, const struct iovec *iov, int n,
			   off_t offset);
	int (*fallocate)(struct env *env, int fd, off_t offset, off_t len);
	int (*truncate)(struct env *env, int fd, off_t len);
	int (*rename)(struct env *env, int olddir, const char *oldname, int newdir,
		      const char *newname, unsigned flags);
	int (*unlink)(struct env *env, int dirfd, const char *name, int flags);
	int (*mkdir)(struct env *env, int dirfd, const char *name, mode_t mode);
	int (*list)(struct env *env, int dirfd, env_name_fn *each, void *arg);
	/* Free bytes for us on the file system of `fd`. */
	int (*space)(struct env *env, int fd, uint64_t *ret_free, uint64_t *ret_total);
	/* fsync that waits: for the rare places that must (a sealed archive). */
	int (*sync)(struct env *env, int fd);
	/* fdatasync in the background; `done` is called from wait(). The fd
	 * must stay open until then. */
	int (*sync_start)(struct env *env, int fd, env_done_fn *done, void *arg);

	/* The write lock of a file's first byte: it belongs to the open file and its
	 * mappings, and goes with the last of them. lock: -EBUSY, somebody else has
	 * it. locked: 1 somebody else has it, 0 nobody. */
	int (*lock)(struct env *env, int fd);
	int (*locked)(struct env *env, int fd);

	/* News of a directory: an fd to watch for EPOLLIN, and the names that came
	 * since it was asked last. A name may be given twice. 1: some were lost.
	 * -EMFILE, -ENOSPC: this user has no more of them. */
	int (*news_open)(struct env *env, const char *path);
	int (*news)(struct env *env, int fd, env_name_fn *each, void *arg);

	/* Processes. The agent's own number; and of another one an fd to watch for
	 * EPOLLIN: it is gone. -ESRCH. */
	uint32_t (*pid)(struct env *env);
	int (*process)(struct env *env, uint32_t pid);

	/* Sockets, all non-blocking. connect gives an fd; watch it for
	 * EPOLLOUT and ask connected(). */
	int (*connect)(struct env *env, const struct sockaddr *addr, socklen_t len);
	int (*connected)(struct env *env, int fd);
	ssize_t (*recv)(struct env *env, int fd, void *at, size_t len);
	ssize_t (*send)(struct env *env, int fd, const struct iovec *iov, int n);
	/* A socket that takes connections; watch it for EPOLLIN. Of a unix socket the
	 * name is taken over from a server that has gone, and everybody of this
	 * machine may connect, as to a port. -EADDRINUSE: somebody serves there. */
	int (*listen)(struct env *env, const struct sockaddr *addr, socklen_t len);
	/* The next connection, non-blocking. -EAGAIN: there is none. */
	int (*accept)(struct env *env, int fd);
	int (*resolve_start)(struct env *env, const char *host, const char *port,
			     env_resolved_fn *done, void *arg);
	/* Forgets resolutions and syncs begun with this `arg`. */
	void (*cancel)(struct env *env, void *arg);

	/* Waiting. watch replaces an earlier watch of the same fd; events 0
	 * removes it (do so before close). wait() runs callbacks and returns
	 * how many; 0 after the timeout. */
	int (*watch)(struct env *env, int fd, uint32_t events, env_watch_fn *fn, void *arg);
	int (*wait)(struct env *env, uint64_t timeout_ns);
};

struct env {
	const struct env_ops *ops;
};

#endif
