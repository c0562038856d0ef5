/* wal_recover(): reads the segments in order and hands on every whole chain.
 * Nothing found here makes the start fail; everything unusual is counted and
 * said. Nothing is appended to a segment found: the next frame begins a new
 * one, so a cut tail can never lie in front of good frames. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "wal/internal.h"

#define CORRUPT_KEPT 2

struct found {
	uint64_t *numbers; /* of segments, then sorted */
	uint32_t count, cap;
	uint64_t *corrupt; /* of renamed ones */
	uint32_t corrupt_count, corrupt_cap;
	struct wal *wal;
};

#define WRITTEN_AGAIN 4 /* segments */

struct recovery {
	struct wal *wal;
	wal_entry_fn *each;
	void *arg;
	struct frame_cursor cursor;
	struct frame_chain chain;
	struct scopes scopes;
	uint64_t seen; /* end of the last valid frame of this segment */
};

static int numbers_add(uint64_t **numbers, uint32_t *count, uint32_t *cap, uint64_t number)
{
	uint32_t grown = *cap ? *cap * 2 : 64;
	uint64_t *at;

	if (*count == *cap) {
		at = realloc(*numbers, grown * sizeof *at);
		if (!at)
			return -ENOMEM;
		*numbers = at;
		*cap = grown;
	}
	(*numbers)[(*count)++] = number;
	return 0;
}

static int name_found(void *arg, const char *name)
{
	struct found *found = arg;
	uint64_t number;

	if (segment_name_parse(name, "", &number))
		return numbers_add(&found->numbers, &found->count, &found->cap, number);
	if (segment_name_parse(name, SEGMENT_CORRUPT_SUFFIX, &number))
		return numbers_add(&found->corrupt, &found->corrupt_count, &found->corrupt_cap,
				   number);
	if (segment_name_parse(name, ".new", &number))
		/* A copy that was never finished: its original is still here. */
		(void)found->wal->env->ops->unlink(found->wal->env, found->wal->dir_fd, name,
						   0);
	return 0;
}

static int number_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int find_segments(struct wal *wal, struct found *found)
{
	int r;

	r = wal->env->ops->list(wal->env, wal->dir_fd, name_found, found);
	if (r < 0)
		return r;
	if (found->count)
		qsort(found->numbers, found->count, sizeof *found->numbers, number_compare);
	if (found->corrupt_count)
		qsort(found->corrupt, found->corrupt_count, sizeof *found->corrupt,
		      number_compare);
	/* New names lie above all old ones, those of damaged segments too. */
	if (found->count)
		wal->next_segment = found->numbers[found->count - 1] + 1;
	if (found->corrupt_count &&
	    found->corrupt[found->corrupt_count - 1] >= wal->next_segment)
		wal->next_segment = found->corrupt[found->corrupt_count - 1] + 1;
	return 0;
}

/* A few damaged segments are kept for whoever wants to look. */
static void sweep_corrupt(struct wal *wal, const struct found *found)
{
	char name[SEGMENT_NAME_BYTES + sizeof SEGMENT_CORRUPT_SUFFIX];
	uint32_t i;

	for (i = 0; i + CORRUPT_KEPT < found->corrupt_count; i++) {
		segment_name(found->corrupt[i], name);
		strcat(name, SEGMENT_CORRUPT_SUFFIX);
		(void)wal->env->ops->unlink(wal->env, wal->dir_fd, name, 0); /* next start */
	}
}

static void segment_set_aside(struct wal *wal, uint64_t number, int why)
{
	char name[SEGMENT_NAME_BYTES],
		aside[SEGMENT_NAME_BYTES + sizeof SEGMENT_CORRUPT_SUFFIX];

	segment_name(number, name);
	segment_name(number, aside);
	strcat(aside, SEGMENT_CORRUPT_SUFFIX);
	(void)wal->env->ops->rename(wal->env, wal->dir_fd, name, wal->dir_fd, aside, 0);
	wal->directory_dirty = true;
	wal->counters.corrupt_segments++;
	wal_log(wal, LOG_ERR, "%s %s; kept as %s", name,
		why == -EPROTO ? "is of a version this agent does not know"
			       : "has no readable header",
		aside);
}

/* Nothing where frames would be: the first write never got that far. */
static bool no_frames(struct wal *wal, int fd, uint64_t size)
{
	uint8_t piece[4096];
	uint64_t offset = WAL_FRAMES_OFFSET;
	ssize_t n, i;

	while (offset < size) {
		n = segment_read(wal->env, fd, piece, sizeof piece, offset);
		if (n <= 0)
			return n == 0;
		for (i = 0; i < n; i++)
			if (piece[i])
				return false;
		offset += (uint64_t)n;
	}
	return true;
}

static int entry_give(struct recovery *recovery, const struct wal_segment *segment,
		      const struct frame *last, struct bytes payload, uint64_t offset)
{
	struct wal *wal = recovery->wal;
	const struct wal_counters *counters = &recovery->wal->counters;
	struct wal_entry entry = {
		.kind = last->head.kind,
		.sequence = last->head.sequence,
		.location = {segment->number, (uint32_t)offset},
		.payload = payload,
		.damaged_before = recovery->cursor.damaged + counters->damaged_frames +
					  counters->corrupt_segments +
					  counters->incomplete_chains >
				  0,
	};
	struct wal_span head;

	if (entry.kind == WAL_SPAN) {
		if (payload.len < sizeof head) {
			wal->counters.damaged_frames++;
			return 0;
		}
		memcpy(&head, payload.at, sizeof head);
		entry.span.number = head.number;
		entry.span.stale = head.flags & WAL_SPAN_STALE;
		memcpy(entry.span.trace_id, head.trace_id, sizeof head.trace_id);
		if (scopes_resolve(&recovery->scopes, head.scope, &entry.span) < 0)
			wal->counters.lost_scopes++;
		entry.span.span =
			(struct bytes){payload.at + sizeof head, payload.len - sizeof head};
		wal_numbers_behind(wal, head.number);
	}
	return recovery->each(recovery->arg, &entry);
}

static int payload_take(struct recovery *recovery, const struct wal_segment *segment,
			const struct frame *last, struct bytes payload, uint64_t offset)
{
	int r;

	switch (last->head.kind) {
	case WAL_SCOPE:
		r = scopes_take(&recovery->scopes, payload);
		if (r == -EBADMSG)
			recovery->wal->counters.damaged_frames++;
		return r == -ENOMEM ? r : 0;
	case WAL_RECORD:
	case WAL_SPAN:
	case WAL_STATE:
	case WAL_RING:
	case WAL_CLOSED:
	case WAL_RUN:
	case WAL_ARCHIVE:
	case WAL_CURSOR:
	case WAL_LEDGER:
	case WAL_PROCESS:
		return entry_give(recovery, segment, last, payload, offset);
	default:
		recovery->wal->counters.unknown_frames++;
		return 0;
	}
}

/* Bytes that could not be read this time may hold frames all the same. Their
 * numbers must not be given again, however many there can be. */
static void numbers_skip(struct wal *wal, uint64_t unread_bytes)
{
	wal->next_sequence += unread_bytes / FRAME_HEAD_BYTES;
	wal->next_span_number += unread_bytes / (FRAME_HEAD_BYTES + sizeof(struct wal_span));
}

/* All frames of one segment. 0, or what stopped it: -ENOMEM, or the
 * negative answer of `each`. */
static int frames_replay(struct recovery *recovery, struct wal_segment *segment)
{
	struct wal *wal = recovery->wal;
	struct bytes payload;
	struct frame frame;
	uint64_t offset;
	int r;

	scopes_forget(&recovery->scopes);
	while ((r = frame_cursor_next(&recovery->cursor, &frame)) > 0) {
		recovery->seen = recovery->cursor.offset;
		wal->next_sequence = frame.head.sequence + 1;
		r = frame_chain_take(&recovery->chain, &frame, &payload, &offset);
		if (r > 0)
			r = payload_take(recovery, segment, &frame, payload, offset);
		if (r < 0)
			return r;
	}
	/* Chains never cross a segment's border. */
	frame_chain_drop(&recovery->chain);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		wal->counters.damaged_frames++;
		wal_log(wal, LOG_ERR,
			"cannot read segment %" PRIu64 " behind byte %" PRIu64
			": %s; going on with the next",
			segment->number, recovery->cursor.offset, strerror(-r));
		numbers_skip(wal, segment->disk_bytes - recovery->cursor.offset);
	}
	return 0;
}

/* What lies behind the last valid frame. Zeros are what was allocated and not
 * used; anything else is a write that was torn (last segment) or damage. */
static void tail_judge(struct recovery *recovery, struct wal_segment *segment, int fd,
		       bool last)
{
	struct wal *wal = recovery->wal;
	uint64_t size = segment->disk_bytes, offset, used = recovery->seen;
	uint8_t piece[4096];
	ssize_t n, i;

	segment->logged_bytes = used;
	if (recovery->cursor.error)
		return; /* not read is not the same as not there */
	for (offset = recovery->seen; offset < size; offset += (uint64_t)n) {
		n = segment_read(wal->env, fd, piece, sizeof piece, offset);
		if (n <= 0)
			break;
		for (i = 0; i < n; i++)
			if (piece[i])
				used = offset + (uint64_t)i + 1;
	}
	if (used > recovery->seen) {
		if (last)
			wal->counters.cut_bytes += used - recovery->seen;
		else
			wal->counters.damaged_frames++;
		wal_log(wal, LOG_WARNING, "%s %" PRIu64 " bytes at the end of segment %" PRIu64,
			last ? "cut" : "passed over", used - recovery->seen, segment->number);
	}
	/* Failing leaves what the next start will pass over again. */
	if (last && size > recovery->seen &&
	    wal->env->ops->truncate(wal->env, fd, (off_t)recovery->seen) == 0)
		segment->disk_bytes = recovery->seen;
}

/* 1: keep it in the list, 0: there was nothing in it. */
static int segment_replay(struct recovery *recovery, struct wal_segment *segment, int fd,
			  const struct wal_segment_header *header, bool last)
{
	struct wal *wal = recovery->wal;
	uint64_t damaged = recovery->cursor.damaged;
	int r;

	segment->seed = frame_seed(header->salt);
	segment->frames_offset = header->header_bytes;
	segment->first_sequence = header->first_sequence;
	segment->first_span_number = header->first_span_number;
	if (wal->next_sequence < header->first_sequence)
		wal->next_sequence = header->first_sequence;
	/* No span need have had the one before: see numbers_skip(). */
	if (wal->next_span_number < header->first_span_number)
		wal->next_span_number = header->first_span_number;
	recovery->seen = header->header_bytes;
	frame_cursor_begin(&recovery->cursor, fd, segment->seed, header->header_bytes,
			   segment->disk_bytes, header->first_sequence);
	r = frames_replay(recovery, segment);
	if (r < 0)
		return r;
	damaged = recovery->cursor.damaged - damaged;
	wal->counters.damaged_frames += damaged;
	if (damaged)
		wal_log(wal, LOG_WARNING,
			"passed over %" PRIu64 " damaged places in segment %" PRIu64, damaged,
			segment->number);
	tail_judge(recovery, segment, fd, last);
	segment->last_span_number = wal->last_span_number;
	return 1;
}

/* One bad copy of the header: damage, unless the segment's first write was torn
 * inside the header, before any frame. Then nothing was ever in it. */
static bool header_was_torn(struct recovery *recovery, const struct wal_segment *segment,
			    bool last)
{
	char name[SEGMENT_NAME_BYTES];

	if (!last || recovery->seen > segment->frames_offset || recovery->cursor.error) {
		recovery->wal->counters.damaged_frames++;
		return false;
	}
	segment_name(segment->number, name);
	(void)recovery->wal->env->ops->unlink(recovery->wal->env, recovery->wal->dir_fd, name,
					      0); /* the next start tries again */
	return true;
}

enum header_verdict { HEADER_GOOD, HEADER_UNREADABLE, HEADER_GONE };

/* Reads the header; sets the segment aside or removes it where it has none. */
static enum header_verdict header_judge(struct wal *wal, struct wal_segment *segment, int fd,
					bool last, struct wal_segment_header *ret_header,
					bool *ret_damaged)
{
	char name[SEGMENT_NAME_BYTES];
	uint8_t at[WAL_FRAMES_OFFSET];
	struct stat st;
	ssize_t n;
	int r;

	n = wal->env->ops->fstat(wal->env, fd, &st);
	if (n == 0)
		n = segment_read(wal->env, fd, at, sizeof at, 0);
	if (n < 0)
		return HEADER_UNREADABLE;
	segment->disk_bytes = segment->capacity = (uint64_t)st.st_size;
	r = segment_check_header(at, (size_t)n, segment->number, ret_header, ret_damaged);
	if (r == 0)
		return HEADER_GOOD;
	if (last && r == -EBADMSG && no_frames(wal, fd, (uint64_t)st.st_size)) {
		segment_name(segment->number, name);
		(void)wal->env->ops->unlink(wal->env, wal->dir_fd, name, 0); /* never begun */
		return HEADER_GONE;
	}
	segment_set_aside(wal, segment->number, r);
	return HEADER_GONE;
}

/* Recovered frames may be in the page cache only: sync them once, so that
 * "synced" is true of everything recovered. Where a sync failed in an earlier life
 * the kernel calls them clean, and would say yes without writing them; so the newest
 * ones are written again as they are, more than is written between two syncs. */
static void segment_sync(struct wal *wal, const struct wal_segment *segment, int fd,
			 bool newest)
{
	int r = newest ? segment_copy(wal->env, fd, fd, segment->logged_bytes) : 0;

	if (r < 0 && r != -EBADF) /* that one lets nobody write */
		wal_log(wal, LOG_WARNING,
			"segment %" PRIu64 " cannot be written again; what an earlier sync did "
			"not bring to the disk is in memory alone",
			segment->number);
	wal->counters.syncs++;
	if (wal->env->ops->sync(wal->env, fd) < 0)
		wal->counters.sync_failures++; /* an old segment: nothing better can be done */
}

/* Their names as well: whoever made a segment may have died before it had synced
 * the directory, and a file without a name is no log. */
static void names_sync(struct wal *wal)
{
	wal->counters.syncs++;
	if (wal->env->ops->sync(wal->env, wal->dir_fd) == 0)
		return;
	wal->counters.sync_failures++;
	wal->directory_dirty = true; /* again in the background */
}

/* For writing, because its tail may have to be cut; a disk that lets nobody write
 * can still be read. */
static int segment_open(struct wal *wal, const char *name)
{
	int fd = wal->env->ops->open(wal->env, wal->dir_fd, name, O_RDWR | O_NOFOLLOW, 0);

	if (fd == -EROFS || fd == -EACCES)
		fd = wal->env->ops->open(wal->env, wal->dir_fd, name, O_RDONLY | O_NOFOLLOW, 0);
	return fd;
}

/* 1: it belongs into the list, 0 it does not, or what stopped recovery: a segment
 * that cannot be opened just now is not a damaged one. `newer` are behind it. */
static int segment_recover(struct recovery *recovery, struct wal_segment *segment,
			   uint32_t newer)
{
	bool last = newer == 0;
	struct wal *wal = recovery->wal;
	struct wal_segment_header header;
	char name[SEGMENT_NAME_BYTES];
	enum header_verdict verdict = HEADER_UNREADABLE;
	bool damaged = false;
	int fd, r = 1;

	segment_name(segment->number, name);
	fd = segment_open(wal, name);
	if (error_passes(fd))
		return fd;
	if (fd >= 0)
		verdict = header_judge(wal, segment, fd, last, &header, &damaged);
	if (verdict == HEADER_GOOD) {
		r = segment_replay(recovery, segment, fd, &header, last);
		segment_sync(wal, segment, fd, newer < WRITTEN_AGAIN);
		if (r > 0 && damaged && header_was_torn(recovery, segment, last))
			r = 0;
	}
	if (fd >= 0)
		(void)wal->env->ops->close(wal->env, fd); /* synced above */
	if (verdict == HEADER_UNREADABLE) {
		numbers_skip(wal,
			     segment->disk_bytes ? segment->disk_bytes : WAL_SEGMENT_BYTES);
		segment->readable = false;
		segment->first_span_number = wal->next_span_number;
		segment->last_span_number = wal->last_span_number;
		wal->counters.damaged_frames++;
		wal_log(wal, LOG_ERR, "cannot read %s; going on with the next", name);
	}
	return verdict == HEADER_GONE ? 0 : r;
}

static int recover_each(struct recovery *recovery, const struct found *found)
{
	struct wal *wal = recovery->wal;
	struct wal_segment *segment;
	uint32_t i;
	int r;

	for (i = 0; i < found->count; i++) {
		segment = segment_new(found->numbers[i]);
		if (!segment)
			return -ENOMEM;
		segment->created = true;
		r = segment_recover(recovery, segment, found->count - i - 1);
		if (r > 0)
			r = wal_list_append(wal, segment);
		else
			segment_free(segment, wal->env);
		if (r < 0)
			return r;
	}
	return 0;
}

int wal_recover(struct wal *wal, wal_entry_fn *each, void *arg)
{
	struct recovery recovery = {.wal = wal, .each = each, .arg = arg};
	struct found found = {.wal = wal};
	int r;

	assert(!wal->recovered);
	frame_cursor_init(&recovery.cursor, wal->env);
	frame_chain_init(&recovery.chain);
	scopes_init(&recovery.scopes);
	r = find_segments(wal, &found);
	if (r == 0) {
		sweep_corrupt(wal, &found);
		r = recover_each(&recovery, &found);
	}
	if (r == 0 && wal->segment_count > 0)
		names_sync(wal);
	if (r == 0) {
		wal->counters.incomplete_chains += recovery.chain.incomplete;
		wal->logged_sequence = wal->synced_sequence = wal->next_sequence - 1;
		wal->counters.segments = wal->segment_count;
		wal_set_limits(wal);
		wal->recovered = true;
	}
	scopes_fini(&recovery.scopes);
	frame_chain_fini(&recovery.chain);
	frame_cursor_fini(&recovery.cursor);
	free(found.numbers);
	free(found.corrupt);
	return r;
}
