/* The end of segments: what nobody needs any more is released, and removed once
 * what replaces it is synced. Until then it still takes room on the disk. */
#include <errno.h>

#include "wal/internal.h"

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
int wal_delete_released(struct wal *wal)
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

uint64_t wal_bytes_on_disk(const struct wal *wal)
{
	uint64_t bytes = 0;
	uint32_t i;

	for (i = 0; i < wal->segment_count; i++)
		if (wal->segments[i]->created)
			bytes += wal->segments[i]->disk_bytes;
	return bytes;
}

uint64_t wal_bytes_released(const struct wal *wal)
{
	uint64_t bytes = 0;
	uint32_t i;

	for (i = 0; i < wal->segment_count && wal->segments[i]->released; i++)
		bytes += wal->segments[i]->disk_bytes;
	return bytes;
}

bool wal_released_is_much(const struct wal *wal)
{
	return wal_bytes_released(wal) > wal->max_bytes / 4;
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
