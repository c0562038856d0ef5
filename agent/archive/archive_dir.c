#include "archive/archive_dir.h"

#include <errno.h>
#include <fcntl.h>

#include "base/directory.h"

#define DIRECTORY_MODE 0750

void archive_dir_init(struct archive_dir *directory, struct env *env, const char *path)
{
	*directory = (struct archive_dir){.env = env, .path = path, .fd = -1};
}

void archive_dir_fini(struct archive_dir *directory)
{
	if (directory->fd >= 0)
		(void)directory->env->ops->close(directory->env, directory->fd);
	directory->fd = -1;
}

static int open_path(const struct archive_dir *directory)
{
	return directory->env->ops->open(directory->env, AT_FDCWD, directory->path,
					 O_RDONLY | O_DIRECTORY, 0);
}

int archive_dir_open(struct archive_dir *directory)
{
	struct env *env = directory->env;
	struct stat st;
	int fd, r;

	fd = open_path(directory);
	if (fd == -ENOENT) {
		r = directory_make(env, directory->path, DIRECTORY_MODE);
		if (r < 0)
			return r;
		fd = open_path(directory);
	}
	if (fd < 0)
		return fd;
	r = env->ops->fstat(env, fd, &st);
	if (r < 0) {
		(void)env->ops->close(env, fd);
		return r;
	}
	archive_dir_fini(directory);
	directory->fd = fd;
	directory->device = st.st_dev;
	directory->inode = st.st_ino;
	return 0;
}

int archive_dir_moved(const struct archive_dir *directory)
{
	struct env *env = directory->env;
	struct stat st;
	int fd, r;

	fd = open_path(directory);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 1;
	if (fd < 0)
		return 0;
	r = env->ops->fstat(env, fd, &st);
	(void)env->ops->close(env, fd);
	if (r < 0)
		return 0;
	return st.st_dev != directory->device || st.st_ino != directory->inode;
}

int archive_dir_has(const struct archive_dir *directory, const char *name)
{
	struct env *env = directory->env;
	int fd;

	/* O_PATH needs no right to read and does not follow a planted link. */
	fd = env->ops->open(env, directory->fd, name, O_PATH | O_NOFOLLOW, 0);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	(void)env->ops->close(env, fd);
	return 1;
}

int file_write(struct env *env, int fd, const void *at, size_t len, uint64_t offset)
{
	struct iovec iov = {(void *)(uintptr_t)at, len};
	ssize_t n;

	while (iov.iov_len > 0) {
		n = env->ops->pwritev(env, fd, &iov, 1, (off_t)offset);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -ENOSPC;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int file_read(struct env *env, int fd, void *at, size_t len, uint64_t offset)
{
	ssize_t n;

	while (len > 0) {
		n = env->ops->pread(env, fd, at, len, (off_t)offset);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -ENODATA;
		at = (char *)at + n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}
