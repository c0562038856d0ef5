/* What assembly counted since the log began: written into the log, and taken
 * from there by the next life. */
#include "assemble/stage.h"

void assemble_ledger(const struct assemble *a, struct assemble_ledger *ret_ledger)
{
	const struct assemble_counters *counters = &a->counters;

	*ret_ledger = (struct assemble_ledger){
		.records = counters->records,
		.applied = counters->applied,
		.parked = counters->parked,
		.dropped_late = counters->dropped_late,
		.dropped_unknown_type = counters->dropped_unknown_type,
		.dropped_damaged = counters->dropped_damaged,
		.dropped_limit = counters->dropped_limit,
		.dropped_duplicate_start = counters->dropped_duplicate_start,
		.started = counters->started,
		.received = counters->received,
		.finished = counters->finished,
		.dropped_invalid = counters->dropped_invalid,
		.found_again = counters->found_again,
		.lost_in_log = counters->lost_in_log,
		.closed_by_death = counters->closed_by_death,
		.end_lost = counters->end_lost,
		.stale = counters->stale,
		.corrected = counters->corrected,
		.after_stale = counters->after_stale,
		.dropped_no_memory = counters->dropped_no_memory,
	};
}

/* Records that wait for their START are counted by the ledger, and by nobody
 * else: what becomes of them does not matter any more. */
static void forget_parked_counts(struct assemble *a)
{
	struct list *node;

	for (node = a->places.next; node != &a->places; node = node->next) {
		struct open_span *span = list_entry(node, struct open_span, places);

		if (span->flags & SPAN_STARTED)
			continue;
		span->source->parked_records -= span->parked;
		span->parked = 0;
	}
	a->counters.parked = 0;
}

void assemble_recover_ledger(struct assemble *a, struct bytes payload)
{
	struct assemble_counters *counters = &a->counters;
	struct assemble_ledger ledger = {0};

	memcpy(&ledger, payload.at, payload.len < sizeof ledger ? payload.len : sizeof ledger);
	forget_parked_counts(a);
	counters->records = ledger.records;
	counters->applied = ledger.applied;
	counters->dropped_late = ledger.dropped_late + ledger.parked;
	counters->dropped_unknown_type = ledger.dropped_unknown_type;
	counters->dropped_damaged = ledger.dropped_damaged;
	counters->dropped_limit = ledger.dropped_limit;
	counters->dropped_duplicate_start = ledger.dropped_duplicate_start;
	counters->started = ledger.started;
	counters->received = ledger.received;
	counters->finished = ledger.finished;
	counters->dropped_invalid = ledger.dropped_invalid;
	counters->found_again = ledger.found_again;
	counters->lost_in_log = ledger.lost_in_log;
	counters->closed_by_death = ledger.closed_by_death;
	counters->end_lost = ledger.end_lost;
	counters->stale = ledger.stale;
	counters->corrected = ledger.corrected;
	counters->after_stale = ledger.after_stale;
	counters->dropped_no_memory = ledger.dropped_no_memory;
	a->counted = true;
}

void assemble_recovered(struct assemble *a)
{
	struct assemble_counters *counters = &a->counters;
	int64_t gap = (int64_t)(counters->open + counters->finished +
				counters->dropped_invalid + counters->lost_in_log) -
		      (int64_t)(counters->started + counters->received + counters->found_again +
				counters->corrected);

	a->recovering = false;
	if (gap > 0)
		counters->found_again += (uint64_t)gap;
	else
		counters->lost_in_log += (uint64_t)-gap;
	trace_run_table_recovered(&a->runs);
}

int assemble_run_archived(struct assemble *a, const uint8_t trace_id[16], uint64_t spans)
{
	struct trace_run *run = trace_run_find(&a->runs, trace_id);

	return run ? trace_run_archived(&a->runs, run, spans) : 0;
}

void assemble_run_dropped(struct assemble *a, const uint8_t trace_id[16], uint64_t spans)
{
	struct trace_run *run = trace_run_find(&a->runs, trace_id);

	if (!run || !spans)
		return;
	run->ledger.dropped_archive += spans;
	trace_run_changed(&a->runs, run);
}

bool assemble_run_losses(const struct assemble *a, const uint8_t trace_id[16],
			 struct run_losses *ret_losses)
{
	const struct trace_run *run = trace_run_find(&a->runs, trace_id);
	const struct run_ledger *ledger;

	if (!run)
		return false;
	ledger = &run->ledger;
	*ret_losses = (struct run_losses){
		.spans = ledger->dropped_invalid + ledger->lost_in_log +
			 ledger->dropped_starts + ledger->dropped_archive,
		.records = ledger->dropped_records,
	};
	return true;
}

void assemble_process(const struct assemble *a, const uint8_t trace_id[16],
		      const struct process_key *key, struct process_view *ret_view)
{
	const struct trace_run *run = trace_run_find(&a->runs, trace_id);

	process_look(&a->processes, key, run ? run->begun_mono_ns : 0, ret_view);
}

void assemble_each_run(const struct assemble *a, uint32_t max,
		       void (*each)(void *arg, const struct run_view *view), void *arg)
{
	trace_run_table_each(&a->runs, max, each, arg);
}
