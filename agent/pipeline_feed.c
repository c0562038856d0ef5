/* From the log to those who read it: destinations and archive; their cursors;
 * and keeping the log small behind them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "pipeline.h"

/* How many spans the archive gets in one turn, so that the drain's turn comes. */
#define FEED_SPANS_MAX 4096
/* The first marks come quickly: an agent that dies again and again within a
 * second still gets on, instead of sending the same spans in each life. */
#define CURSOR_INTERVAL_FIRST_NS UINT64_C(20000000)
#define CURSOR_INTERVAL_NS UINT64_C(1000000000)
/* Cleaning re-appends what is open; below this the log is small enough. */
#define CLEAN_ABOVE_BYTES (UINT64_C(4) * WAL_SEGMENT_BYTES)

/* Cleared when every reader has got on. */
void pipeline_reader_failed(struct pipeline *p, const char *who, int error)
{
	condition_raise(&p->conditions, CONDITION_LOG_READ_FAILING,
			"the log in %s cannot be read for %s: %s; trying again: %s",
			p->options->state_dir, who, strerror(-error), condition_remedy(error));
	p->read_failed = true;
}

static int feed_archive(struct pipeline *p)
{
	int fed = 0, r;

	p->archive_behind = true;
	while (fed < FEED_SPANS_MAX) {
		if (!p->archive_has_waiting) {
			r = wal_reader_next(p->archive_reader, &p->archive_waiting);
			if (r < 0)
				pipeline_reader_failed(p, "the archive", r);
			p->archive_behind = r != 0 || wal_reader_holds(p->archive_reader);
			if (r <= 0)
				break;
			p->archive_has_waiting = true;
			p->archive_waiting_redacted = false;
			p->archive_dropped_log +=
				p->archive_waiting.number - p->archive_read_number - 1;
			p->archive_read_number = p->archive_waiting.number;
		}
		if (!p->archive_waiting_redacted &&
		    redact_for_sink(&p->redact, &p->archive_redact, &p->archive_waiting) < 0)
			break;
		p->archive_waiting_redacted = true;
		if (archive_push(p->archive, &p->archive_waiting) < 0)
			break;
		p->archive_has_waiting = false;
		fed++;
	}
	return fed;
}

static void again_done(struct pipeline *p)
{
	wal_reader_free(p->again_reader);
	p->again_reader = NULL;
	archive_again_done(p->archive);
}

/* What damaged spools of the archive lost, from what the log still has of it. */
static int feed_again(struct pipeline *p)
{
	struct finished_span span;
	int fed = 0, r = 1;

	if (!p->again_reader) {
		if (!archive_wants_again(p->archive) ||
		    wal_reader_new(&p->again_reader, p->wal, 0) < 0)
			return 0;
		archive_again_begin(p->archive);
		p->again_until = archive_last_number(p->archive);
	}
	for (; fed < FEED_SPANS_MAX; fed++) {
		r = wal_reader_next(p->again_reader, &span);
		if (r <= 0 || span.number > p->again_until)
			break;
		/* Without memory it stays lost, and counted as that. */
		if (redact_for_sink(&p->redact, &p->archive_redact, &span) == 0)
			archive_again(p->archive, &span);
	}
	if (r < 0)
		return fed; /* it gives up a segment by itself, after a while */
	if (fed < FEED_SPANS_MAX)
		again_done(p);
	return fed + 1;
}

int pipeline_feed(struct pipeline *p)
{
	int work = 0;

	p->read_failed = false;
	for (uint32_t i = 0; i < p->destination_count; i++)
		work += destination_feed(p, &p->destinations[i]);
	if (p->archive)
		work += feed_again(p) + feed_archive(p);
	if (!p->read_failed)
		condition_clear(&p->conditions, CONDITION_LOG_READ_FAILING);
	return work;
}

/* ---- cursors --------------------------------------------------------------- */

/* The name itself, cut to the key's size: names are ours and short. */
void destination_key(const struct destination *destination, uint8_t ret_key[16])
{
	memset(ret_key, 0, 16);
	memcpy(ret_key, destination->name, strnlen(destination->name, 16));
}

static int mark_cursor(struct pipeline *p, struct destination *destination, uint64_t done)
{
	uint8_t key[16];
	struct bytes payload = {(const uint8_t *)&done, sizeof done};
	struct wal_location location;
	uint64_t sequence, segment;
	int r;

	/* In front, because it holds the number, too: whichever of the two is
	 * the last that a kill leaves, they say the same. */
	r = pipeline_mark_destination(p, destination, done, &segment);
	if (r < 0)
		return r;
	destination_key(destination, key);
	r = pipeline_add_keyed(p, WAL_CURSOR, key, NULL, payload, &sequence, &location);
	if (r < 0)
		return r;
	destination->marked_number = done;
	destination->marked_ahead = destination_ahead(destination).number;
	destination->cursor_segment = segment;
	return 0;
}

void pipeline_mark_cursors(struct pipeline *p, uint64_t now_ns)
{
	if (now_ns < p->cursor_due_ns)
		return;
	if (p->cursor_interval_ns < CURSOR_INTERVAL_NS)
		p->cursor_interval_ns = p->cursor_interval_ns ? 2 * p->cursor_interval_ns
							      : CURSOR_INTERVAL_FIRST_NS;
	p->cursor_due_ns = now_ns == UINT64_MAX ? 0 : now_ns + p->cursor_interval_ns;
	(void)pipeline_mark_ledgers(p, false); /* a full log is asked again next time */
	for (uint32_t i = 0; i < p->destination_count; i++) {
		struct destination *destination = &p->destinations[i];
		uint64_t done = destination_done(destination);

		if (done != destination->marked_number ||
		    destination_ahead(destination).number != destination->marked_ahead)
			(void)mark_cursor(p, destination, done);
	}
}

/* ---- cleaning ---------------------------------------------------------------- */

static bool everybody_passed(const struct pipeline *p, uint64_t number)
{
	for (uint32_t i = 0; i < p->destination_count; i++)
		if (p->destinations[i].marked_number < number)
			return false;
	return !p->archive || archive_mark(p->archive) >= number;
}

static int carry_cursors(struct pipeline *p, uint64_t segment)
{
	int r;

	for (uint32_t i = 0; i < p->destination_count; i++) {
		struct destination *destination = &p->destinations[i];

		if (destination->cursor_segment > segment ||
		    (destination->marked_number == 0 && destination->marked_ahead == 0))
			continue;
		r = mark_cursor(p, destination, destination_done(destination));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Over the cap the oldest segment's spans are given up for the destinations
 * that did not take them, if the archive has them. */
static void give_up_backlog(struct pipeline *p, const struct wal_oldest *oldest)
{
	if (p->archive && archive_mark(p->archive) < oldest->last_span_number)
		return;
	for (uint32_t i = 0; i < p->destination_count; i++) {
		struct destination *destination = &p->destinations[i];
		uint64_t last = oldest->last_span_number;

		if (destination_done(destination) >= last)
			continue;
		if (destination_give_up(p, destination, last) < 0)
			continue;
		destination->skipped_number = last;
		/* At once: the segment goes only when the log says so. */
		(void)mark_cursor(p, destination, destination_done(destination));
	}
}

/* On a small disk the log is small, and is cleaned accordingly early. What is
 * open is appended again by cleaning: a log that holds little else would be
 * written round and round without getting smaller. */
static uint64_t clean_above(const struct pipeline *p, uint64_t open_bytes)
{
	uint64_t half = wal_max_bytes(p->wal) / 2;
	uint64_t open = 2 * open_bytes;
	uint64_t least = half < CLEAN_ABOVE_BYTES ? half : CLEAN_ABOVE_BYTES;

	return open > least ? open : least;
}

static bool somebody_is_behind(const struct pipeline *p)
{
	for (uint32_t i = 0; i < p->destination_count; i++)
		if (destination_done(&p->destinations[i]) < wal_last_span_number(p->wal))
			return true;
	return false;
}

/* Why the log is over its size, and what is given up for it. */
static void say_over_size(struct pipeline *p, const struct wal_oldest *oldest)
{
	unsigned long long bytes_mib = wal_bytes(p->wal) >> 20;
	unsigned long long max_mib = wal_max_bytes(p->wal) >> 20;
	const char *why = "what is open takes more: rings may refuse when full until spans end";

	if (p->archive && archive_mark(p->archive) < oldest->last_span_number)
		why = "runs wait for the archive: nothing is given up, rings are drained no "
		      "longer a quarter above it, and full ones refuse and count";
	else if (somebody_is_behind(p))
		why = p->archive
			      ? "the oldest spans the collector has not taken are given up and "
				"counted (dropped_backlog); they are in the archive"
			      : "the oldest spans the collector has not taken are given up and "
				"counted (dropped_backlog)";
	condition_raise(&p->conditions, CONDITION_LOG_OVER_SIZE,
			"the log takes %llu MiB of %llu MiB; %s: bring the collector or the "
			"archive's disk back, or raise wal.max_size",
			bytes_mib, max_mib, why);
}

/* Not at the first byte below: giving up goes by segments. */
static void judge_size(struct pipeline *p, const struct wal_oldest *oldest)
{
	uint64_t bytes = wal_bytes(p->wal), max = wal_max_bytes(p->wal);

	if (bytes > max)
		say_over_size(p, oldest);
	else if (bytes < max - max / 4)
		condition_clear(&p->conditions, CONDITION_LOG_OVER_SIZE);
}

void pipeline_keep_log_small(struct pipeline *p)
{
	const struct assemble_counters *counters = assemble_counters(p->assemble);
	uint64_t open_bytes = counters->memory_bytes + counters->spilled_bytes;
	struct wal_oldest oldest = wal_oldest(p->wal);
	uint64_t max = wal_max_bytes(p->wal);

	wal_set_open_bytes(p->wal, open_bytes);
	judge_size(p, &oldest);
	/* What is released already goes first: it waits for a sync. */
	if (wal_bytes_released(p->wal) > max / 4)
		return;
	if (oldest.active || wal_bytes(p->wal) < clean_above(p, open_bytes) ||
	    oldest.segment == p->released_segment)
		return;
	if (!everybody_passed(p, oldest.last_span_number)) {
		if (wal_bytes(p->wal) > max)
			give_up_backlog(p, &oldest);
		return;
	}
	if (drain_carry(p->drain, oldest.segment) < 0 ||
	    assemble_carry(p->assemble, oldest.segment) < 0 ||
	    carry_cursors(p, oldest.segment) < 0)
		return;
	if (p->archive && archive_carry(p->archive, oldest.segment) < 0)
		return;
	if (pipeline_mark_ledgers(p, true) < 0)
		return;
	if (wal_commit(p->wal) < 0)
		return;
	wal_release(p->wal, oldest.segment);
	p->released_segment = oldest.segment;
}
