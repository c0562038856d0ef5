/* A cursor over the frames of one segment: reads it in large pieces into one
 * window, judges each frame by the validity rule, and finds the next good one
 * behind damage. Recovery and readers use the same one. */
#ifndef WAL_CURSOR_H
#define WAL_CURSOR_H

#include "base/env.h"
#include "wal/frame.h"

struct frame_cursor {
	struct env *env;
	int fd; /* borrowed */
	uint32_t seed;
	uint64_t wanted_kinds; /* bit per kind; others are passed over by length alone */
	bool all_kinds;
	uint64_t offset;   /* of the next frame */
	uint64_t end;	   /* nothing behind is looked at; may grow */
	/* What lies at `memory_offset` and behind is not in the file yet, but
	 * here; borrowed. NULL: all of it is in the file. */
	const uint8_t *memory;
	uint64_t memory_offset;
	uint64_t sequence; /* of the frame before */
	/* The last place known good, and how far not to trust a length alone:
	 * see cursor_distrust(). */
	uint64_t checked_offset, checked_sequence, verify_until;
	uint64_t damaged; /* places skipped, ever */
	int error;	  /* -errno of a read that failed, until the next begin */
	bool jumped;	  /* the next frame lies behind one passed over */
	uint8_t *window;
	size_t window_cap, window_len;
	uint64_t window_offset;
};

void frame_cursor_init(struct frame_cursor *cursor, struct env *env);
void frame_cursor_fini(struct frame_cursor *cursor);

/* Starts at a segment's first frame. `end` may be moved on later, and so may
 * `memory` and `memory_offset`: between calls all three must say the truth. `fd` may
 * be -1 when nothing is in the file. */
void frame_cursor_begin(struct frame_cursor *cursor, int fd, uint32_t seed, uint64_t offset,
			uint64_t end, uint64_t first_sequence);

/* 1: the next frame of a wanted kind, borrowed until the next call; 0: none in
 * front of `end`. -ENOMEM, or -errno of a failed read. A bad frame with none
 * behind it leaves the cursor on it: more may be appended. */
int frame_cursor_next(struct frame_cursor *cursor, struct frame *ret_frame);

/* One frame at a known place, whatever its sequence. 1, 0: not a frame, -errno. */
int frame_cursor_at(struct frame_cursor *cursor, uint64_t offset, struct frame *ret_frame);

#endif
