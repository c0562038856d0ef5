/* Background sync, and the end of segments.
 *
 * After a failed sync the kernel may have marked the pages clean, so asking
 * again would get a false yes. The bytes are still in the page cache: the
 * segment is copied into a new file that takes its name, and that one is
 * synced. Places and sequences stay as they are. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "wal/internal.h"

#define COPY_BYTES (256u << 10)

static int copy_bytes(struct wal *wal, int from, int to, uint64_t len)
{
	uint8_t *piece = malloc(COPY_BYTES);
	uint64_t offset = 0;
	ssize_t n;
	int r = 0;

	if (!piece)
		return -ENOMEM;
	while (r == 0 && offset < len) {
		n = segment_read(wal->env, from, piece,
				 len - offset < COPY_BYTES ? (size_t)(len - offset)
							   : COPY_BYTES,
				 offset);
		if (n <= 0) {
			r = n < 0 ? (int)n : -EIO;
			break;
		}
		r = segment_write(wal->env, to, piece, (size_t)n, offset);
		offset += (uint64_t)n;
	}
	free(piece);
	return r;
}

static int segment_replace(struct wal *wal, struct wal_segment *segment)
{
	const struct env_ops *ops = wal->env->ops;
	char name[SEGMENT_NAME_BYTES], fresh[SEGMENT_NAME_BYTES + 8];
	int fd, r;

	segment_name(segment->number, name);
	(void)snprintf(fresh, sizeof fresh, "%s.new", name);
	fd = ops->open(wal->env, wal->dir_fd, fresh, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW,
		       0600);
	if (fd < 0)
		return fd;
	r = copy_bytes(wal, segment->fd, fd, segment->logged_bytes);
	if (r == 0)
		r = ops->sync(wal->env, fd);
	if (r == 0)
		r = ops->rename(wal->env, wal->dir_fd, fresh, wal->dir_fd, name, 0);
	if (r < 0) {
		(void)ops->close(wal->env, fd);
		(void)ops->unlink(wal->env, wal->dir_fd, fresh,
				  0); /* swept at the next start */
		return r;
	}
	(void)ops->close(wal->env, segment->fd);
	segment->fd = fd;
	segment->disk_bytes = segment->logged_bytes;
	wal->directory_dirty = true;
	segment->file_version++; /* readers and loads open the new file */
	wal->list_version++;
	return 0;
}

static void sync_failed(struct wal *wal, int error)
{
	wal->counters.sync_failures++;
	wal->sync.failing = true;
	condition_raise(wal->options.conditions, CONDITION_LOG_SYNC_FAILING,
			"cannot sync %s: %s; frames are written, but a power loss would take "
			"them; writing them again into fresh files: %s",
			wal->options.dir, strerror(-error), condition_remedy(error));
}

void wal_segment_close_idle(struct wal *wal, struct wal_segment *segment)
{
	if (segment->fd < 0 || segment->dirty || segment->syncing || segment->pending.len > 0 ||
	    segment == wal_writing(wal))
		return;
	(void)wal->env->ops->close(wal->env,
				   segment->fd); /* it is synced: nothing can be lost */
	segment->fd = -1;
}

/* What the answer to one sync means. False: the round cannot go on. */
static bool sync_answer(struct wal *wal, struct wal_segment *segment, int result)
{
	wal->counters.syncs++;
	if (result < 0) {
		sync_failed(wal, result);
		if (!segment || segment_replace(wal, segment) < 0)
			return false;
	}
	if (!segment) {
		wal->directory_syncing = false;
		return true;
	}
	segment->syncing = false;
	wal_segment_close_idle(wal, segment);
	return true;
}

static void round_begin(struct wal *wal)
{
	uint32_t i;

	wal->sync.round = true;
	wal->sync.sequence = wal->logged_sequence;
	wal->directory_syncing |= wal->directory_dirty;
	wal->directory_dirty = false;
	for (i = wal_list_first_open(wal); i < wal->segment_count; i++) {
		wal->segments[i]->syncing |= wal->segments[i]->dirty;
		wal->segments[i]->dirty = false;
	}
}

static void round_end(struct wal *wal)
{
	/* A replaced segment has a new name in the directory. */
	if (wal->directory_dirty && wal->sync.failing) {
		wal->directory_dirty = false;
		wal->directory_syncing = true;
		return;
	}
	wal->sync.round = false;
	wal->synced_sequence = wal->sync.sequence;
	wal->sync.failing = false;
	condition_clear(wal->options.conditions, CONDITION_LOG_SYNC_FAILING);
}

/* What the round must sync next: 1 something, 0 it is over. */
static int round_next(struct wal *wal, struct wal_segment **ret_segment)
{
	uint32_t i;

	*ret_segment = NULL;
	if (wal->directory_syncing)
		return 1;
	for (i = wal_list_first_open(wal); i < wal->segment_count; i++) {
		if (wal->segments[i]->syncing) {
			*ret_segment = wal->segments[i];
			return 1;
		}
	}
	round_end(wal);
	return wal->directory_syncing;
}

static bool anything_dirty(const struct wal *wal)
{
	return wal->directory_dirty || wal->directory_syncing ||
	       wal->synced_sequence != wal->logged_sequence;
}

int wal_sync_now(struct wal *wal)
{
	struct wal_segment *segment;
	int fd, r;

	assert(!wal->sync.flying); /* sync_each has no rounds in the background */
	if (!anything_dirty(wal))
		return 0;
	round_begin(wal);
	while (round_next(wal, &segment)) {
		fd = segment ? segment->fd : wal->dir_fd;
		r = wal->env->ops->sync(wal->env, fd);
		if (!sync_answer(wal, segment, r)) {
			wal->sync.round = false; /* what is marked stays marked */
			return r;
		}
	}
	return 0;
}

static void sync_done(void *arg, int result)
{
	struct wal *wal = arg;

	wal->sync.answered = true;
	wal->sync.result = result;
}

/* Starts the next sync of the round, or ends the round. */
static int sync_go_on(struct wal *wal)
{
	struct wal_segment *segment;
	int r;

	if (!round_next(wal, &segment))
		return 1;
	wal->sync.of_segment = segment;
	wal->sync.flying = true;
	wal->sync.answered = false;
	r = wal->env->ops->sync_start(wal->env, segment ? segment->fd : wal->dir_fd, sync_done,
				      wal);
	if (r < 0) {
		wal->sync.flying = false;
		wal->counters
			.sync_failures++; /* nothing was asked: the next tick tries again */
		return 0;
	}
	return 1;
}

static int sync_tick(struct wal *wal, uint64_t now_ns)
{
	bool due = now_ns - wal->sync.last_ns >= wal->options.sync_interval_ns;

	if (wal->sync.flying) {
		if (!wal->sync.answered)
			return 0;
		wal->sync.flying = false;
		if (!sync_answer(wal, wal->sync.of_segment, wal->sync.result)) {
			/* What is still marked belongs to the next round. */
			wal->sync.round = false;
			return 1;
		}
		return sync_go_on(wal);
	}
	if (wal->sync.round)
		return sync_go_on(wal);
	if (!due || !anything_dirty(wal))
		return 0;
	wal->sync.last_ns = now_ns;
	if (wal->options.sync_each) {
		(void)wal_sync_now(wal); /* counted and said; due again later */
		return 1;
	}
	round_begin(wal);
	return sync_go_on(wal);
}

static void list_remove_first(struct wal *wal)
{
	segment_free(wal->segments[0], wal->env);
	wal->segment_count--;
	memmove(wal->segments, wal->segments + 1, wal->segment_count * sizeof *wal->segments);
	wal->list_version++;
}

/* Whatever is released, one file whose header keeps the numbers stays, and
 * that file must survive a power loss. */
static bool numbers_are_kept(const struct wal *wal)
{
	const struct wal_segment *segment;
	uint32_t i;

	for (i = wal->segment_count; i > 1; i--) {
		segment = wal->segments[i - 1];
		if (segment->logged_bytes > 0 &&
		    segment->first_sequence <= wal->synced_sequence)
			return true;
	}
	return false;
}

static bool may_delete_first(const struct wal *wal)
{
	const struct wal_segment *first = wal->segment_count ? wal->segments[0] : NULL;

	return first && first->released && first->release_sequence <= wal->synced_sequence &&
	       first->fd < 0 && numbers_are_kept(wal);
}

/* Oldest first: a journaling file system keeps that order, so that what comes
 * back after a power loss is never a hole in the middle. */
static int delete_released(struct wal *wal)
{
	char name[SEGMENT_NAME_BYTES];
	int work = 0, r;

	while (may_delete_first(wal)) {
		segment_name(wal->segments[0]->number, name);
		r = wal->env->ops->unlink(wal->env, wal->dir_fd, name, 0);
		if (r < 0 && r != -ENOENT) {
			condition_raise(wal->options.conditions, CONDITION_LOG_CLEAN_FAILING,
					"cannot remove %s/%s: %s; the log grows: %s",
					wal->options.dir, name, strerror(-r),
					condition_remedy(r));
			break;
		}
		condition_clear(wal->options.conditions, CONDITION_LOG_CLEAN_FAILING);
		list_remove_first(wal);
		wal->directory_dirty = true;
		wal->counters.segments_deleted++;
		work++;
	}
	return work;
}

int wal_tick(struct wal *wal, uint64_t now_ns)
{
	int work;

	work = sync_tick(wal, now_ns);
	return work + delete_released(wal);
}

static uint32_t first_kept(const struct wal *wal)
{
	uint32_t i = 0;

	while (i < wal->segment_count && wal->segments[i]->released)
		i++;
	return i;
}

struct wal_oldest wal_oldest(const struct wal *wal)
{
	uint32_t i = first_kept(wal);
	const struct wal_segment *segment;

	if (i == wal->segment_count)
		return (struct wal_oldest){0};
	segment = wal->segments[i];
	return (struct wal_oldest){
		.segment = segment->number,
		.bytes = segment->created ? segment->disk_bytes : segment_end(segment),
		.last_span_number = segment->last_span_number,
		.active = segment == wal_writing(wal),
	};
}

uint64_t wal_bytes(const struct wal *wal)
{
	uint64_t bytes = 0, end;
	uint32_t i;

	for (i = first_kept(wal); i < wal->segment_count; i++) {
		end = segment_end(wal->segments[i]);
		bytes +=
			end > wal->segments[i]->disk_bytes ? end : wal->segments[i]->disk_bytes;
	}
	return bytes;
}

void wal_release(struct wal *wal, uint64_t segment)
{
	uint32_t i = first_kept(wal);

	if (i == wal->segment_count || wal->segments[i]->number != segment ||
	    wal->segments[i] == wal_writing(wal))
		return;
	wal->segments[i]->released = true;
	wal->segments[i]->release_sequence = wal->next_sequence - 1;
}
