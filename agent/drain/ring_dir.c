#include "drain/ring_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/hex.h"

#define TEMPORARY_AGE_S 60

/* ---- the directory itself -------------------------------------------------- */

static int parents_make(struct env *env, const char *path)
{
	char parent[PATH_MAX];
	size_t len = strlen(path);
	int r;

	if (len >= sizeof parent)
		return -ENAMETOOLONG;
	memcpy(parent, path, len + 1);
	for (char *at = strchr(parent + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		r = env->ops->mkdir(env, AT_FDCWD, parent, 0755);
		if (r < 0 && r != -EEXIST)
			return r;
		*at = '/';
	}
	return 0;
}

static int ring_dir_make(struct env *env, const char *path, int *ret_fd)
{
	mode_t mode = geteuid() == 0 && strncmp(path, "/run/", 5) == 0 ? 03733 : 0700;
	int r, fd;

	r = env->ops->mkdir(env, AT_FDCWD, path, mode & 0777);
	if (r == -ENOENT) {
		r = parents_make(env, path);
		if (r == 0)
			r = env->ops->mkdir(env, AT_FDCWD, path, mode & 0777);
	}
	if (r < 0 && r != -EEXIST)
		return r;
	fd = env->ops->open(env, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	/* Not where it existed: its mode is its owner's choice. */
	if (r == 0 && fchmod(fd, mode) < 0) {
		r = -errno;
		env->ops->close(env, fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Whoever may rename in the directory may put another agent.page or ring in
 * place of ours, so that must be its owner alone, which is this agent: programs
 * believe only what belongs to the directory's owner. */
static int check_directory(const struct stat *st, const char **ret_reason)
{
	if (st->st_uid != geteuid()) {
		*ret_reason =
			"it belongs to another user, and programs believe only its owner: "
			"run the agent as that user, or chown it";
		return -EPERM;
	}
	if ((st->st_mode & 022) && !(st->st_mode & S_ISVTX)) {
		*ret_reason =
			"others may rename and remove what is in it: chmod 0700, or 3733 to "
			"serve every user";
		return -EPERM;
	}
	return 0;
}

int ring_dir_unplant(struct env *env, int dirfd, const char *name)
{
	char aside[RING_DIR_NAME_BYTES + 32];
	uint64_t random;
	int r;

	r = env->ops->unlink(env, dirfd, name, 0);
	if (r != -EISDIR)
		return r;
	/* Emptying a stranger's directory is not our business. */
	r = env->ops->random(env, &random, sizeof random);
	if (r < 0)
		return r;
	(void)snprintf(aside, sizeof aside, "%.47s.planted-%016" PRIx64, name, random);
	return env->ops->rename(env, dirfd, name, dirfd, aside, 0);
}

/* ---- agent.page ------------------------------------------------------------ */

static int page_open(struct ring_dir *directory)
{
	struct env *env = directory->env;
	struct stat st;
	int fd, r;

	for (int tries = 0; tries < 3; tries++) {
		fd = env->ops->open(env, directory->fd, WIRE_PAGE_NAME,
				    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
				    0644);
		if (fd >= 0) {
			r = env->ops->fstat(env, fd, &st);
			if (r == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
			    st.st_uid == geteuid())
				return fd;
			env->ops->close(env, fd);
		}
		/* Planted, or of another agent's user: clients would not believe it. */
		r = ring_dir_unplant(env, directory->fd, WIRE_PAGE_NAME);
		if (r < 0)
			return fd < 0 ? fd : r;
	}
	return -EACCES;
}

/* Who holds the lock, by his own word: the kernel does not tell. */
static uint32_t page_holder(struct ring_dir *directory)
{
	uint32_t pid = 0;
	ssize_t n;

	n = directory->env->ops->pread(directory->env, directory->page_fd, &pid, sizeof pid,
				       offsetof(struct wire_agent_page, pid));
	return n == sizeof pid ? pid : 0;
}

static void page_begin(struct wire_agent_page *page, uint32_t pid)
{
	page->header_bytes = WIRE_HEADER_BYTES;
	page->version = WIRE_VERSION;
	page->compat = 0;
	page->incompat = 0;
	page->pid = pid;
	/* Relaxed: a hint for wakers. */
	atomic_store_explicit(&page->sleeping, 0, memory_order_relaxed);
	/* E1: release; a client that sees the new epoch sees an agent that is
	 * there. */
	atomic_fetch_add_explicit(&page->epoch, 1, memory_order_release);
	/* G1: release, so that a client that sees the magic sees all of it. */
	__atomic_store_n(&page->magic, WIRE_PAGE_MAGIC, __ATOMIC_RELEASE);
}

static int page_map(struct ring_dir *directory)
{
	struct env *env = directory->env;
	void *at;
	int r;

	r = env->ops->fallocate(env, directory->page_fd, 0, WIRE_HEADER_BYTES);
	if (r < 0)
		return r;
	(void)fchmod(directory->page_fd, 0644); /* whatever the umask: clients read it */
	at = mmap(NULL, WIRE_HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		  directory->page_fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	r = guard_add(&directory->guard, at, WIRE_HEADER_BYTES);
	if (r < 0) {
		munmap(at, WIRE_HEADER_BYTES);
		return r;
	}
	directory->page = at;
	page_begin(directory->page, env->ops->pid(env));
	return 0;
}

/* ---- opening --------------------------------------------------------------- */

int ring_dir_hear(struct ring_dir *directory, const char *path)
{
	int fd = directory->env->ops->news_open(directory->env, path);

	if (fd >= 0)
		directory->news_fd = fd;
	return fd < 0 ? fd : 0;
}

int ring_dir_open(struct ring_dir *directory, struct env *env, const char *path,
		  const char **ret_reason)
{
	struct statfs fs;
	int r;

	*ret_reason = "";
	*directory = (struct ring_dir){.env = env, .fd = -1, .page_fd = -1, .news_fd = -1};
	r = ring_dir_make(env, path, &directory->fd);
	if (r < 0)
		return r;
	r = env->ops->fstat(env, directory->fd, &directory->st);
	if (r < 0)
		goto close;
	r = check_directory(&directory->st, ret_reason);
	if (r < 0)
		goto close;
	directory->on_tmpfs =
		fstatfs(directory->fd, &fs) == 0 && (unsigned long)fs.f_type == TMPFS_MAGIC;
	r = page_open(directory);
	if (r < 0)
		goto close;
	directory->page_fd = r;
	r = env->ops->lock(env, directory->page_fd);
	if (r == -EBUSY)
		directory->holder = page_holder(directory);
	if (r == 0)
		r = page_map(directory);
	if (r < 0)
		goto close;
	return 0;

close:
	ring_dir_close(directory);
	return r;
}

void ring_dir_close(struct ring_dir *directory)
{
	struct env *env = directory->env;

	if (directory->page) {
		guard_remove(&directory->guard);
		munmap(directory->page, WIRE_HEADER_BYTES);
		directory->page = NULL;
	}
	if (directory->news_fd >= 0)
		env->ops->close(env, directory->news_fd);
	if (directory->page_fd >= 0)
		env->ops->close(env, directory->page_fd);
	if (directory->fd >= 0)
		env->ops->close(env, directory->fd);
	directory->news_fd = directory->page_fd = directory->fd = -1;
}

/* ---- names ----------------------------------------------------------------- */

int ring_dir_list(struct ring_dir *directory, env_name_fn *each, void *arg)
{
	return directory->env->ops->list(directory->env, directory->fd, each, arg);
}

struct hearer {
	env_name_fn *each;
	void *arg;
	int error;
};

static int heard(void *arg, const char *name)
{
	struct hearer *hearer = arg;

	hearer->error = hearer->each(hearer->arg, name);
	return hearer->error;
}

int ring_dir_news(struct ring_dir *directory, env_name_fn *each, void *arg)
{
	struct hearer hearer = {.each = each, .arg = arg};
	struct env *env = directory->env;
	int r;

	if (directory->news_fd < 0)
		return 1;
	r = env->ops->news(env, directory->news_fd, heard, &hearer);
	if (r >= 0 || hearer.error < 0)
		return r;
	/* What it cannot say now it will not say later. */
	(void)env->ops->watch(env, directory->news_fd, 0, NULL, NULL);
	env->ops->close(env, directory->news_fd);
	directory->news_fd = -1;
	return 1;
}

bool ring_dir_parse_ring(const char *name, uint8_t ret_instance[16])
{
	uint8_t instance[16];

	if (strlen(name) != 32 + sizeof WIRE_RING_SUFFIX - 1 ||
	    strcmp(name + 32, WIRE_RING_SUFFIX) != 0)
		return false;
	for (int i = 0; i < 16; i++) {
		int high = hex_digit_lower(name[2 * i]), low = hex_digit_lower(name[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		instance[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_instance, instance, 16);
	return true;
}

void ring_dir_name(char ret_name[RING_DIR_NAME_BYTES], const uint8_t instance[16],
		   const char *suffix)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 16; i++) {
		ret_name[2 * i] = digits[instance[i] >> 4];
		ret_name[2 * i + 1] = digits[instance[i] & 15];
	}
	strncpy(ret_name + 32, suffix, RING_DIR_NAME_BYTES - 33);
	ret_name[RING_DIR_NAME_BYTES - 1] = '\0';
}

bool ring_dir_sweep(struct ring_dir *directory, const char *name)
{
	struct env *env = directory->env;
	bool stale = false;
	struct stat st;
	int fd;

	fd = env->ops->open(env, directory->fd, name,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return false;
	if (env->ops->fstat(env, fd, &st) == 0 && S_ISREG(st.st_mode))
		stale = env->ops->wall_ns(env) / 1000000000 >
				(uint64_t)st.st_mtim.tv_sec + TEMPORARY_AGE_S &&
			env->ops->locked(env, fd) == 0;
	env->ops->close(env, fd);
	return stale && env->ops->unlink(env, directory->fd, name, 0) == 0;
}
