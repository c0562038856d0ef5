#include "pipeline_ledger_view.h"

/* Open ones first, then those that were over last. */
#define RUNS_SHOWN 100

#define ROW(member, side, word, help) \
	COUNTER_ROW(archive_ledger_view, member, COUNTER_TOTAL, side, word, NULL, NULL, help)

static const struct counter rows[] = {
	ROW(finished, LEDGER_IN, NULL, "Spans the log was given."),
	ROW(kept, LEDGER_OUT, NULL, "In the archive's files, or once were."),
	ROW(waiting, LEDGER_OUT, NULL, "In the log, not yet in a file."),
	ROW(dropped_invalid, LEDGER_OUT, "invalid", "Could not be printed."),
	ROW(missing, LEDGER_OUT, NULL, "Not in the log any more: it was damaged."),
	ROW(uncounted, LEDGER_OUT, NULL, "Archived by an agent that kept no ledger."),
	ROW(dropped_filtered, LEDGER_NONE, "filtered afterwards", "Their run got no file."),
	ROW(dropped_lost, LEDGER_NONE, "lost afterwards", "Their file was damaged or removed."),
};

const struct counter_table archive_ledger_table = {rows, sizeof rows / sizeof rows[0]};

static void terms(struct json_writer *w, const struct counter_table *table,
		  const void *counters)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].key && table->rows[i].side != LEDGER_NONE)
			json_number(w, table->rows[i].key,
				    counter_value(&table->rows[i], counters));
}

static void refused_object(struct json_writer *w, const uint64_t *refused)
{
	json_open(w, "refused", '{');
	json_counters(w, &drain_refused_table, refused);
	json_close(w, '}');
}

static void export_array(struct json_writer *w, struct pipeline *p,
			 const struct pipeline_view *view)
{
	json_open(w, "export", '[');
	for (uint32_t i = 0; i < p->destination_count; i++) {
		json_open(w, NULL, '{');
		json_text(w, "name", bytes_of(p->destinations[i].name));
		terms(w, &destination_view_table, &view->destinations[i]);
		terms(w, &export_counter_table, &p->destinations[i].export.counters);
		json_close(w, '}');
	}
	json_close(w, ']');
}

static void archive_object(struct json_writer *w, struct pipeline *p)
{
	struct archive_ledger ledger;
	struct archive_ledger_view view;
	uint64_t number, last = wal_last_span_number(p->wal);

	if (!p->archive)
		return;
	archive_ledger(p->archive, &ledger, &number);
	view = (struct archive_ledger_view){
		.finished = last,
		.kept = ledger.kept,
		.waiting = last - number,
		.dropped_invalid = ledger.dropped_invalid,
		.missing = ledger.missing,
		.uncounted = ledger.uncounted,
		.dropped_filtered = ledger.dropped_filtered,
		.dropped_lost = ledger.dropped_lost,
	};
	json_open(w, "archive", '{');
	json_counters(w, &archive_ledger_table, &view);
	json_close(w, '}');
}

static void run_object(void *arg, const struct run_view *run)
{
	struct json_writer *w = arg;

	json_open(w, NULL, '{');
	json_hex(w, "trace_id", run->trace_id, 16);
	json_number(w, "started", run->ledger.started);
	json_number(w, "received", run->ledger.received);
	json_number(w, "found_again", run->ledger.found_again);
	json_number(w, "corrected", run->ledger.corrected);
	json_number(w, "finished", run->ledger.finished);
	json_number(w, "open", run->open);
	json_number(w, "dropped_invalid", run->ledger.dropped_invalid);
	json_number(w, "lost_in_log", run->ledger.lost_in_log);
	json_number(w, "archived", run->ledger.archived);
	json_number(w, "dropped_starts", run->ledger.dropped_starts);
	json_number(w, "dropped_records", run->ledger.dropped_records);
	json_number(w, "dropped_archive", run->ledger.dropped_archive);
	json_truth(w, "over", run->over);
	json_truth(w, "complete", run->complete);
	json_close(w, '}');
}

void pipeline_ledger_json(struct json_writer *w, struct pipeline *p,
			  const struct pipeline_view *view)
{
	json_open(w, "ledger", '{');
	json_number(w, "began_unix_nano", p->ledger.began_wall_ns);
	json_number(w, "agent_starts", p->ledger.starts);
	json_open(w, "records", '{');
	terms(w, &drain_ring_counter_table, &view->rings);
	json_close(w, '}');
	refused_object(w, view->rings.refused);
	json_open(w, "spans", '{');
	terms(w, &assemble_span_table, assemble_counters(p->assemble));
	json_close(w, '}');
	export_array(w, p, view);
	archive_object(w, p);
	json_open(w, "runs", '[');
	assemble_each_run(p->assemble, RUNS_SHOWN, run_object, w);
	json_close(w, ']');
	json_close(w, '}');
}
