/* What an exporter counts, by name. */
#include "export/export.h"

#define ROW(member, side, word, metric, label, help) \
	COUNTER_ROW(export_counters, member, COUNTER_TOTAL, side, word, metric, label, help)
#define ALIAS(member, metric, label, help) \
	COUNTER_ALIAS(export_counters, member, COUNTER_TOTAL, metric, label, help)

#define REJECTED "spanring_export_rejected_spans"
#define REJECTED_HELP "Spans the collector refused for good, by how it said so."
#define EXPORTED "otel_sdk_exporter_span_exported"
#define EXPORTED_HELP "Spans done with, each once, as OpenTelemetry names them."
#define FAILED "otelcol_exporter_send_failed_spans"
#define FAILED_HELP "Spans refused for good, as the OpenTelemetry Collector names them."

static const struct counter rows[] = {
	ROW(pushed, LEDGER_NONE, NULL, "spanring_export_pushed_spans", NULL,
	    "Spans the exporter took from the log."),
	ROW(sent, LEDGER_OUT, NULL, "spanring_export_sent_spans", NULL,
	    "Spans the collector accepted."),
	ROW(rejected_partial, LEDGER_OUT, "rejected by a partial success", REJECTED,
	    "how=\"partial_success\"", REJECTED_HELP),
	ROW(rejected_status, LEDGER_OUT, "rejected by status", REJECTED, "how=\"status\"",
	    REJECTED_HELP),
	ROW(dropped_too_large, LEDGER_OUT, "too large", "spanring_export_dropped_spans",
	    "reason=\"too_large\"", "Spans never sent, by reason."),
	ROW(dropped_backlog, LEDGER_OUT, "backlog given up",
	    "spanring_export_backlog_dropped_spans", NULL,
	    "Spans given up for this destination at the log's size limit."),
	ROW(dropped_lost, LEDGER_OUT, "lost in the log", "spanring_export_lost_spans", NULL,
	    "Spans the log could not give back for this destination: it was damaged, or they "
	    "went before the destination was there."),
	ROW(requests, LEDGER_NONE, NULL, "spanring_export_requests", NULL, "Requests begun."),
	ROW(retries, LEDGER_NONE, NULL, "spanring_export_retries", NULL,
	    "Requests that were not the first of their batch."),
	ROW(bytes, LEDGER_NONE, NULL, "spanring_export_request_bytes", NULL,
	    "Bytes of encoded requests, every attempt."),
	ROW(wire_bytes, LEDGER_NONE, NULL, "spanring_export_wire_bytes", NULL,
	    "Bytes of requests as they were sent, compressed where that pays."),
	ROW(connects, LEDGER_NONE, NULL, "spanring_export_connects", NULL,
	    "Connections established."),
	ROW(connect_failures, LEDGER_NONE, "failed connects",
	    "spanring_export_connect_failures", NULL, "Connections that were not."),
	ROW(warnings, LEDGER_NONE, NULL, "spanring_export_warnings", NULL,
	    "Answers that warn and refuse nothing."),
	ROW(isolation_requests, LEDGER_NONE, NULL, "spanring_export_isolation_requests", NULL,
	    "Requests for parts of a refused one, to find the spans that are meant."),
	ROW(not_isolated, LEDGER_NONE, "refused together", "spanring_export_not_isolated_spans",
	    NULL,
	    "Of the spans refused by status, those not looked at one by one: the limit of a "
	    "minute was reached."),
	ROW(parked, LEDGER_NONE, "kept in rejected/", "spanring_export_parked_spans", NULL,
	    "Of the spans refused by status, those kept in state.dir/rejected."),
	ROW(park_failures, LEDGER_NONE, "not kept in rejected/",
	    "spanring_export_park_failures", NULL,
	    "Refused spans that could not be written there."),
	ROW(splits, LEDGER_NONE, NULL, "spanring_export_splits", NULL,
	    "Times that the destination was far behind, and live spans went beside its "
	    "backlog."),
	ALIAS(sent, EXPORTED, NULL, EXPORTED_HELP),
	ALIAS(rejected_partial, EXPORTED, "error_type=\"rejected\"", EXPORTED_HELP),
	ALIAS(rejected_status, EXPORTED, "error_type=\"status\"", EXPORTED_HELP),
	ALIAS(dropped_too_large, EXPORTED, "error_type=\"too_large\"", EXPORTED_HELP),
	ALIAS(sent, "otelcol_exporter_sent_spans", NULL,
	      "Spans accepted, as the OpenTelemetry Collector names them."),
	ALIAS(dropped_backlog, "otelcol_exporter_enqueue_failed_spans", NULL,
	      "Spans given up, as the OpenTelemetry Collector names them."),
	ALIAS(rejected_partial, FAILED, "error_type=\"rejected\"", FAILED_HELP),
	ALIAS(rejected_status, FAILED, "error_type=\"status\"", FAILED_HELP),
};

const struct counter_table export_counter_table = {rows, sizeof rows / sizeof rows[0]};
