/* A directory of ours, held open: made with its parents when missing, and
 * found again when somebody removed or replaced it. The agent's thread. */
#ifndef ARCHIVE_ARCHIVE_DIR_H
#define ARCHIVE_ARCHIVE_DIR_H

#include "base/env.h"

struct archive_dir {
	struct env *env;
	const char *path; /* borrowed */
	int fd;		  /* -1: not open */
	dev_t device;
	ino_t inode;
};

void archive_dir_init(struct archive_dir *directory, struct env *env, const char *path);
void archive_dir_fini(struct archive_dir *directory);

/* Opens the directory, made with mode 0750 where needed. -errno of the first
 * step that failed. */
int archive_dir_open(struct archive_dir *directory);

/* 1 when the path no longer leads to the directory that is open (removed,
 * renamed, mounted over); 0 when it does, or when that cannot be told. */
int archive_dir_moved(const struct archive_dir *directory);

/* Whether something stands there under this name. -errno. */
int archive_dir_has(const struct archive_dir *directory, const char *name);

/* Writes all of it. -ENOSPC also for a write that took nothing. */
int file_write(struct env *env, int fd, const void *at, size_t len, uint64_t offset);

/* Reads all of it. -ENODATA: the file ends before. */
int file_read(struct env *env, int fd, void *at, size_t len, uint64_t offset);

#endif
