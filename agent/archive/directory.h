/* A directory of ours, held open: made with its parents when missing, and
 * found again when somebody removed or replaced it. The agent's thread. */
#ifndef ARCHIVE_DIRECTORY_H
#define ARCHIVE_DIRECTORY_H

#include "base/env.h"

struct directory {
	struct env *env;
	const char *path; /* borrowed */
	int fd;		  /* -1: not open */
	dev_t device;
	ino_t inode;
};

void directory_init(struct directory *directory, struct env *env, const char *path);
void directory_fini(struct directory *directory);

/* Opens the directory, made with mode 0750 where needed. -errno of the first
 * step that failed. */
int directory_open(struct directory *directory);

/* 1 when the path no longer leads to the directory that is open (removed,
 * renamed, mounted over); 0 when it does, or when that cannot be told. */
int directory_moved(const struct directory *directory);

/* Whether something stands there under this name. -errno. */
int directory_has(const struct directory *directory, const char *name);

/* Writes all of it. -ENOSPC also for a write that took nothing. */
int file_write(struct env *env, int fd, const void *at, size_t len, uint64_t offset);

/* Reads all of it. -ENODATA: the file ends before. */
int file_read(struct env *env, int fd, void *at, size_t len, uint64_t offset);

#endif
