#include "file_env.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/env_kernel.h"
#include "base/env_listen.h"
#include "sim_disk.h"

static struct file_env *world_of(struct env *env)
{
	return (struct file_env *)env;
}

/* What happens to this operation. */
enum fate { FATE_NORMAL, FATE_FAIL, FATE_SHORT, FATE_TORN, FATE_LAST, FATE_LATE };

static bool fault_hits(struct file_env *world, enum file_env_op op, int fd)
{
	const struct file_env_fault *fault = &world->fault;
	uint64_t n, times = fault->times ? fault->times : 1;

	world->counts[op]++;
	world->counts[FILE_ENV_ANY]++;
	if (world->hooks.fault)
		return world->hooks.fault(world->hooks.arg, op, fd, &world->fault);
	if (!world->armed || (fault->op != FILE_ENV_ANY && fault->op != op))
		return false;
	n = world->counts[fault->op];
	return n >= fault->nth && n - fault->nth < times;
}

static void crash(struct file_env *world)
{
	if (world->hooks.die)
		world->hooks.die(world->hooks.arg);
	world->crashed = true;
}

static enum fate fate_of(struct env *env, enum file_env_op op, int fd, int *ret_error)
{
	struct file_env *world = world_of(env);

	*ret_error = -ESHUTDOWN;
	if (world->crashed)
		return FATE_FAIL;
	if (!fault_hits(world, op, fd))
		return FATE_NORMAL;
	world->fired = true;
	switch (world->fault.kind) {
	case FILE_ENV_FAIL:
		*ret_error = world->fault.error;
		return FATE_FAIL;
	case FILE_ENV_SHORT:
		return FATE_SHORT;
	case FILE_ENV_LATE:
		return FATE_LATE;
	case FILE_ENV_CRASH_BEFORE:
		crash(world);
		return FATE_FAIL;
	case FILE_ENV_CRASH_AFTER:
		return FATE_LAST;
	case FILE_ENV_CRASH_TORN:
		if (op == FILE_ENV_PWRITEV)
			return FATE_TORN;
		crash(world);
		return FATE_FAIL;
	}
	abort();
}

/* Whoever is dead does not learn that it worked. */
static ssize_t answer(struct env *env, enum fate fate, ssize_t result)
{
	if (fate != FATE_LAST && fate != FATE_TORN)
		return result;
	crash(world_of(env));
	return -ESHUTDOWN;
}

static uint64_t world_mono_ns(struct env *env)
{
	return world_of(env)->mono_ns;
}

static uint64_t world_boot_ns(struct env *env)
{
	return world_of(env)->boot_ns;
}

static uint64_t world_wall_ns(struct env *env)
{
	return world_of(env)->wall_ns;
}

static uint64_t world_ticks(struct env *env)
{
	return world_of(env)->ticks;
}

static int world_random(struct env *env, void *at, size_t len)
{
	uint64_t *x = &world_of(env)->random_state;
	uint8_t *to = at;
	int error;
	enum fate fate = fate_of(env, FILE_ENV_RANDOM, -1, &error);

	if (fate == FATE_FAIL)
		return error;
	while (len--) {
		*x ^= *x << 13;
		*x ^= *x >> 7;
		*x ^= *x << 17;
		*to++ = (uint8_t)(*x >> 32);
	}
	return (int)answer(env, fate, 0);
}

static int world_open(struct env *env, int dirfd, const char *name, int flags, mode_t mode)
{
	struct sim_disk *disk = world_of(env)->disk;
	enum fate fate;
	int error, fd;

	world_of(env)->open_flags = flags;
	fate = fate_of(env, FILE_ENV_OPEN, dirfd, &error);
	if (fate == FATE_FAIL)
		return error;
	error = disk ? sim_disk_opening(disk, dirfd, name, flags) : 0;
	if (error < 0)
		return error;
	fd = openat(dirfd, name, flags | O_CLOEXEC, mode);
	if (fd < 0)
		return (int)answer(env, fate, -errno);
	if (disk)
		sim_disk_opened(disk, dirfd, name, flags, fd);
	if (fate == FATE_LAST) {
		close(fd);
		return (int)answer(env, fate, 0);
	}
	world_of(env)->open_count++;
	return fd;
}

static int world_close(struct env *env, int fd)
{
	world_of(env)->open_count--;
	return close(fd) < 0 ? -errno : 0;
}

static int world_fstat(struct env *env, int fd, struct stat *ret_stat)
{
	int error;
	enum fate fate = fate_of(env, FILE_ENV_FSTAT, fd, &error);

	if (fate == FATE_FAIL)
		return error;
	return (int)answer(env, fate, fstat(fd, ret_stat) < 0 ? -errno : 0);
}

static ssize_t world_pread(struct env *env, int fd, void *at, size_t len, off_t offset)
{
	enum fate fate;
	int error;
	ssize_t n;

	world_of(env)->read_offset = offset;
	world_of(env)->read_len = len;
	fate = fate_of(env, FILE_ENV_PREAD, fd, &error);
	if (fate == FATE_FAIL)
		return error;
	if (fate == FATE_SHORT && len > world_of(env)->fault.bytes)
		len = world_of(env)->fault.bytes;
	n = pread(fd, at, len, offset);
	return answer(env, fate, n < 0 ? -errno : n);
}

static ssize_t write_some(int fd, const struct iovec *iov, int n, off_t offset, size_t max)
{
	ssize_t done = 0, r;
	size_t len;
	int i;

	for (i = 0; i < n && max > 0; i++) {
		len = iov[i].iov_len < max ? iov[i].iov_len : max;
		r = pwrite(fd, iov[i].iov_base, len, offset + done);
		if (r < 0)
			return done ? done : -errno;
		done += r;
		max -= len;
	}
	return done;
}

static ssize_t world_pwritev(struct env *env, int fd, const struct iovec *iov, int n,
			     off_t offset)
{
	int error;
	enum fate fate = fate_of(env, FILE_ENV_PWRITEV, fd, &error);
	struct sim_disk *disk = world_of(env)->disk;
	size_t max = SIZE_MAX;
	ssize_t done;

	if (fate == FATE_FAIL)
		return error;
	if (fate == FATE_SHORT || fate == FATE_TORN)
		max = world_of(env)->fault.bytes;
	if (disk)
		max = sim_disk_room(disk, fd, offset, max);
	if (max == 0 && fate != FATE_TORN)
		return answer(env, fate, -ENOSPC);
	done = write_some(fd, iov, n, offset, max);
	if (disk && done > 0)
		sim_disk_wrote(disk, fd, iov, n, offset, (size_t)done);
	return answer(env, fate, done);
}

static int world_fallocate(struct env *env, int fd, off_t offset, off_t len)
{
	int error;
	enum fate fate = fate_of(env, FILE_ENV_FALLOCATE, fd, &error);
	struct sim_disk *disk = world_of(env)->disk;
	int r;

	if (fate == FATE_FAIL)
		return error;
	if (disk && sim_disk_room(disk, fd, offset, (size_t)len) < (size_t)len)
		return (int)answer(env, fate, -ENOSPC);
	r = fallocate(fd, 0, offset, len) < 0 ? -errno : 0;
	if (disk && r == 0)
		sim_disk_sized(disk, fd);
	return (int)answer(env, fate, r);
}

static int world_truncate(struct env *env, int fd, off_t len)
{
	int error, r;
	enum fate fate = fate_of(env, FILE_ENV_TRUNCATE, fd, &error);

	if (fate == FATE_FAIL)
		return error;
	r = ftruncate(fd, len) < 0 ? -errno : 0;
	if (r == 0 && world_of(env)->disk)
		sim_disk_sized(world_of(env)->disk, fd);
	return (int)answer(env, fate, r);
}

static int world_rename(struct env *env, int olddir, const char *oldname, int newdir,
			const char *newname, unsigned flags)
{
	int error, r;
	enum fate fate = fate_of(env, FILE_ENV_RENAME, olddir, &error);

	if (fate == FATE_FAIL)
		return error;
	r = renameat2(olddir, oldname, newdir, newname, flags) < 0 ? -errno : 0;
	if (r == 0 && world_of(env)->disk)
		sim_disk_renamed(world_of(env)->disk, olddir, oldname, newdir, newname);
	return (int)answer(env, fate, r);
}

static int world_unlink(struct env *env, int dirfd, const char *name, int flags)
{
	int error, r;
	enum fate fate = fate_of(env, FILE_ENV_UNLINK, dirfd, &error);

	if (fate == FATE_FAIL)
		return error;
	r = unlinkat(dirfd, name, flags) < 0 ? -errno : 0;
	if (r == 0 && world_of(env)->disk)
		sim_disk_unlinked(world_of(env)->disk, dirfd, name);
	return (int)answer(env, fate, r);
}

static int world_mkdir(struct env *env, int dirfd, const char *name, mode_t mode)
{
	int error, r;
	enum fate fate = fate_of(env, FILE_ENV_MKDIR, dirfd, &error);

	if (fate == FATE_FAIL)
		return error;
	r = mkdirat(dirfd, name, mode) < 0 ? -errno : 0;
	if (r == 0 && world_of(env)->disk)
		sim_disk_made(world_of(env)->disk, dirfd, name);
	return (int)answer(env, fate, r);
}

static int world_list(struct env *env, int dirfd, env_name_fn *each, void *arg)
{
	int error, fd, r = 0;
	enum fate fate = fate_of(env, FILE_ENV_LIST, dirfd, &error);
	struct dirent *entry;
	DIR *dir;

	if (fate == FATE_FAIL)
		return error;
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
	return (int)answer(env, fate, r);
}

static int world_space(struct env *env, int fd, uint64_t *ret_free, uint64_t *ret_total)
{
	int error;
	enum fate fate = fate_of(env, FILE_ENV_SPACE, fd, &error);
	struct statvfs st;

	if (fate == FATE_FAIL)
		return error;
	if (fstatvfs(fd, &st) < 0)
		return -errno;
	*ret_free = world_of(env)->space ? world_of(env)->space
					 : (uint64_t)st.f_bavail * st.f_frsize;
	*ret_total = (uint64_t)st.f_blocks * st.f_frsize;
	return (int)answer(env, fate, 0);
}

/* Nothing is really synced: the machine of the test does not lose power, the
 * simulated one is told. After a failure the kernel believes that what was
 * written is clean, and the disk has not got it. */
static void synced(struct file_env *world, int fd, int result, uint64_t covers)
{
	if (world->disk)
		sim_disk_synced(world->disk, fd, result == 0, covers);
}

static int world_sync(struct env *env, int fd)
{
	struct file_env *world = world_of(env);
	int error;
	enum fate fate = fate_of(env, FILE_ENV_SYNC, fd, &error);
	uint64_t covers = world->disk ? sim_disk_changes(world->disk) : 0;

	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	if (fate == FATE_LATE)
		file_env_advance(world, world->fault.delay_ns);
	synced(world, fd, fate == FATE_FAIL ? error : 0, covers);
	return fate == FATE_FAIL ? error : (int)answer(env, fate, 0);
}

static int world_sync_start(struct env *env, int fd, env_done_fn *done, void *arg)
{
	struct file_env *world = world_of(env);
	uint64_t delay_ns = 0;
	int error, result = 0;
	enum fate fate = fate_of(env, FILE_ENV_SYNC_START, fd, &error);

	if (fate == FATE_FAIL || fate == FATE_LAST)
		return (int)answer(env, fate, error);
	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	if (world->sync_count == FILE_ENV_SYNCS_MAX)
		return -EAGAIN;
	if (fate == FATE_LATE)
		delay_ns = world->fault.delay_ns;
	fate = fate_of(env, FILE_ENV_SYNC_DONE, fd, &error);
	if (fate == FATE_FAIL)
		result = error;
	if (fate == FATE_LATE)
		delay_ns = world->fault.delay_ns;
	world->syncs[world->sync_count++] = (struct file_env_sync){
		.done = done,
		.arg = arg,
		.result = result,
		.fd = fd,
		.due_ns = world->mono_ns + delay_ns,
		.covers = world->disk ? sim_disk_changes(world->disk) : 0,
	};
	return 0;
}

static void world_cancel(struct env *env, void *arg)
{
	struct file_env *world = world_of(env);
	unsigned i, kept = 0;

	for (i = 0; i < world->sync_count; i++)
		if (world->syncs[i].arg != arg)
			world->syncs[kept++] = world->syncs[i];
	world->sync_count = kept;
}

/* ---- locks, news, processes, connections ---------------------------------------- */

static int world_lock(struct env *env, int fd)
{
	int error;
	enum fate fate = fate_of(env, FILE_ENV_LOCK, fd, &error);

	return fate == FATE_FAIL ? error : (int)answer(env, fate, env_kernel_lock(env, fd));
}

static int world_locked(struct env *env, int fd)
{
	int error;
	enum fate fate = fate_of(env, FILE_ENV_LOCKED, fd, &error);

	return fate == FATE_FAIL ? error : (int)answer(env, fate, env_kernel_locked(env, fd));
}

/* A descriptor of this world, or nothing: whoever dies keeps none. */
static int opened(struct env *env, enum fate fate, int fd)
{
	if (fd >= 0 && fate == FATE_LAST)
		close(fd);
	else if (fd >= 0)
		world_of(env)->open_count++;
	return (int)answer(env, fate, fd);
}

static int world_news_open(struct env *env, const char *path)
{
	int error;
	enum fate fate = fate_of(env, FILE_ENV_NEWS_OPEN, -1, &error);

	return fate == FATE_FAIL ? error : opened(env, fate, env_kernel_news_open(env, path));
}

struct few {
	env_name_fn *each;
	void *arg;
	size_t left;
};

static int each_of_few(void *arg, const char *name)
{
	struct few *few = arg;

	if (few->left == 0)
		return 0;
	few->left--;
	return few->each(few->arg, name);
}

static int world_news(struct env *env, int fd, env_name_fn *each, void *arg)
{
	struct few few = {each, arg, SIZE_MAX};
	int error, r;
	enum fate fate = fate_of(env, FILE_ENV_NEWS, fd, &error);

	if (fate == FATE_FAIL)
		return error;
	if (fate == FATE_SHORT)
		few.left = world_of(env)->fault.bytes;
	r = env_kernel_news(env, fd, each_of_few, &few);
	if (fate == FATE_SHORT && r == 0)
		r = 1; /* as after an overflow of the kernel's queue */
	return (int)answer(env, fate, r);
}

/* The same in each run. */
static uint32_t world_pid(struct env *env)
{
	(void)env;
	return 1;
}

static int world_process(struct env *env, uint32_t pid)
{
	int error;
	enum fate fate = fate_of(env, FILE_ENV_PROCESS, -1, &error);

	return fate == FATE_FAIL ? error : opened(env, fate, env_kernel_process(env, pid));
}

static int world_accept(struct env *env, int fd)
{
	int error;
	enum fate fate = fate_of(env, FILE_ENV_ACCEPT, fd, &error);

	return fate == FATE_FAIL ? error : opened(env, fate, env_accept(env, fd));
}

static uint64_t next_answer(const struct file_env *world, uint64_t until_ns)
{
	for (unsigned i = 0; i < world->sync_count; i++)
		if (world->syncs[i].due_ns < until_ns)
			until_ns = world->syncs[i].due_ns;
	return until_ns;
}

/* Time passes only when there is nothing to do, and only up to the next answer. */
static int world_wait(struct env *env, uint64_t timeout_ns)
{
	struct file_env *world = world_of(env);
	struct file_env_sync syncs[FILE_ENV_SYNCS_MAX];
	unsigned i, n = 0, kept = 0;
	uint64_t until_ns;

	if (world->crashed)
		return 0;
	until_ns = next_answer(world, world->mono_ns + timeout_ns);
	if (until_ns > world->mono_ns)
		file_env_advance(world, until_ns - world->mono_ns);
	for (i = 0; i < world->sync_count; i++)
		if (world->syncs[i].due_ns <= world->mono_ns)
			syncs[n++] = world->syncs[i];
		else
			world->syncs[kept++] = world->syncs[i];
	world->sync_count = kept;
	/* A callback may start another one: that is for the next wait. */
	for (i = 0; i < n; i++) {
		synced(world, syncs[i].fd, syncs[i].result, syncs[i].covers);
		syncs[i].done(syncs[i].arg, syncs[i].result);
	}
	return (int)n;
}

static int no_connect(struct env *env, const struct sockaddr *addr, socklen_t len)
{
	(void)env;
	(void)addr;
	(void)len;
	return -ENETUNREACH;
}

static int no_connected(struct env *env, int fd)
{
	(void)env;
	(void)fd;
	return -ENOTCONN;
}

static ssize_t no_recv(struct env *env, int fd, void *at, size_t len)
{
	(void)env;
	(void)fd;
	(void)at;
	(void)len;
	return -ENOTCONN;
}

static ssize_t no_send(struct env *env, int fd, const struct iovec *iov, int n)
{
	(void)env;
	(void)fd;
	(void)iov;
	(void)n;
	return -ENOTCONN;
}

static int no_resolve_start(struct env *env, const char *host, const char *port,
			    env_resolved_fn *done, void *arg)
{
	(void)env;
	(void)host;
	(void)port;
	(void)done;
	(void)arg;
	return -ENETUNREACH;
}

static int no_watch(struct env *env, int fd, uint32_t events, env_watch_fn *fn, void *arg)
{
	(void)env;
	(void)fd;
	(void)events;
	(void)fn;
	(void)arg;
	return -EPERM;
}

static const struct env_ops world_ops = {
	.mono_ns = world_mono_ns,
	.boot_ns = world_boot_ns,
	.wall_ns = world_wall_ns,
	.ticks = world_ticks,
	.random = world_random,
	.open = world_open,
	.close = world_close,
	.fstat = world_fstat,
	.pread = world_pread,
	.pwritev = world_pwritev,
	.fallocate = world_fallocate,
	.truncate = world_truncate,
	.rename = world_rename,
	.unlink = world_unlink,
	.mkdir = world_mkdir,
	.list = world_list,
	.space = world_space,
	.sync = world_sync,
	.sync_start = world_sync_start,
	.lock = world_lock,
	.locked = world_locked,
	.news_open = world_news_open,
	.news = world_news,
	.pid = world_pid,
	.process = world_process,
	.connect = no_connect,
	.listen = no_connect,
	.accept = world_accept,
	.connected = no_connected,
	.recv = no_recv,
	.send = no_send,
	.resolve_start = no_resolve_start,
	.cancel = world_cancel,
	.watch = no_watch,
	.wait = world_wait,
};

void file_env_init(struct file_env *world, uint64_t seed)
{
	*world = (struct file_env){
		.env.ops = &world_ops,
		.mono_ns = UINT64_C(1000000000000),
		.boot_ns = UINT64_C(1000000000000),
		.wall_ns = UINT64_C(1750000000000000000),
		.random_state = (seed * UINT64_C(0x9e3779b97f4a7c15)) | 1,
	};
}

void file_env_advance(struct file_env *world, uint64_t ns)
{
	world->mono_ns += ns;
	world->boot_ns += ns;
	world->wall_ns += ns;
	world->passed_ns += ns;
}

void file_env_arm(struct file_env *world, struct file_env_fault fault)
{
	memset(world->counts, 0, sizeof world->counts);
	world->fault = fault;
	world->armed = true;
	world->fired = false;
}

void file_env_disarm(struct file_env *world)
{
	world->armed = false;
}

bool file_env_fired(const struct file_env *world)
{
	return world->fired;
}

const char *file_env_op_name(enum file_env_op op)
{
	static const char *const names[FILE_ENV_OPS] = {
		"any",	     "random",	 "open",       "fstat",	    "pread", "pwritev",
		"fallocate", "truncate", "rename",     "unlink",    "mkdir", "list",
		"space",     "sync",	 "sync_start", "sync_done", "lock",  "locked",
		"news_open", "news",	 "process",    "accept",
	};

	return names[op];
}
