#include "directory.h"

#include "environment.h"
#include "linux_numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PARENTS_MAX 64

static int path_join(char ret[DIRECTORY_PATH_SIZE], const char *first, const char *second)
{
	size_t a = strlen(first), b = strlen(second);

	if (a + b >= DIRECTORY_PATH_SIZE)
		return -ENAMETOOLONG;
	memcpy(ret, first, a);
	memcpy(ret + a, second, b + 1);
	return 0;
}

int directory_absolute(char ret_path[DIRECTORY_PATH_SIZE], const char *path)
{
	char here[DIRECTORY_PATH_SIZE];
	size_t length;

	if (!getcwd(here, sizeof here))
		return errno == ERANGE ? -ENAMETOOLONG : -errno;
	length = strlen(here);
	if (here[0] != '/' || length + 1 >= sizeof here)
		return -ENOENT;
	memcpy(here + length, "/", 2);
	return path_join(ret_path, here, path);
}

/* No stdio in other people's processes. */
static int path_of_uid(char ret[DIRECTORY_PATH_SIZE], uid_t uid)
{
	char digits[24], *at = digits + sizeof digits - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + uid % 10);
		uid /= 10;
	} while (uid);
	return path_join(ret, "/dev/shm/spanring-", at);
}

static bool root_alone_writes(const struct stat *st)
{
	return st->st_uid == 0 && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* Climbs by "..", so that no symbolic link hides a parent. */
static int check_parents(int fd)
{
	struct stat st, below;
	int at = fd, r = 0;

	if (fstat(fd, &below) < 0)
		return -errno;
	for (int i = 0; i < PARENTS_MAX; i++) {
		int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (at != fd)
			(void)close(at); /* O_PATH: nothing to lose */
		if (up < 0)
			return -errno;
		at = up;
		r = fstat(at, &st) < 0 ? -errno : 0;
		if (r == 0 && !root_alone_writes(&st))
			r = -EPERM;
		if (r < 0 || (st.st_ino == below.st_ino && st.st_dev == below.st_dev))
			break;
		below = st;
		r = -ELOOP;
	}
	(void)close(at);
	return r;
}

static int check_trust(int fd, const struct stat *st)
{
	struct statfs fs;

	if (st->st_uid == geteuid() && !(st->st_mode & 077))
		return 0;
	/* Anybody could put another ring in place of ours. */
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !(st->st_mode & S_ISVTX))
		return -EPERM;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if ((uint32_t)fs.f_type != LINUX_TMPFS_MAGIC)
		return -EPERM;
	return check_parents(fd);
}

static int try_open(struct directory *ret)
{
	struct stat st;
	int fd, r;

	fd = open(ret->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) < 0 ? -errno : check_trust(fd, &st);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	ret->fd = fd;
	ret->owner = st.st_uid;
	return 0;
}

/* Only under a parent of ours: elsewhere a missing directory is the agent's to
 * make. */
static int make_named(const char *path)
{
	char parent[DIRECTORY_PATH_SIZE];
	struct stat st;
	char *slash;

	memcpy(parent, path, strlen(path) + 1);
	for (slash = parent + strlen(parent); slash > parent && slash[-1] == '/';)
		*--slash = '\0';
	slash = strrchr(parent, '/');
	if (!slash)
		memcpy(parent, ".", 2);
	else if (slash == parent)
		parent[1] = '\0';
	else
		*slash = '\0';
	if (stat(parent, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid())
		return -ENOENT;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int open_named(struct directory *ret, const char *named)
{
	int r = path_join(ret->path, named, "");

	if (r < 0)
		return r;
	r = try_open(ret);
	if (r != -ENOENT)
		return r;
	r = make_named(named);
	return r < 0 ? r : try_open(ret);
}

int directory_open(struct directory *ret, const char *named)
{
	const char *runtime = environment_get("XDG_RUNTIME_DIR");
	int r;

	if (named)
		return open_named(ret, named);
	r = path_join(ret->path, "/run/spanring/ring", "");
	if (r == 0)
		r = try_open(ret);
	if (r != -ENOENT && r != -EACCES)
		return r;
	if (runtime && runtime[0] == '/' &&
	    path_join(ret->path, runtime, "/spanring") == 0) {
		r = try_open(ret);
		if (r != -ENOENT && r != -EACCES)
			return r;
	}
	r = path_of_uid(ret->path, geteuid());
	return r < 0 ? r : try_open(ret);
}
