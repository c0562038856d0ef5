/* wal_commit(): what is pending goes into the files, segment by segment, each
 * with one write. Until a write has succeeded nothing of it counts, and the
 * next try writes the same bytes to the same place. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "wal/internal.h"

/* Memory that a burst needed is not kept. */
#define PENDING_BYTES_KEPT (4u << 20)

/* How often a disk that refuses is asked again. */
#define RETRY_NS_MIN UINT64_C(50000000)
#define RETRY_NS_MAX UINT64_C(1000000000)

static void pending_written(struct wal *wal, struct wal_segment *segment)
{
	segment->logged_bytes += segment->pending.len;
	if (segment->disk_bytes < segment->logged_bytes)
		segment->disk_bytes = segment->logged_bytes;
	segment->dirty = true;
	if (wal->unsynced_since_ns == 0)
		wal->unsynced_since_ns = wal->env->ops->mono_ns(wal->env);
	wal->logged_sequence = segment->pending_sequence;
	wal->pending_bytes -= segment->pending.len;
	buf_keep(&segment->pending, PENDING_BYTES_KEPT);
}

static int pending_write(struct wal *wal, struct wal_segment *segment)
{
	int r;

	if (!segment->created) {
		r = segment_create(segment, wal->env, wal->dir_fd);
		if (r < 0)
			return r;
		wal->directory_dirty = true;
		wal->counters.segments++;
	}
	r = segment_write(wal->env, segment->fd, segment->pending.at, segment->pending.len,
			  segment->logged_bytes);
	if (r == 0)
		pending_written(wal, segment);
	return r;
}

/* A segment that is full gives back what was allocated for it and not used. */
static void segment_trim(struct wal *wal, struct wal_segment *segment)
{
	if (segment->disk_bytes == segment->logged_bytes)
		return;
	/* Failing leaves zeros at its end, which readers never look at. */
	(void)wal->env->ops->truncate(wal->env, segment->fd, (off_t)segment->logged_bytes);
	segment->disk_bytes = segment->logged_bytes;
	buf_fini(&segment->pending);
}

void wal_write_failed(struct wal *wal, int error)
{
	if (!wal->write_failing)
		wal->write_retry_ns = RETRY_NS_MIN;
	else if (wal->write_retry_ns < RETRY_NS_MAX)
		wal->write_retry_ns *= 2;
	wal->write_due_ns = wal->env->ops->mono_ns(wal->env) + wal->write_retry_ns;
	wal->write_failing = true;
	wal->write_error = error;
	condition_raise(
		wal->options.conditions, CONDITION_LOG_WRITE_FAILING,
		"cannot write to %s: %s; frames are held in memory up to %" PRIu64
		" MiB, then the rings fill and refuse; export and archive go on, but what "
		"they get meanwhile may come twice if the agent dies: %s",
		wal->options.dir, strerror(-error), wal->options.memory_bytes_max >> 20,
		condition_remedy(error));
}

static void succeeded(struct wal *wal)
{
	wal->write_failing = false;
	condition_clear(wal->options.conditions, CONDITION_LOG_MEMORY_FULL);
	condition_clear(wal->options.conditions, CONDITION_LOG_WRITE_FAILING);
}

int wal_commit(struct wal *wal)
{
	struct wal_segment *segment;
	uint32_t i;
	int r;

	if (wal->sync.in_memory)
		return wal->write_error; /* until a sync has succeeded */
	if (wal->write_failing && wal->env->ops->mono_ns(wal->env) < wal->write_due_ns)
		return wal->write_error;
	for (i = wal_list_first_open(wal); i < wal->segment_count; i++) {
		segment = wal->segments[i];
		if (segment->pending.len > 0) {
			r = pending_write(wal, segment);
			if (r < 0) {
				wal->counters.commit_failures++;
				wal_write_failed(wal, r);
				return r;
			}
			wal->counters.commits++;
		}
		if (segment != wal_writing(wal)) {
			segment_trim(wal, segment);
			wal_segment_close_idle(wal, segment);
		}
	}
	succeeded(wal);
	return 0;
}
