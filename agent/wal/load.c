/* Pieces of the log by their place, and RECORD payloads taken apart. */
#include <errno.h>
#include <fcntl.h>

#include "wal/internal.h"

/* Where frame `index` of a chain begins: all frames but the last are full. */
static uint64_t chain_frame_offset(uint64_t first, uint64_t index)
{
	return first + index * frame_bytes(WAL_FRAME_BYTES_MAX);
}

static int load_open(struct wal *wal, const struct wal_segment *segment)
{
	char name[SEGMENT_NAME_BYTES];
	int fd;

	if (wal->load_segment == segment->number &&
	    wal->load_file_version == segment->file_version) {
		wal->load_cursor.end = segment->logged_bytes;
		return 0;
	}
	if (wal->load_cursor.fd >= 0)
		(void)wal->env->ops->close(wal->env, wal->load_cursor.fd); /* read-only */
	wal->load_cursor.fd = -1;
	wal->load_segment = 0;
	segment_name(segment->number, name);
	fd = wal->env->ops->open(wal->env, wal->dir_fd, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	frame_cursor_begin(&wal->load_cursor, fd, segment->seed, 0, segment->logged_bytes, 1);
	wal->load_segment = segment->number;
	wal->load_file_version = segment->file_version;
	return 0;
}

/* A frame that is still pending: our own memory, nothing to check. */
static void frame_pending(const struct wal_segment *segment, uint64_t offset,
			  struct frame *ret_frame)
{
	const uint8_t *at = segment->pending.at + (offset - segment->logged_bytes);

	memcpy(&ret_frame->head, at, sizeof ret_frame->head);
	ret_frame->offset = offset;
	ret_frame->payload = at + FRAME_HEAD_BYTES;
}

static int frame_load(struct wal *wal, const struct wal_segment *segment, uint64_t offset,
		      struct frame *ret_frame)
{
	int r;

	if (offset + FRAME_HEAD_BYTES > segment_end(segment))
		return -EBADMSG;
	if (offset >= segment->logged_bytes) {
		frame_pending(segment, offset, ret_frame);
		return 0;
	}
	r = load_open(wal, segment);
	if (r < 0)
		return r;
	r = frame_cursor_at(&wal->load_cursor, offset, ret_frame);
	if (r < 0)
		return r;
	return r > 0 ? 0 : -EBADMSG;
}

/* Frame `index` must belong to the chain that `first` begins. */
static bool belongs(const struct wal_frame_head *first, const struct wal_frame_head *head,
		    uint64_t index)
{
	return head->kind == first->kind && head->whole == first->whole &&
	       head->sequence == first->sequence + index &&
	       !(head->flags & WAL_CONTINUED) == (index == 0);
}

int wal_load(struct wal *wal, struct wal_location location, uint64_t offset, size_t len,
	     uint8_t *at)
{
	const struct wal_segment *segment = wal_list_find(wal, location.segment);
	struct wal_frame_head first;
	struct frame frame;
	uint64_t index, within;
	size_t n;
	int r;

	if (!segment || segment->released)
		return -ENOENT;
	r = frame_load(wal, segment, location.offset, &frame);
	if (r < 0)
		return r;
	first = frame.head;
	if (first.flags & WAL_CONTINUED)
		return -EBADMSG;
	if (offset > first.whole || len > first.whole - offset)
		return -EINVAL;
	for (; len > 0; len -= n, at += n, offset += n) {
		index = offset / WAL_FRAME_BYTES_MAX;
		within = offset % WAL_FRAME_BYTES_MAX;
		r = frame_load(wal, segment, chain_frame_offset(location.offset, index),
			       &frame);
		if (r < 0)
			return r;
		if (!belongs(&first, &frame.head, index) || frame.head.length <= within)
			return -EBADMSG;
		n = frame.head.length - within;
		if (n > len)
			n = len;
		memcpy(at, frame.payload + within, n);
	}
	return 0;
}

int wal_record_next(struct bytes payload, size_t *at, struct slice *ret_slice,
		    uint32_t *ret_offset)
{
	struct wal_record record;
	struct wal_slice head;
	size_t from = *at ? *at : sizeof record;

	if (payload.len < sizeof record)
		return -EBADMSG;
	if (from == payload.len)
		return 0;
	if (payload.len - from < sizeof head)
		return -EBADMSG;
	memcpy(&head, payload.at + from, sizeof head);
	from += sizeof head;
	if (head.length % 8 != 0 || head.length > payload.len - from)
		return -EBADMSG;
	*ret_slice = (struct slice){
		.block = head.block,
		.generation = head.generation,
		.start = head.start,
		.end = head.end,
		.thread = head.thread,
		.thread_block = head.thread_block,
		.first_record = head.first_record,
		.record_count = head.record_count,
		.dropped_count = head.dropped_count,
		.sealed = head.flags & WAL_SLICE_SEALED,
		.records = {payload.at + from, head.length},
	};
	*ret_offset = (uint32_t)from;
	*at = from + head.length;
	return 1;
}
