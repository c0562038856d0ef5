/* Assembly between two fakes: a drain that is the test itself, and a log that
 * is an array of frames, from which a second life can be recovered. What came
 * out is kept as text.
 *
 * A crash is asked for by `frames_max`: the frame that would be one more is
 * lost, and so is everything after it until scene_restart(). */
#ifndef SUPPORT_ASSEMBLE_SCENE_H
#define SUPPORT_ASSEMBLE_SCENE_H

#include "assemble/assemble.h"
#include "records.h"
#include "test_env.h"

#define SCENE_RINGS 4
#define SCENE_PAYLOAD_AT 40 /* where a frame's first slice or state begins */

enum scene_frame_kind {
	SCENE_RECORD,
	SCENE_STATE,
	SCENE_SPAN,
	SCENE_RUN,
	SCENE_CLOSED,
	SCENE_LEDGER,
	SCENE_PROCESS,
};

struct scene_frame {
	enum scene_frame_kind kind;
	uint64_t segment;
	uint8_t instance[16]; /* or trace id, or key of a process */
	uint8_t span_id[8];
	struct slice *slices;
	uint32_t *offsets;
	uint32_t n;
	uint64_t number;
	bool stale; /* SCENE_SPAN */
	struct buf
		payload; /* SCENE_PAYLOAD_AT bytes of anything, then the records or the state */
};

struct scene_span {
	uint64_t id;
	uint64_t number;
	uint8_t trace_id[16];
	char *json;
	char *resource;
	char *scope;
};

struct scene_run {
	uint8_t trace_id[16];
	char service[64];
	uint64_t first_wall_ns;
	uint32_t user;
	unsigned seen, over;
	uint64_t last_number;
	bool complete;
};

struct scene {
	struct test_env env;
	struct assemble_options options;
	struct assemble *assemble;
	struct ring_identity rings[SCENE_RINGS];
	bool ring_known[SCENE_RINGS];
	uint32_t uids[SCENE_RINGS]; /* their owners, 0 until set */
	bool owners_known;	    /* and their pids: 100 + ring */
	uint64_t round;

	struct scene_frame *frames;
	size_t frame_count, frames_max;
	bool crashed;
	uint64_t segment;
	uint64_t oldest; /* segments before this one are gone */

	struct scene_span *spans;
	size_t span_count;
	struct scene_run *runs;
	size_t run_count;

	int finished_error, state_error; /* what ops answer instead of 0 */
	int load_error;
	unsigned loads;
	char log[512]; /* the last line */
};

void scene_init(struct scene *scene);
void scene_fini(struct scene *scene);

/* A ring with CLOCK_MONOTONIC ticks and the instance {ring + 1, ...}. */
void scene_ring(struct scene *scene, uint32_t ring);
/* Another life: everything is recovered from the frames, then the rings are
 * seen again. */
void scene_restart(struct scene *scene);
/* Logs assembly's LEDGER frame. */
void scene_ledger(struct scene *scene);
/* Segments up to this one vanish from the log. */
void scene_drop_segments(struct scene *scene, uint64_t up_to);

/* Logs and pushes the records as one slice. `records` is empty afterwards. */
void scene_push(struct scene *scene, uint32_t ring, uint32_t thread, struct buf *records);
void scene_push_slices(struct scene *scene, uint32_t ring, const struct slice *slices,
		       uint32_t n);
void scene_round(struct scene *scene, uint32_t ring);
void scene_tick(struct scene *scene);

/* The one finished span with this id; fails the test if there are more or
 * none. */
const struct scene_span *scene_span(const struct scene *scene, uint64_t id);
unsigned scene_span_times(const struct scene *scene, uint64_t id);
const struct scene_run *scene_run(const struct scene *scene, uint64_t trace);
/* Position among the finished ones, from 0. */
size_t scene_order(const struct scene *scene, uint64_t id);

/* Every record is accounted for. */
void scene_check_ledger(const struct scene *scene);

/* Shorthands: a START of a span in a trace, at a time in ms after the scene's
 * beginning, and so on. */
uint64_t scene_ticks(uint64_t ms);
void put_start(struct buf *out, uint64_t trace, uint64_t span, uint64_t parent, uint64_t ms);
void put_end(struct buf *out, uint64_t span, uint64_t ms);
void put_string(struct buf *out, uint64_t span, const char *key, const char *value);
void put_status(struct buf *out, uint64_t span, unsigned code, const char *message);
void put_run_end(struct buf *out, uint64_t trace);
void put_process_end(struct buf *out, enum wire_process_end what, uint64_t ms, int code);
void put_service(struct buf *out, const char *service);

/* "N" as JSON has the wall time of so many ms after the scene's beginning. */
const char *scene_wall(uint64_t ms);

#define assert_says(text, part)                                          \
	do {                                                             \
		if (!strstr((text), (part)))                             \
			fail_msg("\"%s\" is not in %s", (part), (text)); \
	} while (0)
#define assert_not_says(text, part)                                  \
	do {                                                         \
		if (strstr((text), (part)))                          \
			fail_msg("\"%s\" is in %s", (part), (text)); \
	} while (0)

#endif
