#include "wal/cursor.h"

#include <errno.h>
#include <stdlib.h>

#include "wal/segment.h"

/* The window takes the largest frame. Behind a long frame that was passed over
 * there may well be another one, so only its head is fetched. */
#define WINDOW_BYTES (WAL_FRAME_BYTES_MAX + 4096u)
#define PEEK_BYTES 4096u

/* More frames than the largest chain has. */
#define RESYNC_AHEAD_MAX (UINT64_C(1) << 20)

void frame_cursor_init(struct frame_cursor *cursor, struct env *env)
{
	*cursor = (struct frame_cursor){.env = env, .fd = -1, .all_kinds = true};
}

void frame_cursor_fini(struct frame_cursor *cursor)
{
	free(cursor->window);
	cursor->window = NULL;
}

void frame_cursor_begin(struct frame_cursor *cursor, int fd, uint32_t seed, uint64_t offset,
			uint64_t end, uint64_t first_sequence)
{
	cursor->fd = fd;
	cursor->seed = seed;
	cursor->offset = cursor->checked_offset = offset;
	cursor->end = end;
	cursor->sequence = cursor->checked_sequence = first_sequence - 1;
	cursor->verify_until = 0;
	cursor->window_len = 0;
	cursor->error = 0;
	cursor->memory = NULL;
}

/* From the file up to where memory begins, or from memory: no frame lies in
 * both. Copied, because what is pending may move. */
static ssize_t source_read(struct frame_cursor *cursor, size_t len, uint64_t offset)
{
	if (!cursor->memory)
		return segment_read(cursor->env, cursor->fd, cursor->window, len, offset);
	if (offset >= cursor->memory_offset) {
		memcpy(cursor->window, cursor->memory + (offset - cursor->memory_offset), len);
		return (ssize_t)len;
	}
	if (len > cursor->memory_offset - offset)
		len = (size_t)(cursor->memory_offset - offset);
	return segment_read(cursor->env, cursor->fd, cursor->window, len, offset);
}

/* Reads a window of at least `need` bytes, if there are as many, that begins at `offset`. */
static int window_read(struct frame_cursor *cursor, uint64_t offset, size_t need)
{
	uint64_t len = cursor->end - offset;
	size_t most = cursor->jumped && need < PEEK_BYTES ? PEEK_BYTES : WINDOW_BYTES;
	ssize_t n;

	if (!cursor->window) {
		cursor->window = malloc(WINDOW_BYTES);
		if (!cursor->window)
			return -ENOMEM;
	}
	if (len > most)
		len = most;
	cursor->window_len = 0;
	cursor->jumped = false;
	n = source_read(cursor, (size_t)len, offset);
	if (n < 0)
		return (int)n;
	cursor->window_offset = offset;
	cursor->window_len = (size_t)n;
	return 0;
}

/* Gives the address of [offset, offset + len) in the window. 1, 0: it reaches
 * behind the end, -errno. */
static int window_get(struct frame_cursor *cursor, uint64_t offset, size_t len,
		      const uint8_t **ret_at)
{
	int r;

	if (offset + len > cursor->end)
		return 0;
	if (offset < cursor->window_offset ||
	    offset + len > cursor->window_offset + cursor->window_len) {
		r = window_read(cursor, offset, len);
		if (r < 0)
			return r;
		if (len > cursor->window_len)
			return 0; /* the file is shorter than we were told */
	}
	*ret_at = cursor->window + (offset - cursor->window_offset);
	return 1;
}

static int head_at(struct frame_cursor *cursor, uint64_t offset,
		   struct wal_frame_head *ret_head)
{
	const uint8_t *at;
	int r;

	r = window_get(cursor, offset, FRAME_HEAD_BYTES, &at);
	if (r > 0)
		memcpy(ret_head, at, sizeof *ret_head);
	return r;
}

/* The whole frame with this head, if its CRC matches. */
static int frame_whole(struct frame_cursor *cursor, uint64_t offset,
		       const struct wal_frame_head *head, struct frame *ret_frame)
{
	const uint8_t *at;
	int r;

	if (!frame_plausible(head, offset, cursor->end))
		return 0;
	r = window_get(cursor, offset, (size_t)frame_bytes(head->length), &at);
	if (r <= 0)
		return r;
	if (!frame_crc_matches(at, cursor->seed, head))
		return 0;
	*ret_frame = (struct frame){*head, offset, at + FRAME_HEAD_BYTES};
	return 1;
}

int frame_cursor_at(struct frame_cursor *cursor, uint64_t offset, struct frame *ret_frame)
{
	struct wal_frame_head head;
	int r;

	r = head_at(cursor, offset, &head);
	return r > 0 ? frame_whole(cursor, offset, &head, ret_frame) : r;
}

static bool kind_wanted(const struct frame_cursor *cursor, uint8_t kind)
{
	return cursor->all_kinds || (kind < 64 && cursor->wanted_kinds >> kind & 1);
}

static void cursor_advance(struct frame_cursor *cursor, uint64_t offset,
			   const struct wal_frame_head *head)
{
	cursor->offset = offset + frame_bytes(head->length);
	cursor->sequence = head->sequence;
}

/* Tries the frame where the cursor stands. 1 a wanted frame, 2 one passed
 * over, 0 a bad one, -errno. */
static int cursor_try(struct frame_cursor *cursor, struct frame *ret_frame)
{
	struct wal_frame_head head;
	int r;

	r = head_at(cursor, cursor->offset, &head);
	if (r <= 0)
		return r;
	if (head.sequence != cursor->sequence + 1 ||
	    !frame_plausible(&head, cursor->offset, cursor->end))
		return 0;
	if (!kind_wanted(cursor, head.kind) && cursor->offset >= cursor->verify_until) {
		cursor_advance(cursor, cursor->offset, &head);
		cursor->jumped = cursor->offset > cursor->window_offset + cursor->window_len;
		return 2;
	}
	r = frame_whole(cursor, cursor->offset, &head, ret_frame);
	if (r <= 0)
		return r;
	cursor_advance(cursor, cursor->offset, &head);
	cursor->checked_offset = cursor->offset;
	cursor->checked_sequence = cursor->sequence;
	return kind_wanted(cursor, head.kind) ? 1 : 2;
}

/* Frames passed over by their length were not verified, so a bad frame behind
 * them may mean that one of THEM lied about its length. Goes back to the last
 * verified place and verifies all up to here. False: that was done already. */
static bool cursor_distrust(struct frame_cursor *cursor)
{
	if (cursor->checked_offset == cursor->offset || cursor->verify_until > cursor->offset)
		return false;
	cursor->verify_until = cursor->offset + 1;
	cursor->offset = cursor->checked_offset;
	cursor->sequence = cursor->checked_sequence;
	return true;
}

/* Looks for a valid frame with a higher sequence behind the bad one. The bound
 * on its sequence only saves CRCs over noise. 1 found, 0, -errno. */
static int cursor_resync(struct frame_cursor *cursor)
{
	struct wal_frame_head head;
	struct frame frame;
	uint64_t offset, ahead;
	int r;

	for (offset = cursor->offset + 8; offset + FRAME_HEAD_BYTES <= cursor->end;
	     offset += 8) {
		r = head_at(cursor, offset, &head);
		if (r < 0)
			return r;
		ahead = head.sequence - cursor->sequence;
		if (r == 0 || ahead == 0 || ahead > RESYNC_AHEAD_MAX)
			continue;
		r = frame_whole(cursor, offset, &head, &frame);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		cursor->damaged++;
		cursor->offset = cursor->checked_offset = offset;
		cursor->sequence = cursor->checked_sequence = head.sequence - 1;
		return 1;
	}
	return 0;
}

int frame_cursor_next(struct frame_cursor *cursor, struct frame *ret_frame)
{
	int r;

	if (cursor->error)
		return cursor->error;
	while (cursor->offset + FRAME_HEAD_BYTES <= cursor->end) {
		r = cursor_try(cursor, ret_frame);
		if (r == 1)
			return 1;
		if (r == 0 && !cursor_distrust(cursor)) {
			r = cursor_resync(cursor);
			if (r == 0)
				return 0;
		}
		if (r < 0) {
			cursor->error = r == -ENOMEM ? 0 : r;
			return r;
		}
	}
	return 0;
}
