/* What the receiver counts, by name. */
#include "receive/receive.h"

#define ROW(member, kind, side, word, metric, label, help) \
	COUNTER_ROW(receive_counters, member, kind, side, word, metric, label, help)
#define TOTAL(member, word, metric, label, help) \
	ROW(member, COUNTER_TOTAL, LEDGER_NONE, word, metric, label, help)

#define CONNECTIONS "spanring_receive_connections_accepted"
#define CONNECTIONS_HELP "Connections of senders, ever."
#define REQUESTS "spanring_receive_requests"
#define REQUESTS_HELP "Whole requests."
#define REJECTED "spanring_receive_rejected_spans"
#define REJECTED_HELP "Spans refused for good, by reason; their senders were told."
#define REFUSED "spanring_receive_refused_requests"
#define REFUSED_HELP "Requests refused, by reason; their senders were told."
#define REFUSE(member, word, label) TOTAL(member, word, REFUSED, label, REFUSED_HELP)
#define CLOSED "spanring_receive_closed_connections"
#define CLOSED_HELP "Connections refused or ended by us, by reason."
#define CLOSE(member, word, label) TOTAL(member, word, CLOSED, label, CLOSED_HELP)
#define REPAIRED "spanring_receive_repairs"
#define REPAIRED_HELP "Things in spans that were put right, by what they were."
#define REPAIR(member, word, label) TOTAL(member, word, REPAIRED, label, REPAIRED_HELP)

static const struct counter rows[] = {
	ROW(seen_spans, COUNTER_TOTAL, LEDGER_IN, "spans seen", "spanring_receive_seen_spans",
	    NULL, "Spans of whole requests."),
	ROW(spans, COUNTER_TOTAL, LEDGER_OUT, "spans taken", "spanring_receive_spans", NULL,
	    "Spans put into the log."),
	ROW(repeated_spans, COUNTER_TOTAL, LEDGER_OUT, "taken before",
	    "spanring_receive_repeated_spans", NULL,
	    "Spans that came again: the log had them already."),
	ROW(rejected_ids, COUNTER_TOTAL, LEDGER_OUT, "with bad ids", REJECTED, "reason=\"ids\"",
	    REJECTED_HELP),
	ROW(rejected_limit, COUNTER_TOTAL, LEDGER_OUT, "over a run's limit", REJECTED,
	    "reason=\"limit\"", REJECTED_HELP),
	ROW(rejected_size, COUNTER_TOTAL, LEDGER_OUT, "too large", REJECTED, "reason=\"size\"",
	    REJECTED_HELP),
	ROW(refused_spans, COUNTER_TOTAL, LEDGER_OUT, "of refused requests",
	    "spanring_receive_refused_spans", NULL,
	    "Spans of requests that were refused: their senders have them."),
	ROW(connections, COUNTER_NOW, LEDGER_NONE, NULL, "spanring_receive_connections", NULL,
	    "Connections of senders."),
	ROW(waiting, COUNTER_NOW, LEDGER_NONE, "waiting for the log",
	    "spanring_receive_waiting_requests", NULL,
	    "Requests that are answered when the log has them."),
	ROW(memory_bytes, COUNTER_NOW, LEDGER_NONE, "bytes held",
	    "spanring_receive_memory_bytes", NULL, "Bytes of requests that are not whole."),
	TOTAL(connections_grpc, "gRPC connections", CONNECTIONS, "transport=\"grpc\"",
	      CONNECTIONS_HELP),
	TOTAL(connections_http, "HTTP connections", CONNECTIONS, "transport=\"http\"",
	      CONNECTIONS_HELP),
	TOTAL(requests_grpc, "gRPC requests", REQUESTS, "transport=\"grpc\"", REQUESTS_HELP),
	TOTAL(requests_http, "HTTP requests", REQUESTS, "transport=\"http\"", REQUESTS_HELP),
	TOTAL(bytes, "bytes", "spanring_receive_bytes", NULL, "Bytes read, as they came."),
	TOTAL(request_bytes, "bytes of requests", "spanring_receive_request_bytes", NULL,
	      "Bytes of whole requests, as protobuf."),
	REFUSE(refused_size, "requests too large", "reason=\"size\""),
	REFUSE(refused_ratio, "requests that explode", "reason=\"ratio\""),
	REFUSE(refused_memory, "requests without memory", "reason=\"memory\""),
	REFUSE(refused_log, "requests the log did not take", "reason=\"log\""),
	REFUSE(refused_malformed, "malformed requests", "reason=\"malformed\""),
	REFUSE(refused_looped, "requests of our own", "reason=\"looped\""),
	REFUSE(refused_unknown, "requests of another kind", "reason=\"unknown\""),
	REFUSE(refused_encoding, "unknown encodings", "reason=\"encoding\""),
	REFUSE(refused_headers, "requests with large headers", "reason=\"headers\""),
	REFUSE(refused_late, "requests too slow", "reason=\"late\""),
	REFUSE(refused_stopping, "requests while stopping", "reason=\"stopping\""),
	TOTAL(cancelled, "requests left", "spanring_receive_cancelled_requests", NULL,
	      "Requests whose sender left before it was answered."),
	CLOSE(closed_limit, "connections over the limit", "reason=\"limit\""),
	CLOSE(closed_idle, "idle connections", "reason=\"idle\""),
	CLOSE(closed_protocol, "connections that broke the protocol", "reason=\"protocol\""),
	CLOSE(closed_pings, "connections with too many pings", "reason=\"pings\""),
	CLOSE(closed_resets, "connections with too many resets", "reason=\"resets\""),
	CLOSE(closed_stalled, "stalled connections", "reason=\"stalled\""),
	REPAIR(repaired_texts, "texts repaired", "what=\"text\""),
	REPAIR(repaired_deep, "values too deep", "what=\"depth\""),
	REPAIR(repaired_parents, "parents of zeros", "what=\"parent\""),
	REPAIR(ignored_string_indexes, "string indexes ignored", "what=\"string_index\""),
	REPAIR(repaired_names, "spans without a name", "what=\"name\""),
	REPAIR(repaired_keys, "keys twice", "what=\"key\""),
	REPAIR(dropped_owned, "names of the agent's dropped", "what=\"owner\""),
};

const struct counter_table receive_counter_table = {rows, sizeof rows / sizeof rows[0]};
