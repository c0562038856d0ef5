/* Live spans beside a backlog.
 *
 * A destination that was away has much to catch up with, and people watch runs while
 * they go on. So its owner splits what the log has for it, once it takes spans again
 * and is far behind:
 *
 *      done    backlog: still to be sent       live
 *   ----------|----------------------------|S|-----------|------->  numbers
 *             export_acked()              split          ahead.number
 *
 * Spans up to S are the backlog's lane, those behind it the live one's. Each lane has
 * its own order, filling batch and settled outcome; everything else - connection,
 * streams, throttling, what becomes of an answer - is the destination's, so that it
 * is asked no more than before. Requests alternate: the live lane's first, and never
 * two of it in a row while the backlog has one to send. Neither lane may take the
 * last batches or more than half of the memory, so neither can keep the other out.
 *
 * When everything up to S is done with, the lanes are one again. Until then two
 * numbers say what was done: export_acked() goes up to the first span that was not,
 * and holds the log; export_ahead() says what is done behind S. Whoever keeps both,
 * with what became of the spans, can go on after a death and repeats only what was
 * under way.
 *
 * One backlog at a time: if the destination goes away again before this one is sent,
 * live spans wait behind what came meanwhile, at half of the requests. After the lanes
 * have joined it is split again. */
#include <assert.h>

#include "export/stage.h"

/* Batches that one lane leaves to the other: one that fills and one that waits. */
#define BATCHES_LEFT 2

void export_outcome_add(struct export_outcome *to, const struct export_outcome *more)
{
	to->sent += more->sent;
	to->rejected_partial += more->rejected_partial;
	to->rejected_status += more->rejected_status;
	to->dropped_too_large += more->dropped_too_large;
	to->dropped_backlog += more->dropped_backlog;
	to->dropped_lost += more->dropped_lost;
}

struct export_lane *export_lane(struct export *export, uint64_t number)
{
	return export_in_backlog(export, number) ? &export->backlog : &export->live;
}

static bool batch_is_of(const struct export *export, const struct export_batch *batch,
			const struct export_lane *lane)
{
	bool backlog = lane == &export->backlog;

	return batch->state != EXPORT_BATCH_FREE &&
	       export_in_backlog(export, batch->batch.first_number) == backlog;
}

static uint64_t lane_acked(const struct export *export, const struct export_lane *lane)
{
	uint64_t acked = lane->last_number;

	for (size_t i = 0; i < export->batches_n; i++) {
		const struct export_batch *batch = &export->batches[i];

		if (batch_is_of(export, batch, lane) && batch->batch.first_number <= acked)
			acked = batch->batch.first_number - 1;
	}
	return acked;
}

/* ---- what a lane may take -------------------------------------------------------- */

struct export_batch *export_batch_free(struct export *export, const struct export_lane *lane)
{
	struct export_batch *fresh = NULL;
	size_t taken = 0;

	for (size_t i = 0; i < export->batches_n; i++) {
		struct export_batch *batch = &export->batches[i];

		taken += batch_is_of(export, batch, lane);
		if (!fresh && batch->state == EXPORT_BATCH_FREE)
			fresh = batch;
	}
	if (export_is_split(export) && taken + BATCHES_LEFT >= export->batches_n && taken > 0)
		return NULL;
	return fresh;
}

static size_t lane_memory(const struct export *export, const struct export_lane *lane)
{
	size_t memory = 0;

	for (size_t i = 0; i < export->batches_n; i++)
		if (batch_is_of(export, &export->batches[i], lane))
			memory += export->batches[i].batch.size_bound;
	return memory;
}

/* More than a batch of any size may be held only alone, in its lane. */
bool export_memory_full(const struct export *export, const struct export_lane *lane,
			size_t more)
{
	size_t max = export->options.memory_max, held;

	if (!export_is_split(export))
		return export->memory && export->memory + more > max;
	held = lane_memory(export, lane);
	return held && (held + more > max / 2 || export->memory + more > max);
}

/* ---- whose turn it is -------------------------------------------------------------- */

static bool batch_sendable(const struct export_batch *batch, uint64_t now_ns)
{
	return batch->state == EXPORT_BATCH_WAITING && batch->due_ns <= now_ns;
}

/* Oldest first, so that the lane's done part advances. */
static struct export_batch *lane_next(struct export *export, const struct export_lane *lane,
				      uint64_t now_ns)
{
	struct export_batch *next = NULL;

	for (size_t i = 0; i < export->batches_n; i++) {
		struct export_batch *batch = &export->batches[i];

		if (batch_is_of(export, batch, lane) && batch_sendable(batch, now_ns) &&
		    (!next || batch->batch.first_number < next->batch.first_number))
			next = batch;
	}
	return next;
}

struct export_batch *export_batch_next(struct export *export, uint64_t now_ns)
{
	struct export_batch *live = lane_next(export, &export->live, now_ns);
	struct export_batch *backlog = NULL;

	if (export_is_split(export))
		backlog = lane_next(export, &export->backlog, now_ns);
	return live && !(backlog && export->live_was_last) ? live : backlog;
}

/* ---- apart and together -------------------------------------------------------------- */

static void split(struct export *export, uint64_t number)
{
	assert(!export_is_split(export) && number > 0 && number >= export->live.last_number);
	export->backlog = export->live;
	export->live = (struct export_lane){.last_number = number};
	export->split = number;
	export->live_was_last = false;
}

void export_split(struct export *export, uint64_t number)
{
	split(export, number);
	export->counters.splits++;
	export_join_if_over(export);
}

void export_resume_ahead(struct export *export, const struct export_ahead *ahead)
{
	const struct export_outcome *outcome = &ahead->outcome;

	split(export, ahead->after);
	export->live.last_number = ahead->number;
	export->live.settled = *outcome;
	export->counters.sent += outcome->sent;
	export->counters.rejected_partial += outcome->rejected_partial;
	export->counters.rejected_status += outcome->rejected_status;
	export->counters.dropped_too_large += outcome->dropped_too_large;
	export->counters.dropped_backlog += outcome->dropped_backlog;
	export->counters.dropped_lost += outcome->dropped_lost;
	export->counters.pushed += outcome->sent + outcome->rejected_partial +
				   outcome->rejected_status + outcome->dropped_too_large;
	export_join_if_over(export);
}

void export_backlog_over(struct export *export)
{
	struct export_outcome lost = {.dropped_lost =
					      export->split - export->backlog.last_number};

	assert(export_is_split(export));
	export->counters.dropped_lost += lost.dropped_lost;
	export_settle(export, export->split, &lost);
	export->backlog.last_number = export->split;
	export_join_if_over(export);
}

/* Only when its last answer is there: until then a cursor can say both. */
void export_join_if_over(struct export *export)
{
	if (!export_is_split(export) || lane_acked(export, &export->backlog) != export->split)
		return;
	export_outcome_add(&export->live.settled, &export->backlog.settled);
	export->backlog = (struct export_lane){0};
	export->split = 0;
}

/* ---- how far it is ---------------------------------------------------------------------- */

uint64_t export_acked(const struct export *export)
{
	return lane_acked(export, export_is_split(export) ? &export->backlog : &export->live);
}

const struct export_outcome *export_settled(const struct export *export)
{
	return export_is_split(export) ? &export->backlog.settled : &export->live.settled;
}

struct export_ahead export_ahead(const struct export *export)
{
	if (!export_is_split(export))
		return (struct export_ahead){0};
	return (struct export_ahead){
		.after = export->split,
		.number = lane_acked(export, &export->live),
		.outcome = export->live.settled,
	};
}
