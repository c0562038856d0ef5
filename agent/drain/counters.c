/* What the drain counts, by name, and in sum. */
#include "drain/stage.h"

#define ROW(member, kind, metric, help) \
	COUNTER_ROW(drain_counters, member, kind, LEDGER_NONE, NULL, metric, NULL, help)

static const struct counter drain_rows[] = {
	ROW(rings_seen, COUNTER_TOTAL, "spanring_rings_seen", "Rings taken up."),
	ROW(rings_dead, COUNTER_TOTAL, "spanring_rings_dead",
	    "Rings whose process is gone and that are read to their end."),
	ROW(rings_quarantined, COUNTER_TOTAL, "spanring_rings_quarantined",
	    "Rings that broke the rules and are not read any more."),
	ROW(rings_ignored, COUNTER_TOTAL, "spanring_ring_dir_ignored_files",
	    "Names in the ring directory that are no rings."),
	ROW(rings_refused, COUNTER_TOTAL, "spanring_rings_refused",
	    "Looks at rings that wait, because all or their user have too many."),
	ROW(turns_cut, COUNTER_TOTAL, "spanring_ring_turns_cut",
	    "Turns that ended before all of a ring was read, so that others had theirs."),
	ROW(junk_names, COUNTER_NOW, "spanring_ring_dir_junk_names",
	    "Names in the ring directory that are not ours."),
	ROW(rings_unreadable, COUNTER_NOW, "spanring_rings_unreadable",
	    "Files under a ring's name that this version cannot read. They stay."),
	ROW(blocks_returned, COUNTER_TOTAL, "spanring_ring_blocks_returned",
	    "Blocks given back to their process."),
	ROW(bytes, COUNTER_TOTAL, "spanring_drained_bytes", "Bytes of records drained."),
};

const struct counter_table drain_counter_table = {drain_rows,
						  sizeof drain_rows / sizeof drain_rows[0]};

#undef ROW
#define ROW(member, kind, side, word, metric, label, help) \
	COUNTER_ROW(drain_ring_counters, member, kind, side, word, metric, label, help)
#define DROPPED(reason, word)                                          \
	ROW(dropped_##reason, COUNTER_TOTAL, LEDGER_OUT, word,         \
	    "spanring_ring_records_dropped", "reason=\"" #reason "\"", \
	    "Records in rings that were not handed on, by reason.")

static const struct counter ring_rows[] = {
	ROW(written, COUNTER_TOTAL, LEDGER_IN, NULL, "spanring_ring_records_written", NULL,
	    "Records that processes wrote, by their own numbers."),
	ROW(drained, COUNTER_TOTAL, LEDGER_OUT, NULL, "spanring_ring_records_drained", NULL,
	    "Records handed on to the log."),
	ROW(held, COUNTER_NOW, LEDGER_OUT, NULL, "spanring_ring_records_held", NULL,
	    "Pieces of values that wait in a ring for the rest."),
	DROPPED(abandoned, "abandoned"),
	DROPPED(damaged, "damaged"),
	DROPPED(too_large, "too large"),
	ROW(bytes, COUNTER_TOTAL, LEDGER_NONE, NULL, NULL, NULL, "Bytes drained."),
};

const struct counter_table drain_ring_counter_table = {ring_rows,
						       sizeof ring_rows / sizeof ring_rows[0]};

/* The array has no members to name: a row's key is its reason. */
#define REFUSED(which, reason)                                               \
	COUNTER_SLOT(reason, which, COUNTER_TOTAL, "spanring_calls_refused", \
		     "reason=\"" reason "\"",                                \
		     "Calls the client refused and counted, by reason.")

static const struct counter refused_rows[] = {
	REFUSED(WIRE_REFUSED_RING_FULL, "ring_full"),
	REFUSED(WIRE_REFUSED_TOO_LARGE, "too_large"),
	REFUSED(WIRE_REFUSED_NO_MEMORY, "no_memory"),
	REFUSED(WIRE_REFUSED_REENTRANT, "reentrant"),
	REFUSED(WIRE_REFUSED_INHERITED, "inherited"),
	REFUSED(WIRE_REFUSED_INVALID, "invalid"),
	REFUSED(WIRE_REFUSED_LIMIT, "limit"),
	REFUSED(WIRE_REFUSED_END_LOST, "end_lost"),
};
_Static_assert(sizeof refused_rows / sizeof refused_rows[0] == WIRE_REFUSED_COUNT,
	       "every refusal has a name");

const struct counter_table drain_refused_table = {refused_rows, WIRE_REFUSED_COUNT};

/* ---- asking ----------------------------------------------------------------- */

uint32_t drain_ring_count(const struct drain *drain)
{
	return drain->ring_count;
}

bool drain_ring(const struct drain *drain, uint32_t index, struct ring_identity *ret_identity,
		struct drain_ring_counters *ret_counters, bool *ret_alive)
{
	const struct ring *ring = stage_ring_at(drain, index);

	if (!ring || !ring->seen_told || ring->phase == RING_STUCK)
		return false;
	*ret_identity = ring->identity;
	*ret_counters = ring->counters;
	ret_counters->written = ring_written(ring);
	ret_counters->held = ring_held(ring);
	*ret_alive = !ring->lock_free;
	if (ring->map.live)
		ring_refused(ring, ret_counters->refused);
	return true;
}

const struct drain_counters *drain_counters(const struct drain *drain)
{
	return &drain->counters;
}

static void add_rows(const struct counter_table *table, void *to, const void *from)
{
	for (size_t i = 0; i < table->count; i++)
		*(uint64_t *)((char *)to + table->rows[i].offset) +=
			counter_value(&table->rows[i], from);
}

void drain_ring_totals(const struct drain *drain, struct drain_ring_counters *ret_totals)
{
	struct drain_ring_counters counters;
	struct ring_identity identity;
	bool alive;

	*ret_totals = drain->gone;
	for (uint32_t i = 0; i < drain->ring_count; i++) {
		if (!drain_ring(drain, i, &identity, &counters, &alive) ||
		    drain->rings[i]->counted)
			continue;
		add_rows(&drain_ring_counter_table, ret_totals, &counters);
		add_rows(&drain_refused_table, ret_totals->refused, counters.refused);
	}
}

uint64_t drain_behind_since_ns(const struct drain *drain)
{
	uint64_t since_ns = 0;

	for (uint32_t i = 0; i < drain->ring_count; i++) {
		const struct ring *ring = drain->rings[i];

		if (!ring || ring->quarantined || ring->behind_since_ns == 0 ||
		    (ring->phase != RING_FOUND && ring->phase != RING_LIVE))
			continue;
		if (since_ns == 0 || ring->behind_since_ns < since_ns)
			since_ns = ring->behind_since_ns;
	}
	return since_ns;
}

/* ---- closed rings ------------------------------------------------------------- */

static struct drain_ledger ledger_of(const struct drain_ring_counters *counters)
{
	struct drain_ledger ledger = {
		.written = counters->written,
		.drained = counters->drained,
		.dropped_abandoned = counters->dropped_abandoned,
		.dropped_damaged = counters->dropped_damaged,
		.dropped_too_large = counters->dropped_too_large,
		.bytes = counters->bytes,
	};

	memcpy(ledger.refused, counters->refused, sizeof ledger.refused);
	return ledger;
}

static struct drain_ring_counters counters_of(const struct drain_ledger *ledger)
{
	struct drain_ring_counters counters = {
		.written = ledger->written,
		.drained = ledger->drained,
		.dropped_abandoned = ledger->dropped_abandoned,
		.dropped_damaged = ledger->dropped_damaged,
		.dropped_too_large = ledger->dropped_too_large,
		.bytes = ledger->bytes,
	};

	memcpy(counters.refused, ledger->refused, sizeof counters.refused);
	return counters;
}

static void add_gone(struct drain *drain, const struct drain_ring_counters *counters)
{
	add_rows(&drain_ring_counter_table, &drain->gone, counters);
	add_rows(&drain_refused_table, drain->gone.refused, counters->refused);
}

void drain_close_state(const struct drain *drain, uint32_t ring,
		       struct drain_ledger *ret_counts)
{
	struct drain_ring_counters counters = {0};
	struct ring_identity identity;
	bool alive;

	(void)drain_ring(drain, ring, &identity, &counters, &alive); /* else: zeros */
	*ret_counts = ledger_of(&counters);
}

void drain_closed(struct drain *drain, uint32_t index)
{
	struct drain_ring_counters counters;
	struct ring_identity identity;
	bool alive;

	if (!drain_ring(drain, index, &identity, &counters, &alive) ||
	    drain->rings[index]->counted)
		return;
	add_gone(drain, &counters);
	drain->rings[index]->counted = true;
}

void drain_ledger(const struct drain *drain, struct drain_ledger *ret_ledger)
{
	*ret_ledger = ledger_of(&drain->gone);
}

static struct drain_ledger ledger_read(struct bytes payload)
{
	struct drain_ledger ledger = {0};

	if (payload.len)
		memcpy(&ledger, payload.at,
		       payload.len < sizeof ledger ? payload.len : sizeof ledger);
	return ledger;
}

void drain_recover_ledger(struct drain *drain, struct bytes payload)
{
	struct drain_ledger ledger = ledger_read(payload);

	drain->gone = counters_of(&ledger);
}

void stage_recover_counts(struct drain *drain, struct ring *ring, struct bytes payload)
{
	struct drain_ledger ledger = ledger_read(payload);
	struct drain_ring_counters counters = counters_of(&ledger);

	if (ring->counted)
		return;
	ring->counted = true;
	if (payload.len == 0) {
		counters = ring->counters;
		counters.written = ring_written(ring);
	}
	add_gone(drain, &counters);
}
