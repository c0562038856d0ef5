#include "test_env.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/env_kernel.h"
#include "base/env_listen.h"

/* Something to report at the next wait(). */
struct test_env_later {
	struct test_env_later *next;
	void *arg;
	int result;
	env_done_fn *done;
	env_resolved_fn *resolved;
	struct env_address addresses[ENV_ADDRESSES_MAX];
};

static struct test_env *self(struct env *env)
{
	return (struct test_env *)env;
}

static int result(int r)
{
	return r < 0 ? -errno : r;
}

static uint64_t op_mono_ns(struct env *env)
{
	return self(env)->mono_ns;
}

static uint64_t op_boot_ns(struct env *env)
{
	return self(env)->boot_ns;
}

static uint64_t op_wall_ns(struct env *env)
{
	return self(env)->wall_ns;
}

static uint64_t op_ticks(struct env *env)
{
	return self(env)->ticks;
}

static int op_random(struct env *env, void *at, size_t len)
{
	uint8_t *byte = at;

	while (len--) {
		self(env)->seed ^= self(env)->seed << 13;
		self(env)->seed ^= self(env)->seed >> 7;
		self(env)->seed ^= self(env)->seed << 17;
		*byte++ = (uint8_t)(self(env)->seed >> 24);
	}
	return 0;
}

/* --- files ---------------------------------------------------------------- */

static int op_open(struct env *env, int dirfd, const char *name, int flags, mode_t mode)
{
	(void)env;
	return result(openat(dirfd, name, flags | O_CLOEXEC, mode));
}

static int op_close(struct env *env, int fd)
{
	(void)env;
	return result(close(fd));
}

static int op_fstat(struct env *env, int fd, struct stat *ret_stat)
{
	(void)env;
	return result(fstat(fd, ret_stat));
}

static ssize_t op_pread(struct env *env, int fd, void *at, size_t len, off_t offset)
{
	ssize_t n = pread(fd, at, len, offset);

	(void)env;
	return n < 0 ? -errno : n;
}

static ssize_t op_pwritev(struct env *env, int fd, const struct iovec *iov, int n, off_t offset)
{
	ssize_t written = pwritev(fd, iov, n, offset);

	(void)env;
	return written < 0 ? -errno : written;
}

static int op_fallocate(struct env *env, int fd, off_t offset, off_t len)
{
	(void)env;
	return result(fallocate(fd, 0, offset, len));
}

static int op_truncate(struct env *env, int fd, off_t len)
{
	(void)env;
	return result(ftruncate(fd, len));
}

static int op_rename(struct env *env, int olddir, const char *oldname, int newdir,
		     const char *newname, unsigned flags)
{
	(void)env;
	return result(renameat2(olddir, oldname, newdir, newname, flags));
}

static int op_unlink(struct env *env, int dirfd, const char *name, int flags)
{
	(void)env;
	return result(unlinkat(dirfd, name, flags));
}

static int op_mkdir(struct env *env, int dirfd, const char *name, mode_t mode)
{
	(void)env;
	return result(mkdirat(dirfd, name, mode));
}

static int op_list(struct env *env, int dirfd, env_name_fn *each, void *arg)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	const struct dirent *entry;
	DIR *dir;

	(void)env;
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = each(arg, entry->d_name);
	closedir(dir);
	return r;
}

static int op_space(struct env *env, int fd, uint64_t *ret_free, uint64_t *ret_total)
{
	struct statvfs st;

	(void)env;
	if (fstatvfs(fd, &st) < 0)
		return -errno;
	*ret_free = (uint64_t)st.f_bavail * st.f_frsize;
	*ret_total = (uint64_t)st.f_blocks * st.f_frsize;
	return 0;
}

static int op_sync(struct env *env, int fd)
{
	(void)env;
	return result(fsync(fd));
}

/* --- later ---------------------------------------------------------------- */

static struct test_env_later *later_add(struct env *env, void *arg)
{
	struct test_env_later *later = calloc(1, sizeof(*later)), **end = &self(env)->later;

	assert(later);
	while (*end)
		end = &(*end)->next;
	*end = later;
	later->arg = arg;
	return later;
}

static int op_sync_start(struct env *env, int fd, env_done_fn *done, void *arg)
{
	struct test_env_later *later = later_add(env, arg);

	later->done = done;
	later->result = result(fdatasync(fd));
	return 0;
}

static int op_resolve_start(struct env *env, const char *host, const char *port,
			    env_resolved_fn *done, void *arg)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *each;
	struct test_env_later *later = later_add(env, arg);

	later->resolved = done;
	if (self(env)->address_count) {
		later->result = (int)self(env)->address_count;
		memcpy(later->addresses, self(env)->addresses, sizeof later->addresses);
		return 0;
	}
	if (getaddrinfo(host, port, &hints, &list) != 0) {
		later->result = -EHOSTUNREACH;
		return 0;
	}
	for (each = list; each && later->result < ENV_ADDRESSES_MAX; each = each->ai_next) {
		struct env_address *address = &later->addresses[later->result++];

		memcpy(&address->at, each->ai_addr, each->ai_addrlen);
		address->len = each->ai_addrlen;
	}
	freeaddrinfo(list);
	return 0;
}

static void op_cancel(struct env *env, void *arg)
{
	for (struct test_env_later **at = &self(env)->later; *at;) {
		struct test_env_later *later = *at;

		if (later->arg != arg) {
			at = &later->next;
			continue;
		}
		*at = later->next;
		free(later);
	}
}

static int later_run(struct test_env *env)
{
	struct test_env_later *later;
	int n = 0;

	/* Only what was begun before: a callback may begin more. */
	for (later = env->later; later; later = later->next)
		n++;
	for (int i = 0; i < n && env->later; i++) {
		later = env->later;
		env->later = later->next;
		if (later->done)
			later->done(later->arg, later->result);
		else
			later->resolved(later->arg, later->result, later->addresses);
		free(later);
	}
	return n;
}

/* --- sockets -------------------------------------------------------------- */

static int op_connect(struct env *env, const struct sockaddr *addr, socklen_t len)
{
	int fd, one = 1;

	self(env)->connects++;
	if (self(env)->connect_failures) {
		self(env)->connect_failures--;
		return self(env)->connect_error;
	}
	fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, addr, len) < 0 && errno != EINPROGRESS) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static int op_connected(struct env *env, int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	(void)env;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static ssize_t op_recv(struct env *env, int fd, void *at, size_t len)
{
	ssize_t n = recv(fd, at, len, 0);

	(void)env;
	return n < 0 ? -errno : n;
}

static ssize_t op_send(struct env *env, int fd, const struct iovec *iov, int n)
{
	const struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
	ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

	if (sent < 0)
		return -errno;
	self(env)->sends++;
	self(env)->sent_bytes += (uint64_t)sent;
	return sent;
}

static int op_accept(struct env *env, int fd)
{
	self(env)->accepts++;
	if (self(env)->accept_failures) {
		self(env)->accept_failures--;
		return self(env)->accept_error;
	}
	return env_accept(env, fd);
}

/* --- waiting -------------------------------------------------------------- */

static int op_watch(struct env *env, int fd, uint32_t events, env_watch_fn *fn, void *arg)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	struct test_env_watch *watch;

	assert(fd >= 0 && fd < TEST_ENV_WATCHES);
	watch = &self(env)->watches[fd];
	if (!events) {
		watch->fn = NULL;
		return result(epoll_ctl(self(env)->epoll, EPOLL_CTL_DEL, fd, NULL));
	}
	watch->fn = fn;
	watch->arg = arg;
	if (epoll_ctl(self(env)->epoll, EPOLL_CTL_MOD, fd, &event) == 0)
		return 0;
	return result(epoll_ctl(self(env)->epoll, EPOLL_CTL_ADD, fd, &event));
}

static int op_wait(struct env *env, uint64_t timeout_ns)
{
	uint64_t timeout_ms = timeout_ns / 1000000;
	struct epoll_event events[32];
	int n, done = later_run(self(env));

	if (done || timeout_ms > (uint64_t)self(env)->patience_ms)
		timeout_ms = done ? 0 : (uint64_t)self(env)->patience_ms;
	n = epoll_wait(self(env)->epoll, events, 32, (int)timeout_ms);
	for (int i = 0; i < n; i++) {
		const struct test_env_watch *watch = &self(env)->watches[events[i].data.fd];

		if (!watch->fn)
			continue; /* removed by an earlier callback */
		watch->fn(watch->arg, events[i].events);
		done++;
	}
	return done;
}

static const struct env_ops ops = {
	.mono_ns = op_mono_ns,
	.boot_ns = op_boot_ns,
	.wall_ns = op_wall_ns,
	.ticks = op_ticks,
	.random = op_random,
	.open = op_open,
	.close = op_close,
	.fstat = op_fstat,
	.pread = op_pread,
	.pwritev = op_pwritev,
	.fallocate = op_fallocate,
	.truncate = op_truncate,
	.rename = op_rename,
	.unlink = op_unlink,
	.mkdir = op_mkdir,
	.list = op_list,
	.space = op_space,
	.sync = op_sync,
	.sync_start = op_sync_start,
	.lock = env_kernel_lock,
	.locked = env_kernel_locked,
	.news_open = env_kernel_news_open,
	.news = env_kernel_news,
	.pid = env_kernel_pid,
	.process = env_kernel_process,
	.connect = op_connect,
	.connected = op_connected,
	.recv = op_recv,
	.send = op_send,
	.listen = env_listen,
	.accept = op_accept,
	.resolve_start = op_resolve_start,
	.cancel = op_cancel,
	.watch = op_watch,
	.wait = op_wait,
};

int test_env_init(struct test_env *env)
{
	*env = (struct test_env){
		.env.ops = &ops,
		.mono_ns = 1000000000000u,
		.boot_ns = 1000000000000u,
		.wall_ns = 1767225600000000000u,
		.seed = 0x5eed5eed5eed5eedu,
		.patience_ms = 20,
	};
	env->epoll = epoll_create1(EPOLL_CLOEXEC);
	return env->epoll < 0 ? -errno : 0;
}

void test_env_fini(struct test_env *env)
{
	while (env->later)
		op_cancel(&env->env, env->later->arg);
	close(env->epoll);
}

void test_env_advance(struct test_env *env, uint64_t ns)
{
	env->mono_ns += ns;
	env->boot_ns += ns;
	env->wall_ns += ns;
}

void test_env_advance_ms(struct test_env *env, uint64_t ms)
{
	test_env_advance(env, ms * 1000000);
}
