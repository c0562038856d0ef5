#include "pipeline_view.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define LOG_ROW(member, kind, metric, help) \
	COUNTER_ROW(log_view, member, kind, LEDGER_NONE, NULL, metric, NULL, help)

static const struct counter log_rows[] = {
	LOG_ROW(bytes, COUNTER_NOW, "spanring_log_size_bytes", "Bytes the log takes."),
	LOG_ROW(bytes_max, COUNTER_NOW, "spanring_log_max_size_bytes",
		"Bytes the log may take: wal.max_size, at most half of the disk."),
	LOG_ROW(bytes_on_disk, COUNTER_NOW, "spanring_log_disk_bytes",
		"Bytes of its files, with what is allocated and what waits to be removed."),
	LOG_ROW(bytes_released, COUNTER_NOW, "spanring_log_released_bytes",
		"Bytes of segments that are removed after the next sync."),
	LOG_ROW(last_span_number, COUNTER_TOTAL, "spanring_log_spans",
		"Spans ever put into this log, by earlier agents too."),
	LOG_ROW(failing, COUNTER_TRUTH, "spanring_log_failing",
		"1 while the log cannot be written."),
};

const struct counter_table log_view_table = {log_rows, sizeof log_rows / sizeof log_rows[0]};

#define AGE_ROW(member, word, metric, help) \
	COUNTER_ROW(age_view, member, COUNTER_AGE, LEDGER_NONE, word, metric, NULL, help)

static const struct counter age_rows[] = {
	AGE_ROW(undrained_ns, "undrained", "spanring_oldest_undrained",
		"Since when a ring has something that is not drained."),
	AGE_ROW(unlogged_ns, "unlogged", "spanring_oldest_unlogged",
		"Since when drained records are in memory alone."),
	AGE_ROW(unsynced_ns, "unsynced", "spanring_oldest_unsynced",
		"Since when the log has frames that a power loss would take."),
	AGE_ROW(unarchived_ns, "unarchived", "spanring_oldest_unarchived",
		"Age of the oldest finished span that is in no synced archive file."),
	AGE_ROW(last_sync_ns, "last sync", "spanring_last_sync_age",
		"Since the log was last synced."),
	AGE_ROW(last_turn_ns, "last turn", "spanring_last_turn_age",
		"Since the agent's loop last went round."),
};

const struct counter_table age_view_table = {age_rows, sizeof age_rows / sizeof age_rows[0]};

#define TO_ROW(member, kind, side, word, metric, label, help) \
	COUNTER_ROW(destination_view, member, kind, side, word, metric, label, help)
#define TO_ALIAS(member, kind, metric, help) \
	COUNTER_ALIAS(destination_view, member, kind, metric, NULL, help)

static const struct counter destination_rows[] = {
	TO_ROW(finished, COUNTER_TOTAL, LEDGER_IN, NULL, "spanring_export_finished_spans", NULL,
	       "Spans this destination is to get, since the log began."),
	TO_ROW(waiting, COUNTER_NOW, LEDGER_OUT, NULL, "spanring_export_waiting_spans", NULL,
	       "Spans in the log or in a batch, for this destination."),
	TO_ROW(uncounted, COUNTER_TOTAL, LEDGER_OUT, NULL, "spanring_export_uncounted_spans",
	       NULL, "Spans an older agent was done with, which kept no ledger."),
	TO_ROW(unsent, COUNTER_NOW, LEDGER_NONE, NULL, "spanring_export_unsent_spans", NULL,
	       "Spans that the log does not know to be done with."),
	TO_ROW(oldest_unsent_ns, COUNTER_AGE, LEDGER_NONE, "oldest unsent",
	       "spanring_export_oldest_unsent", NULL,
	       "Age of the oldest span that this destination has not taken."),
	TO_ROW(oldest_live_ns, COUNTER_AGE, LEDGER_NONE, "oldest live",
	       "spanring_export_oldest_live", NULL,
	       "The same, leaving out a backlog beside which live spans are sent."),
	TO_ROW(backlog, COUNTER_NOW, LEDGER_NONE, NULL, "spanring_export_backlog_spans", NULL,
	       "Of the unsent, those beside which live spans are sent; 0: all go in order."),
	TO_ROW(rejected, COUNTER_TOTAL, LEDGER_NONE, NULL, NULL, NULL, "All that were."),
	TO_ROW(connected, COUNTER_TRUTH, LEDGER_NONE, NULL, "spanring_export_connected", NULL,
	       "1 while the collector is connected."),
	TO_ROW(in_flight, COUNTER_NOW, LEDGER_NONE, "in flight",
	       "otelcol_exporter_in_flight_requests", NULL,
	       "Requests without an answer, as the OpenTelemetry Collector names them."),
	TO_ROW(streams, COUNTER_NOW, LEDGER_NONE, NULL, "spanring_export_streams", NULL,
	       "Requests that may be under way at once, as the collector keeps up."),
	TO_ALIAS(in_flight_spans, COUNTER_NOW, "otel_sdk_exporter_span_inflight",
		 "Spans in batches, as OpenTelemetry names them."),
	TO_ALIAS(waiting, COUNTER_NOW, "otel_sdk_processor_span_queue_size",
		 "Spans that wait for this destination, as OpenTelemetry names them."),
};

const struct counter_table destination_view_table = {
	destination_rows, sizeof destination_rows / sizeof destination_rows[0]};

static const struct counter archive_rows[] = {
	COUNTER_ROW(archive_view, dropped_log, COUNTER_TOTAL, LEDGER_NONE, "lost in the log",
		    "spanring_archive_log_lost_spans", NULL,
		    "Spans the damaged log could not give back for the archive."),
	COUNTER_ROW(archive_view, behind, COUNTER_TRUTH, LEDGER_NONE, NULL,
		    "spanring_archive_behind", NULL,
		    "1 while the log has spans that the archive was not handed yet."),
};

const struct counter_table archive_view_table = {archive_rows,
						 sizeof archive_rows / sizeof archive_rows[0]};

static void look_at_destination(const struct pipeline *p, uint32_t i,
				struct pipeline_view *view)
{
	const struct destination *destination = &p->destinations[i];
	const struct export *export = &destination->export;
	struct export_ahead ahead = destination_ahead(destination);
	uint64_t last = wal_last_span_number(p->wal);

	view->destinations[i] = (struct destination_view){
		.finished = last,
		.unsent = destination_unsent(destination, last),
		.waiting = export_waiting(export) + destination_unpushed(destination, last),
		.rejected =
			export->counters.rejected_partial + export->counters.rejected_status,
		.uncounted = destination->ledger.uncounted,
		.oldest_unsent_ns = pipeline_oldest_unsent_ns(p, destination),
		.oldest_live_ns = pipeline_age_behind(
			p, ahead.after ? ahead.number : destination_done(destination)),
		.backlog = ahead.after ? ahead.after - destination_done(destination) : 0,
		.connected = export_connected(export),
		.in_flight = export->in_flight,
		.streams = export->streams,
		.in_flight_spans = export_waiting(export),
	};
	(void)snprintf(view->destination_labels[i], sizeof view->destination_labels[i],
		       "destination=\"%s\"", destination->name);
}

static void add_part(struct pipeline_view *view, const char *name, const char *labels,
		     struct view_source first, struct view_source second)
{
	assert(view->part_count < VIEW_PARTS_MAX);
	view->parts[view->part_count++] = (struct view_part){name, labels, {first, second}};
}

void pipeline_view(struct pipeline *p, struct pipeline_view *view)
{
	static const struct view_source none;
	const struct assemble_counters *assembled = assemble_counters(p->assemble);

	memset(view, 0, sizeof *view);
	drain_ring_totals(p->drain, &view->rings);
	view->log = (struct log_view){
		.bytes = wal_bytes(p->wal),
		.bytes_max = wal_max_bytes(p->wal),
		.bytes_on_disk = wal_bytes_on_disk(p->wal),
		.bytes_released = wal_bytes_released(p->wal),
		.last_span_number = wal_last_span_number(p->wal),
		.failing = condition_is_raised(&p->conditions, CONDITION_LOG_WRITE_FAILING),
	};
	pipeline_ages(p, &view->ages);
	add_part(view, "ages", "", (struct view_source){&age_view_table, &view->ages}, none);
	add_part(view, "drain", "",
		 (struct view_source){&drain_counter_table, drain_counters(p->drain)}, none);
	add_part(view, "all_rings", "",
		 (struct view_source){&drain_ring_counter_table, &view->rings},
		 (struct view_source){&drain_refused_table, view->rings.refused});
	add_part(view, "records", "", (struct view_source){&assemble_record_table, assembled},
		 none);
	add_part(view, "spans", "", (struct view_source){&assemble_span_table, assembled},
		 none);
	add_part(view, "limits", "", (struct view_source){&assemble_limit_table, assembled},
		 none);
	if (p->receive)
		add_part(view, "receive", "",
			 (struct view_source){&receive_counter_table,
					      receive_counters(p->receive)},
			 none);
	add_part(view, "log", "", (struct view_source){&log_view_table, &view->log},
		 (struct view_source){&wal_counter_table, wal_counters(p->wal)});
	add_part(view, "redact", "",
		 (struct view_source){&redact_counter_table, &p->redact.counters}, none);
	for (uint32_t i = 0; i < p->destination_count; i++) {
		look_at_destination(p, i, view);
		add_part(view, "export", view->destination_labels[i],
			 (struct view_source){&export_counter_table,
					      &p->destinations[i].export.counters},
			 (struct view_source){&destination_view_table, &view->destinations[i]});
	}
	view->archive.dropped_log = p->archive_dropped_log;
	view->archive.behind = p->archive_behind;
	if (p->archive)
		add_part(view, "archive", "",
			 (struct view_source){&archive_counter_table,
					      archive_counters(p->archive)},
			 (struct view_source){&archive_view_table, &view->archive});
}

const struct view_part *pipeline_view_part(const struct pipeline_view *view, const char *name,
					   uint32_t nth)
{
	for (uint32_t i = 0; i < view->part_count; i++)
		if (strcmp(view->parts[i].name, name) == 0 && nth-- == 0)
			return &view->parts[i];
	return NULL;
}
