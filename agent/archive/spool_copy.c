/* A spool written once more: into a fresh file after a failed sync, into another
 * directory, or over itself. */
#include "archive/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static struct env *spool_env(const struct spool *spool)
{
	return spool->files->directory->env;
}

/* The bytes from `offset` to `end`, to the same place. */
static int copy_bytes(struct spool *spool, int from, int to, uint64_t offset, uint64_t end)
{
	struct env *env = spool_env(spool);
	uint8_t *piece = malloc(SPOOL_WRITE_BYTES);
	int r = piece ? 0 : -ENOMEM;

	while (r >= 0 && offset < end) {
		uint64_t left = end - offset;
		size_t len = left < SPOOL_WRITE_BYTES ? (size_t)left : SPOOL_WRITE_BYTES;

		r = spool_note_read(spool, file_read(env, from, piece, len, offset));
		if (r >= 0)
			r = file_write(env, to, piece, len, offset);
		offset += len;
	}
	free(piece);
	return r < 0 ? r : 0;
}

/* Copies the whole lines of `from` into a new file `name`. */
static int copy_into(struct spool *spool, int from, const char *name, int *ret_fd)
{
	struct env *env = spool_env(spool);
	int to, r;

	to = env->ops->open(env, spool->files->directory->fd, name,
			    O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, SPOOL_MODE);
	if (to < 0)
		return to;
	r = copy_bytes(spool, from, to, 0, spool->written);
	if (r < 0)
		(void)env->ops->close(env, to);
	else
		*ret_fd = to;
	return r;
}

void spool_drop_fresh(struct spool *spool)
{
	if (spool->fresh_fd >= 0)
		(void)spool_env(spool)->ops->close(spool_env(spool), spool->fresh_fd);
	spool->fresh_fd = -1;
}

int spool_make_fresh(struct spool *spool, const char *temporary)
{
	struct env *env = spool_env(spool);
	int from, r;

	spool_drop_fresh(spool);
	/* Not the same file again: its sync may be the one that failed. */
	r = env->ops->unlink(env, spool->files->directory->fd, temporary, 0);
	if (r < 0 && r != -ENOENT)
		return r;
	from = spool_fd(spool);
	if (from < 0)
		return from;
	r = copy_into(spool, from, temporary, &spool->fresh_fd);
	if (r < 0)
		return r;
	spool->fresh_bytes = spool->written;
	return spool->fresh_fd;
}

int spool_use_fresh(struct spool *spool, const char *temporary)
{
	struct env *env = spool_env(spool);
	int directory = spool->files->directory->fd, from, r;

	from = spool_fd(spool);
	if (from < 0)
		return from;
	/* What was added meanwhile is not synced in either file. */
	r = copy_bytes(spool, from, spool->fresh_fd, spool->fresh_bytes, spool->written);
	if (r >= 0)
		r = env->ops->rename(env, directory, temporary, directory, spool->name, 0);
	if (r < 0)
		return r;
	spool_close(spool); /* it is opened by name again */
	spool_drop_fresh(spool);
	spool->suspect = false;
	return 0;
}

int spool_write_again(struct spool *spool, uint32_t entries)
{
	const struct spool_entry *first = &spool->entries[entries];
	uint64_t offset = 0;
	int fd;

	if (entries > 0 && entries < spool->count)
		offset = first->offset - spool->groups.at[first->group].head.len;
	fd = spool_fd(spool);
	return fd < 0 ? fd : copy_bytes(spool, fd, fd, offset, spool->written);
}

int spool_restore(struct spool *spool, struct archive_dir *old)
{
	struct env *env = spool_env(spool);
	int from, to, r;

	if (!spool->exists)
		return 0;
	from = spool->fd >= 0
		       ? spool->fd
		       : env->ops->open(env, old->fd, spool->name, O_RDONLY | O_NOFOLLOW, 0);
	if (from < 0)
		return from;
	r = copy_into(spool, from, spool->name, &to);
	if (r >= 0)
		(void)env->ops->close(env, to);
	if (spool->fd < 0)
		(void)env->ops->close(env, from);
	else if (r >= 0)
		spool_close(spool);
	return r;
}
