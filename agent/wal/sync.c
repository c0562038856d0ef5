/* Background sync.
 *
 * A round syncs the directory and then every dirty segment, one after the other.
 * After a failed sync the kernel may have marked the pages clean, so asking the
 * same descriptor again would get a false yes. Its segment is SUSPECT from then
 * on: nothing more is appended to it, its frames are written again into a fresh
 * file, and only when that one is synced does it take the name. Places and
 * sequences stay as they are. A segment, or the whole directory, that somebody
 * removed while we write to it is treated alike.
 *
 * When the second sync in a row fails, the disk is not worth writing to: frames
 * stay in memory (as when a write fails) until a later round has succeeded. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "wal/internal.h"

#define FRESH_NAME_BYTES (SEGMENT_NAME_BYTES + 8)
#define FAILURES_UNTIL_MEMORY 2
#define RETRY_NS_MAX UINT64_C(5000000000)

/* ---- a suspect segment and its fresh file ----------------------------------- */

static void fresh_name(const struct wal_segment *segment, char ret_name[FRESH_NAME_BYTES])
{
	char name[SEGMENT_NAME_BYTES];

	segment_name(segment->number, name);
	(void)snprintf(ret_name, FRESH_NAME_BYTES, "%s.new", name);
}

static void fresh_drop(struct wal *wal, struct wal_segment *segment)
{
	char name[FRESH_NAME_BYTES];

	if (segment->fresh_fd < 0)
		return;
	(void)wal->env->ops->close(wal->env, segment->fresh_fd);
	segment->fresh_fd = -1;
	fresh_name(segment, name);
	(void)wal->env->ops->unlink(wal->env, wal->dir_fd, name,
				    0); /* or the next start does */
}

/* What the page cache holds of the suspect file goes into a new one. */
static int fresh_make(struct wal *wal, struct wal_segment *segment)
{
	char name[FRESH_NAME_BYTES];
	int fd, r;

	fresh_name(segment, name);
	fd = wal->env->ops->open(wal->env, wal->dir_fd, name,
				 O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	segment->fresh_fd = fd;
	segment->fresh_bytes = segment->logged_bytes;
	r = segment_copy(wal->env, segment->fd, fd, segment->logged_bytes);
	if (r < 0)
		fresh_drop(wal, segment);
	return r;
}

/* The fresh file is synced: it takes the name. */
static int fresh_use(struct wal *wal, struct wal_segment *segment)
{
	const struct env_ops *ops = wal->env->ops;
	char name[SEGMENT_NAME_BYTES], fresh[FRESH_NAME_BYTES];
	int r;

	segment_name(segment->number, name);
	fresh_name(segment, fresh);
	r = ops->rename(wal->env, wal->dir_fd, fresh, wal->dir_fd, name, 0);
	if (r < 0)
		return r;
	(void)ops->close(wal->env, segment->fd);
	segment->fd = segment->fresh_fd;
	segment->fresh_fd = -1;
	segment->suspect = false;
	segment->disk_bytes = segment->logged_bytes;
	segment->file_version++; /* readers and loads open the new file */
	wal->list_version++;
	wal->directory_dirty = true; /* the name means another file */
	return 0;
}

static void suspect(struct wal *wal, struct wal_segment *segment)
{
	segment->suspect = true;
	if (segment == wal_writing(wal))
		wal->writing = false;
}

/* ---- what fails --------------------------------------------------------------- */

static void sync_failed(struct wal *wal, int error)
{
	struct wal_sync *sync = &wal->sync;
	bool in_memory;

	wal->counters.sync_failures++;
	sync->error = error;
	sync->failures++;
	sync->retry_ns = sync->retry_ns ? 2 * sync->retry_ns : wal->options.sync_interval_ns;
	if (sync->retry_ns > RETRY_NS_MAX)
		sync->retry_ns = RETRY_NS_MAX;
	in_memory = sync->failures >= FAILURES_UNTIL_MEMORY;
	condition_raise(
		wal->options.conditions, CONDITION_LOG_SYNC_FAILING,
		"cannot sync %s: %s; a power loss would take what was written since; %s: "
		"%s",
		wal->options.dir, strerror(-error),
		in_memory ? "it failed again, so frames stay in memory until it succeeds"
			  : "writing it again into a fresh file",
		condition_remedy(error));
	if (in_memory && !sync->in_memory) {
		sync->in_memory = true;
		wal_write_failed(wal, error);
	}
}

static void sync_succeeded(struct wal *wal)
{
	wal->sync.failures = 0;
	wal->sync.retry_ns = 0;
	if (wal->sync.in_memory)
		wal->write_due_ns = 0;
	wal->sync.in_memory = false;
	condition_clear(wal->options.conditions, CONDITION_LOG_SYNC_FAILING);
}

void wal_segment_close_idle(struct wal *wal, struct wal_segment *segment)
{
	if (segment->fd < 0 || segment->dirty || segment->syncing || segment->suspect ||
	    segment->pending.len > 0 || segment == wal_writing(wal))
		return;
	(void)wal->env->ops->close(wal->env,
				   segment->fd); /* it is synced: nothing can be lost */
	segment->fd = -1;
}

/* ---- what somebody removed ------------------------------------------------------ */

static bool was_removed(struct wal *wal, int fd)
{
	struct stat st;

	return wal->env->ops->fstat(wal->env, fd, &st) == 0 && st.st_nlink == 0;
}

/* Files that lost their name are given it again by way of a fresh file. */
static int look_for_removed(struct wal *wal)
{
	uint32_t i;
	int r;

	if (was_removed(wal, wal->dir_fd)) {
		r = wal_directory_renew(wal);
		if (r < 0)
			return r;
	}
	for (i = wal_list_first_open(wal); i < wal->segment_count; i++) {
		struct wal_segment *segment = wal->segments[i];

		if (segment->fd >= 0 && !segment->suspect && was_removed(wal, segment->fd)) {
			suspect(wal, segment);
			wal->counters.segments_removed++;
			wal_log(wal, LOG_ERR,
				"somebody removed segment %llu of %s; writing it again",
				(unsigned long long)segment->number, wal->options.dir);
		}
	}
	return 0;
}

/* ---- a round ---------------------------------------------------------------------- */

static int round_begin(struct wal *wal)
{
	uint32_t i;
	int r;

	r = look_for_removed(wal);
	if (r < 0)
		return r;
	wal->sync.round = true;
	wal->sync.began_ns = wal->env->ops->mono_ns(wal->env);
	wal->sync.sequence = wal->logged_sequence;
	wal->directory_syncing |= wal->directory_dirty;
	wal->directory_dirty = false;
	for (i = wal_list_first_open(wal); i < wal->segment_count; i++) {
		struct wal_segment *segment = wal->segments[i];

		segment->syncing |= segment->dirty || segment->suspect;
		segment->dirty = false;
	}
	return 0;
}

static void round_end(struct wal *wal)
{
	/* A fresh file took a name: that is to be synced as well. */
	if (wal->directory_dirty && wal->sync.replaced) {
		wal->sync.replaced = false;
		wal->directory_dirty = false;
		wal->directory_syncing = true;
		return;
	}
	wal->sync.round = false;
	wal->synced_sequence = wal->sync.sequence;
	wal->synced_ns = wal->env->ops->mono_ns(wal->env);
	/* What the round does not cover was written after it began. */
	wal->unsynced_since_ns =
		wal->synced_sequence == wal->logged_sequence ? 0 : wal->sync.began_ns;
	sync_succeeded(wal);
}

/* What the round must sync next. 1: this descriptor, 0: it is over, -errno. */
static int round_next(struct wal *wal, struct wal_segment **ret_segment, int *ret_fd)
{
	struct wal_segment *segment;
	uint32_t i;
	int r;

	*ret_segment = NULL;
	*ret_fd = wal->dir_fd;
	if (wal->directory_syncing)
		return 1;
	for (i = wal_list_first_open(wal); i < wal->segment_count; i++) {
		segment = wal->segments[i];
		if (!segment->syncing)
			continue;
		if (segment->suspect && segment->fresh_fd < 0) {
			r = fresh_make(wal, segment);
			if (r < 0)
				return r;
		}
		*ret_segment = segment;
		*ret_fd = segment->suspect ? segment->fresh_fd : segment->fd;
		return 1;
	}
	round_end(wal);
	return wal->directory_syncing;
}

/* The answer to one sync. -errno: the round cannot go on; what is marked stays
 * marked for the next one. */
static int round_answer(struct wal *wal, struct wal_segment *segment, int result)
{
	wal->counters.syncs++;
	if (!segment) {
		wal->directory_syncing = result < 0;
		return result;
	}
	if (result < 0 && !segment->suspect) {
		/* At once: the fresh file may well succeed. */
		sync_failed(wal, result);
		suspect(wal, segment);
		return 0;
	}
	if (result >= 0 && segment->suspect) {
		/* What was pending when its sync failed has been written since. */
		if (segment->fresh_bytes != segment->logged_bytes) {
			fresh_drop(wal, segment);
			return 0;
		}
		result = fresh_use(wal, segment);
		wal->sync.replaced |= result >= 0;
	}
	if (result < 0) {
		fresh_drop(wal, segment);
		return result;
	}
	wal->sync.failures = 0;
	segment->syncing = false;
	wal_segment_close_idle(wal, segment);
	return 0;
}

static void round_failed(struct wal *wal, int error)
{
	wal->sync.round = false;
	sync_failed(wal, error);
}

static bool anything_dirty(const struct wal *wal)
{
	return wal->directory_dirty || wal->directory_syncing || wal->sync.failures ||
	       wal->synced_sequence != wal->logged_sequence;
}

static bool retry_is_due(const struct wal *wal, uint64_t now_ns)
{
	return !wal->sync.failures || now_ns - wal->sync.last_ns >= wal->sync.retry_ns;
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
	int fd, r;

	r = round_next(wal, &segment, &fd);
	if (r == 0)
		return 1;
	if (r < 0) {
		round_failed(wal, r);
		return 1;
	}
	wal->sync.of_segment = segment;
	wal->sync.flying = true;
	wal->sync.answered = false;
	r = wal->env->ops->sync_start(wal->env, fd, sync_done, wal);
	if (r < 0) {
		wal->sync.flying = false;
		wal->counters
			.sync_failures++; /* nothing was asked: the next tick tries again */
		return 0;
	}
	return 1;
}

static int sync_begin(struct wal *wal, uint64_t now_ns)
{
	int r;

	wal->sync.last_ns = now_ns;
	r = round_begin(wal);
	if (r < 0) {
		round_failed(wal, r);
		return 1;
	}
	return sync_go_on(wal);
}

void wal_sync_soon(struct wal *wal)
{
	wal->sync.soon = true;
}

int wal_sync_tick(struct wal *wal, uint64_t now_ns)
{
	uint64_t since_ns = now_ns - wal->sync.last_ns;
	int r;

	if (wal->sync.flying) {
		if (!wal->sync.answered)
			return 0;
		wal->sync.flying = false;
		r = round_answer(wal, wal->sync.of_segment, wal->sync.result);
		if (r < 0) {
			round_failed(wal, r);
			return 1;
		}
		return sync_go_on(wal);
	}
	if (wal->sync.round)
		return sync_go_on(wal);
	if (!anything_dirty(wal) || !retry_is_due(wal, now_ns))
		return 0;
	/* Released segments wait for a sync: a pile of them is not left for long. */
	if (since_ns < wal->options.sync_interval_ns && !wal->sync.soon &&
	    !wal->options.sync_each && !wal_released_is_much(wal))
		return 0;
	wal->sync.soon = false;
	return sync_begin(wal, now_ns);
}
