/* What assembly counts, by name: the ledger of records, and that of spans. */
#include "assemble/assemble.h"

#define ROW(member, kind, side, word, metric, label, help) \
	COUNTER_ROW(assemble_counters, member, kind, side, word, metric, label, help)
#define ALIAS(member, kind, metric, label, help) \
	COUNTER_ALIAS(assemble_counters, member, kind, metric, label, help)
#define DROPPED(reason, word)                                                              \
	ROW(dropped_##reason, COUNTER_TOTAL, LEDGER_OUT, word, "spanring_records_dropped", \
	    "reason=\"" #reason "\"", "Records that became part of no span, by reason.")

static const struct counter record_rows[] = {
	COUNTER_NAMED(assemble_counters, "handed_in", records, COUNTER_TOTAL, LEDGER_IN, NULL,
		      "spanring_records_handed_in", NULL, "Records assembly was given."),
	ROW(applied, COUNTER_TOTAL, LEDGER_OUT, NULL, "spanring_records_applied", NULL,
	    "Records that took effect."),
	ROW(parked, COUNTER_NOW, LEDGER_OUT, NULL, "spanring_records_parked", NULL,
	    "Records that wait for the start of their span."),
	DROPPED(late, "late"),
	DROPPED(unknown_type, "unknown"),
	DROPPED(damaged, "damaged"),
	DROPPED(limit, "limit"),
	DROPPED(duplicate_start, "twice"),
	DROPPED(no_memory, "no memory"),
};

const struct counter_table assemble_record_table = {record_rows,
						    sizeof record_rows / sizeof record_rows[0]};

static const struct counter span_rows[] = {
	ROW(started, COUNTER_TOTAL, LEDGER_IN, NULL, "spanring_spans_started", NULL,
	    "Spans begun."),
	ROW(received, COUNTER_TOTAL, LEDGER_IN, NULL, "spanring_spans_received", NULL,
	    "Spans that came by OTLP."),
	ROW(found_again, COUNTER_TOTAL, LEDGER_IN, "found again", "spanring_spans_found_again",
	    NULL, "Spans that were refused once and that a restart found in the log."),
	ROW(corrected, COUNTER_TOTAL, LEDGER_IN, "corrected after stale",
	    "spanring_spans_corrected", NULL,
	    "Spans that ended after all, having been ended for their silence."),
	ROW(finished, COUNTER_TOTAL, LEDGER_OUT, NULL, "spanring_spans_finished", NULL,
	    "Spans finished and in the log."),
	ROW(open, COUNTER_NOW, LEDGER_OUT, NULL, "spanring_spans_open", NULL,
	    "Spans that are open."),
	ROW(dropped_invalid, COUNTER_TOTAL, LEDGER_OUT, "invalid", "spanring_spans_dropped",
	    "reason=\"invalid\"", "Spans that were not kept, by reason."),
	ROW(lost_in_log, COUNTER_TOTAL, LEDGER_OUT, "lost in the log", "spanring_spans_dropped",
	    "reason=\"lost_in_log\"", "Spans that were not kept, by reason."),
	ROW(closed_by_death, COUNTER_TOTAL, LEDGER_NONE, "closed by a death",
	    "spanring_spans_closed_by_death", NULL, "Spans ended because their process was."),
	ROW(stale, COUNTER_TOTAL, LEDGER_NONE, "ended as stale", "spanring_spans_stale", NULL,
	    "Spans of living processes ended for their silence: assemble.stale_ttl."),
	ROW(after_stale, COUNTER_TOTAL, LEDGER_NONE, "records of stale spans",
	    "spanring_records_after_stale", NULL, "Records of spans that were ended as stale."),
	ROW(end_lost, COUNTER_TOTAL, LEDGER_NONE, "end lost", "spanring_spans_end_lost", NULL,
	    "Spans whose end found no room in the ring."),
	ROW(kinds_mapped, COUNTER_TOTAL, LEDGER_NONE, "kinds by rule",
	    "spanring_spans_kinds_mapped", NULL, "Spans whose kind a rule said: kinds."),
	ROW(memory_bytes, COUNTER_NOW, LEDGER_NONE, "bytes in memory",
	    "spanring_spans_open_memory_bytes", NULL, "Bytes of open spans in memory."),
	ROW(spilled_bytes, COUNTER_NOW, LEDGER_NONE, "bytes left in the log",
	    "spanring_spans_open_spilled_bytes", NULL,
	    "Bytes of open spans that are in the log alone."),
	ROW(runs, COUNTER_TOTAL, LEDGER_NONE, NULL, "spanring_runs_seen", NULL, "Runs seen."),
	ROW(runs_over, COUNTER_TOTAL, LEDGER_NONE, "runs over", "spanring_runs_over", NULL,
	    "Runs that were over; one that gets a late span is over again."),
	ALIAS(started, COUNTER_TOTAL, "otel_sdk_span_started",
	      "otel_span_sampling_result=\"RECORD_AND_SAMPLE\"",
	      "Spans begun, as OpenTelemetry names them."),
	ALIAS(open, COUNTER_NOW, "otel_sdk_span_live",
	      "otel_span_sampling_result=\"RECORD_AND_SAMPLE\"",
	      "Spans that are open, as OpenTelemetry names them."),
	ALIAS(finished, COUNTER_TOTAL, "otelcol_receiver_accepted_spans",
	      "receiver=\"spanring\",transport=\"shm\"",
	      "Spans taken, as the OpenTelemetry Collector names them."),
	ALIAS(dropped_invalid, COUNTER_TOTAL, "otelcol_receiver_refused_spans",
	      "receiver=\"spanring\",transport=\"shm\"",
	      "Spans refused, as the OpenTelemetry Collector names them."),
};

const struct counter_table assemble_span_table = {span_rows,
						  sizeof span_rows / sizeof span_rows[0]};

#undef ROW
#define MET(member, label)                                                                   \
	COUNTER_NAMED(assemble_counters, #member, limits.member, COUNTER_TOTAL, LEDGER_NONE, \
		      NULL, "spanring_limits_met", "limit=\"" label "\"",                    \
		      "Records refused or cut by a limit, by limit.")

static const struct counter limit_rows[] = {
	MET(attributes, "span_attributes"),
	MET(events, "span_events"),
	MET(links, "span_links"),
	MET(names, "name_size"),
	MET(keys, "key_size"),
	MET(values, "value_size"),
	MET(span_bytes, "span_size"),
	MET(depth, "depth"),
	MET(resources, "resource_size"),
	MET(scopes, "scopes"),
	MET(open_spans, "open_spans"),
	MET(parked, "parked_records"),
	MET(memory, "memory"),
	MET(run_spans, "run_spans"),
	MET(runs, "user_runs"),
	MET(module, "module"),
};

const struct counter_table assemble_limit_table = {limit_rows,
						   sizeof limit_rows / sizeof limit_rows[0]};
