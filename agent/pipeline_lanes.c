/* From the log to one destination: a reader for each lane of its exporter, and when
 * there are two (export/lanes.c). */
#include <stdlib.h>

#include "pipeline.h"

/* How many spans a lane gets in one turn, so that the drain's turn comes. */
#define FEED_SPANS_MAX 4096
/* Less than this is sent in a moment, whatever its age. */
#define FAR_BATCHES 8
/* A destination takes spans if it took some that lately, and nothing failed since. One that is
 * away gets no live lane: what comes meanwhile would be before all that comes when it is back.
 */
#define TAKING_NS UINT64_C(1000000000)

/* ---- a lane ---------------------------------------------------------------------- */

static int lane_open(struct pipeline *p, struct lane *lane, uint64_t after)
{
	struct wal_reader *reader;
	int r = wal_reader_new(&reader, p->wal, after);

	if (r < 0)
		return r;
	wal_reader_free(lane->reader);
	lane->reader = reader;
	lane->has_waiting = false;
	lane->pushed_number = after;
	return 0;
}

static void lane_close(struct lane *lane)
{
	wal_reader_free(lane->reader);
	redact_sink_fini(&lane->redact);
	*lane = (struct lane){.reader = NULL};
}

/* 1 it has a span, 0 none yet, or it has ended. */
static int lane_read(struct pipeline *p, struct destination *destination, struct lane *lane)
{
	int r;

	if (!lane->reader)
		return 0;
	if (lane->has_waiting)
		return 1;
	r = wal_reader_next(lane->reader, &lane->waiting);
	if (r < 0)
		pipeline_reader_failed(p, destination->name, r);
	if (r <= 0)
		return 0;
	if (lane->waiting.number > lane->until) {
		export_backlog_over(&destination->export);
		lane_close(lane);
		return 0;
	}
	lane->has_waiting = true;
	lane->waiting_redacted = false;
	return 1;
}

static int lane_feed(struct pipeline *p, struct destination *destination, struct lane *lane)
{
	int fed = 0;

	while (fed < FEED_SPANS_MAX && lane_read(p, destination, lane) > 0) {
		if (!lane->waiting_redacted &&
		    redact_for_sink(&p->redact, &lane->redact, &lane->waiting) < 0)
			break;
		lane->waiting_redacted = true;
		if (export_push(&destination->export, &lane->waiting) < 0)
			break;
		lane->pushed_number = lane->waiting.number;
		lane->has_waiting = false;
		fed++;
		if (lane->pushed_number == lane->until)
			lane_close(lane);
	}
	return fed;
}

static int lane_give_up(struct pipeline *p, struct destination *destination, struct lane *lane,
			uint64_t number)
{
	int r;

	if (!lane->reader || lane->pushed_number >= number)
		return 0;
	/* Not where all of it was lost before: that is counted already. */
	if (lane->has_waiting && lane->waiting.number > number)
		return 0;
	r = lane_open(p, lane, number);
	if (r < 0)
		return r;
	export_give_up(&destination->export, number);
	if (number == lane->until)
		lane_close(lane);
	return 0;
}

/* ---- both ---------------------------------------------------------------------------- */

static bool is_far_behind(const struct pipeline *p, const struct destination *destination)
{
	const struct export *export = &destination->export;
	uint64_t unpushed = wal_last_span_number(p->wal) - destination->live.pushed_number;

	return unpushed > FAR_BATCHES * export->options.batch_spans_max &&
	       pipeline_age_behind(p, destination_done(destination)) >= p->far_ns;
}

static bool takes_spans(const struct pipeline *p, const struct destination *destination)
{
	const struct export *export = &destination->export;

	return export->failures == 0 && export->accepted_ns > 0 &&
	       p->env->ops->mono_ns(p->env) - export->accepted_ns < TAKING_NS;
}

/* The backlog goes on with the reader and what it has read. Without memory all stays
 * as it is until the next turn. */
static void split_if_far_behind(struct pipeline *p, struct destination *destination)
{
	struct lane live = {.redact = {.rules = destination->live.redact.rules},
			    .until = UINT64_MAX};
	uint64_t last = wal_last_span_number(p->wal);

	if (destination->backlog.reader || export_is_split(&destination->export) ||
	    !takes_spans(p, destination) || !is_far_behind(p, destination) ||
	    lane_open(p, &live, last) < 0)
		return;
	destination->backlog = destination->live;
	destination->backlog.until = last;
	destination->live = live;
	export_split(&destination->export, last);
}

int destination_feed(struct pipeline *p, struct destination *destination)
{
	int fed;

	split_if_far_behind(p, destination);
	fed = lane_feed(p, destination, &destination->live);
	return fed + lane_feed(p, destination, &destination->backlog);
}

int destination_give_up(struct pipeline *p, struct destination *destination, uint64_t number)
{
	struct lane *backlog = &destination->backlog;
	uint64_t split = destination->export.split; /* 0: the one lane has them all */
	int r;

	r = lane_give_up(p, destination, backlog,
			 number < backlog->until ? number : backlog->until);
	if (r < 0 || number <= split)
		return r;
	return lane_give_up(p, destination, &destination->live, number);
}

int destination_start_lanes(struct pipeline *p, struct destination *destination)
{
	const struct destination_ledger *ledger = &destination->ledger;
	struct lane *live = &destination->live, *backlog = &destination->backlog;
	int r;

	live->until = UINT64_MAX;
	if (!export_is_split(&destination->export))
		return lane_open(p, live, ledger->number);
	backlog->redact.rules = live->redact.rules;
	backlog->until = ledger->ahead_after;
	r = lane_open(p, backlog, ledger->number);
	return r < 0 ? r : lane_open(p, live, ledger->ahead_number);
}

void destination_free_lanes(struct destination *destination)
{
	lane_close(&destination->live);
	lane_close(&destination->backlog);
}

/* ---- how far it is ----------------------------------------------------------------------- */

static uint64_t done_in_order(const struct destination *destination)
{
	uint64_t acked = export_acked(&destination->export);

	return acked > destination->skipped_number ? acked : destination->skipped_number;
}

/* What was given up may reach what was sent ahead: then that is in order, too. */
uint64_t destination_done(const struct destination *destination)
{
	struct export_ahead ahead = export_ahead(&destination->export);
	uint64_t done = done_in_order(destination);

	return ahead.after && done >= ahead.after && ahead.number > done ? ahead.number : done;
}

struct export_ahead destination_ahead(const struct destination *destination)
{
	struct export_ahead ahead = export_ahead(&destination->export);

	return done_in_order(destination) < ahead.after ? ahead : (struct export_ahead){0};
}

uint64_t destination_unsent(const struct destination *destination, uint64_t last)
{
	struct export_ahead ahead = destination_ahead(destination);

	return last - destination_done(destination) - (ahead.number - ahead.after);
}

uint64_t destination_unpushed(const struct destination *destination, uint64_t last)
{
	const struct lane *backlog = &destination->backlog;
	uint64_t unpushed = last - destination->live.pushed_number;

	return backlog->reader ? unpushed + backlog->until - backlog->pushed_number : unpushed;
}
