/* A reader gives SPAN frames in number order. It stands in one segment and
 * walks; RECORD frames are passed over by their length without being read. It
 * always starts at a segment's beginning, because the SCOPE frames of a segment
 * stand in front of the spans that need them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "wal/internal.h"

/* So often in a row a read may fail before the rest of a segment is given up. */
#define READ_FAILURES_MAX 3
#define READ_PATIENCE_NS UINT64_C(5000000000)
/* A sync that takes longer is as good as one that fails. */
#define SYNC_PATIENCE_NS UINT64_C(10000000000)

struct wal_reader {
	struct wal *wal;
	uint64_t after;			 /* number of the span given last */
	uint64_t segment;		 /* number; 0: not in one */
	const struct wal_segment *place; /* that segment while list_version holds */
	uint64_t list_version;
	uint32_t file_version;
	struct frame_cursor cursor;
	struct frame_chain chain;
	struct scopes scopes;
	uint64_t damaged_counted;
	unsigned failures; /* of reads, in a row */
	uint64_t failing_since_ns;
	bool synced_only;
	bool holds; /* a span that is not synced yet */
	struct finished_span held;
	uint64_t held_sequence;
};

int wal_reader_new(struct wal_reader **ret_reader, struct wal *wal, uint64_t after_number)
{
	struct wal_reader *reader = calloc(1, sizeof *reader);

	if (!reader)
		return -ENOMEM;
	reader->wal = wal;
	reader->after = after_number;
	frame_cursor_init(&reader->cursor, wal->env);
	reader->cursor.all_kinds = false;
	reader->cursor.wanted_kinds = UINT64_C(1) << WAL_SPAN | UINT64_C(1) << WAL_SCOPE;
	frame_chain_init(&reader->chain);
	scopes_init(&reader->scopes);
	*ret_reader = reader;
	return 0;
}

void wal_reader_wait_for_sync(struct wal_reader *reader)
{
	reader->synced_only = true;
}

bool wal_reader_holds(const struct wal_reader *reader)
{
	return reader->holds;
}

static void place_leave(struct wal_reader *reader)
{
	if (reader->cursor.fd >= 0)
		(void)reader->wal->env->ops->close(reader->wal->env, reader->cursor.fd);
	reader->cursor.fd = -1;
	reader->place = NULL;
	frame_chain_drop(&reader->chain);
	scopes_forget(&reader->scopes);
}

void wal_reader_free(struct wal_reader *reader)
{
	if (!reader)
		return;
	place_leave(reader);
	frame_cursor_fini(&reader->cursor);
	frame_chain_fini(&reader->chain);
	scopes_fini(&reader->scopes);
	free(reader);
}

static bool place_readable(const struct wal *wal, const struct wal_segment *segment)
{
	return segment->readable && !segment->released && wal_readable_end(wal, segment) > 0;
}

/* The first readable segment with a number of at least `number`. */
static const struct wal_segment *place_from(const struct wal *wal, uint64_t number)
{
	uint32_t i = wal->segment_count;
	const struct wal_segment *found = NULL;

	while (i > 0 && wal->segments[i - 1]->number >= number) {
		i--;
		if (place_readable(wal, wal->segments[i]))
			found = wal->segments[i];
	}
	return found;
}

/* The segment that has the span behind `after`, or the oldest one left. */
static const struct wal_segment *place_of_span(const struct wal *wal, uint64_t after)
{
	const struct wal_segment *found = NULL;
	uint32_t i;

	for (i = wal->segment_count; i > 0; i--) {
		if (!place_readable(wal, wal->segments[i - 1]))
			continue;
		found = wal->segments[i - 1];
		if (found->first_span_number <= after + 1)
			break;
	}
	return found;
}

static int place_open(struct wal_reader *reader, const struct wal_segment *segment)
{
	struct wal *wal = reader->wal;
	char name[SEGMENT_NAME_BYTES];
	int fd;

	segment_name(segment->number, name);
	fd = wal->env->ops->open(wal->env, wal->dir_fd, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	reader->cursor.fd = fd;
	return 0;
}

/* Tells the cursor how much there is by now, and where. */
static int place_renew(struct wal_reader *reader)
{
	const struct wal_segment *segment = reader->place;

	reader->cursor.end = wal_readable_end(reader->wal, segment);
	reader->cursor.memory_offset = segment->logged_bytes;
	reader->cursor.memory =
		reader->cursor.end > segment->logged_bytes ? segment->pending.at : NULL;
	/* Begun in memory, and written since. */
	if (reader->cursor.fd < 0 && segment->logged_bytes > 0)
		return place_open(reader, segment);
	return 0;
}

static int place_enter(struct wal_reader *reader, const struct wal_segment *segment)
{
	int r;

	place_leave(reader);
	reader->segment = segment->number;
	if (segment->logged_bytes > 0) {
		r = place_open(reader, segment);
		if (r < 0)
			return r;
	}
	frame_cursor_begin(&reader->cursor, reader->cursor.fd, segment->seed,
			   segment->frames_offset, 0, segment->first_sequence);
	reader->place = segment;
	reader->list_version = reader->wal->list_version;
	reader->file_version = segment->file_version;
	return place_renew(reader);
}

/* Whether the place where we stand is still good, although older segments may
 * have gone: then the walk goes on where it was. */
static bool place_holds(struct wal_reader *reader)
{
	const struct wal *wal = reader->wal;

	if (!reader->place)
		return false;
	if (reader->list_version != wal->list_version) {
		reader->place = wal_list_find(wal, reader->segment);
		reader->list_version = wal->list_version;
	}
	return reader->place && !reader->place->released &&
	       reader->place->file_version == reader->file_version;
}

/* Makes sure that the reader stands in a segment that still exists. 1, 0
 * nothing is logged yet, -errno. */
static int place_ensure(struct wal_reader *reader)
{
	struct wal *wal = reader->wal;
	const struct wal_segment *segment;
	int r;

	if (place_holds(reader)) {
		r = place_renew(reader);
		return r < 0 ? r : 1;
	}
	/* Our segment is gone or its file was replaced. What was given already
	 * is passed over by number. */
	segment = place_of_span(wal, reader->after);
	if (!segment)
		return 0;
	if (reader->segment > segment->number)
		segment = place_from(wal, reader->segment);
	if (!segment)
		return 0;
	r = place_enter(reader, segment);
	return r < 0 ? r : 1;
}

/* At the end of this segment: 1 another one was entered, 0 nothing more yet. */
static int place_next(struct wal_reader *reader)
{
	const struct wal_segment *segment = reader->place;
	int r;

	if (segment == wal_writing(reader->wal) ||
	    wal_readable_end(reader->wal, segment) < segment_end(segment))
		return 0;
	segment = place_from(reader->wal, segment->number + 1);
	if (!segment)
		return 0;
	r = place_enter(reader, segment);
	return r < 0 ? r : 1;
}

static int span_fill(struct wal_reader *reader, struct bytes payload,
		     struct finished_span *ret_span)
{
	struct wal_span head;

	if (payload.len < sizeof head) {
		reader->wal->counters.reader_damaged++;
		return 0;
	}
	memcpy(&head, payload.at, sizeof head);
	if (head.number <= reader->after)
		return 0;
	reader->after = head.number;
	ret_span->number = head.number;
	memcpy(ret_span->trace_id, head.trace_id, sizeof head.trace_id);
	(void)scopes_resolve(&reader->scopes, head.scope, ret_span); /* empty if lost */
	ret_span->span = (struct bytes){payload.at + sizeof head, payload.len - sizeof head};
	return 1;
}

/* 1 a span, 0 go on, -ENOMEM. */
static int frame_take(struct wal_reader *reader, const struct frame *frame,
		      struct finished_span *ret_span)
{
	struct bytes payload;
	uint64_t offset;
	int r;

	r = frame_chain_take(&reader->chain, frame, &payload, &offset);
	if (r <= 0)
		return r;
	if (frame->head.kind == WAL_SPAN)
		return span_fill(reader, payload, ret_span);
	r = scopes_take(&reader->scopes, payload);
	return r == -ENOMEM ? r : 0;
}

/* Whether what failed is a reason to give the segment's bytes up. Only what the
 * disk says of them is, and only when it goes on saying so: a permission taken away,
 * or no descriptor to be had, may last as long as it wants. */
static bool is_lost(struct wal_reader *reader, int error)
{
	const struct wal_segment *segment = wal_list_find(reader->wal, reader->segment);
	uint64_t now_ns = reader->wal->env->ops->mono_ns(reader->wal->env);

	if (error == -ENOENT) /* while it is open, its file is made again */
		return !segment || segment->fd < 0;
	if (error != -EIO && error != -EUCLEAN && error != -EBADMSG)
		return false;
	if (reader->failures++ == 0)
		reader->failing_since_ns = now_ns;
	return reader->failures >= READ_FAILURES_MAX &&
	       now_ns - reader->failing_since_ns >= READ_PATIENCE_NS;
}

/* A read failed: try again from the segment's beginning next time, and after
 * some time go on behind it. */
static int read_failed(struct wal_reader *reader, int error)
{
	place_leave(reader);
	if (!is_lost(reader, error))
		return error;
	reader->failures = 0;
	reader->segment++;
	reader->wal->counters.reader_damaged++;
	return error;
}

static void count_damage(struct wal_reader *reader)
{
	reader->wal->counters.reader_damaged +=
		reader->cursor.damaged - reader->damaged_counted;
	reader->damaged_counted = reader->cursor.damaged;
}

/* While the disk fails, or does not answer, nobody waits for it. */
static bool disk_is_well(const struct wal *wal)
{
	if (wal->write_failing || wal->sync.failures > 0)
		return false;
	return !wal->sync.round ||
	       wal->env->ops->mono_ns(wal->env) - wal->sync.last_ns < SYNC_PATIENCE_NS;
}

static bool may_be_given(const struct wal_reader *reader, uint64_t sequence)
{
	return !reader->synced_only || sequence <= reader->wal->synced_sequence ||
	       !disk_is_well(reader->wal);
}

/* 1 a span, 0 none yet, -errno. */
static int span_next(struct wal_reader *reader, struct finished_span *ret_span,
		     uint64_t *ret_sequence)
{
	struct frame frame;
	int r;

	for (;;) {
		r = place_ensure(reader);
		if (r <= 0)
			return r < 0 ? read_failed(reader, r) : 0;
		r = frame_cursor_next(&reader->cursor, &frame);
		if (r > 0) {
			r = frame_take(reader, &frame, ret_span);
			if (r == 0)
				continue;
			if (r < 0)
				return read_failed(reader, r);
			reader->failures = 0;
			*ret_sequence = frame.head.sequence;
			return 1;
		}
		count_damage(reader);
		if (r < 0)
			return read_failed(reader, r);
		r = place_next(reader);
		if (r <= 0)
			return r < 0 ? read_failed(reader, r) : 0;
	}
}

/* A span that is held stays where the cursor has read it: that goes on only
 * when it was given. */
int wal_reader_next(struct wal_reader *reader, struct finished_span *ret_span)
{
	int r;

	if (!reader->holds) {
		r = span_next(reader, &reader->held, &reader->held_sequence);
		if (r <= 0)
			return r;
	}
	reader->holds = !may_be_given(reader, reader->held_sequence);
	if (reader->holds)
		return 0;
	*ret_span = reader->held;
	return 1;
}
