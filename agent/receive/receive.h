/* The receiver: OTLP/gRPC and OTLP/HTTP from other languages, on loopback ports and
 * unix sockets. A request is taken apart into spans, each of which goes into the
 * log as a finished span under its run, as if it had come out of a ring; the
 * request is answered OK only when the log has all of them ("logged", or synced
 * with wal.sync: each). Rules 33, 34 and 44 of the protocol live here.
 *
 * What is answered how:
 *
 *   every span taken                          OK, or 200
 *   some spans are no good (ids of zeros, a   OK with partial_success: how many,
 *     limit)                                  and why
 *   not protobuf, not JSON, bad gzip          INVALID_ARGUMENT, 400
 *   larger than receive.request_max           RESOURCE_EXHAUSTED, 413; for good
 *   the log's disk refuses, the log is        UNAVAILABLE with RetryInfo, 503 with
 *     full, we stop                           Retry-After: the sender keeps it
 *   receive.memory_max is used up             likewise, with 429
 *   it was sent by this very agent            FAILED_PRECONDITION, 400; for good
 *   another service, method, path             UNIMPLEMENTED, 404, 405
 *   another content type or encoding          415, UNIMPLEMENTED
 *
 * A sender that did not hear the answer sends again. What the log was given lately is
 * known by its ids and times (recent.h) and not taken twice: answered OK and counted
 * (repeated_spans); so is what comes back by way of a collector. What was given it long
 * ago is in the log twice and in the archive's file once, the other counted there
 * (dropped_superseded). A request that the log took in part only, because it got full
 * meanwhile, is refused whole, and its rest is taken when it comes again.
 *
 * Everything a sender can make grow has a limit in the options and a counter.
 * Nothing here waits, so no sender can hold up the rings.
 *
 *   receive.c        life: ports, the calls that wait for the log
 *   address.c        where to listen
 *   body.c           a request's bytes as they come, within the limits
 *   intake.c         from a request to spans
 *   recent.c         spans that were taken before
 *   answer.c         what is said, as protobuf and JSON
 *   grpc_session.c   one HTTP/2 connection: bytes in, bytes out (nghttp2)
 *   grpc_port.c      its sockets
 *   http_port.c      OTLP/HTTP (libmicrohttpd)
 *
 * The agent's thread alone calls this. */
#ifndef RECEIVE_RECEIVE_H
#define RECEIVE_RECEIVE_H

#include "base/condition.h"
#include "base/counter.h"
#include "base/env.h"
#include "base/finished_span.h"
#include "receive/address.h"

/* Metadata by which an agent knows its own batches: its id, in hexadecimal. */
#define RECEIVE_AGENT_HEADER "spanring-agent"
#define RECEIVE_AGENT_ID_DIGITS 32

struct receive_options {
	struct addresses grpc, http;
	uint32_t connections_max; /* of each of the two */
	uint32_t streams_max;	  /* of a gRPC connection at a time */
	uint64_t header_bytes_max;
	uint64_t request_bytes_max; /* decompressed */
	uint32_t ratio_max;	    /* decompressed to compressed, from 1 MiB on */
	uint64_t memory_bytes_max;  /* of all requests together */
	uint64_t response_bytes_max;
	uint64_t request_timeout_ns; /* from its first header to its last byte */
	uint64_t idle_timeout_ns;    /* of a connection without requests */
	uint64_t ping_interval_ns;   /* more often, and twice more, is abuse */
	char agent_id[RECEIVE_AGENT_ID_DIGITS + 1];
	struct conditions *conditions; /* NULL: silent */
};

struct receive_ops {
	/* Whether the log can take anything now. -errno of its disk; -ENOBUFS. */
	int (*ready)(void *arg);
	/* One span, for the log. Its bytes are borrowed. -EDQUOT: over a limit of
	 * its run; -E2BIG: larger than the log takes; both for good. -ENOBUFS,
	 * -ENOMEM: not now. */
	int (*span)(void *arg, struct finished_span *span);
	/* Of the newest frame of the log. */
	uint64_t (*sequence)(void *arg);
	void (*log)(void *arg, int priority, const char *line);
	void *arg;
};

struct receive_counters {
	uint64_t connections_grpc, connections_http; /* ever */
	uint64_t connections;			     /* now */
	uint64_t requests_grpc, requests_http;	     /* whole ones */
	uint64_t bytes, request_bytes;		     /* as they came; decompressed */
	/* Spans of whole requests: seen = spans + repeated + rejected_* + refused. */
	uint64_t seen_spans, spans;
	uint64_t repeated_spans; /* the log had them already */
	uint64_t rejected_ids, rejected_limit, rejected_size;
	uint64_t refused_spans; /* their request was refused: the sender has them */
	/* Requests refused, by reason. */
	uint64_t refused_size, refused_ratio, refused_memory, refused_log, refused_malformed,
		refused_looped, refused_unknown, refused_encoding, refused_headers,
		refused_late, refused_stopping;
	uint64_t cancelled; /* the sender left before it was answered */
	uint64_t waiting;   /* now: for the log */
	/* Connections refused or ended by us, by reason. */
	uint64_t closed_limit, closed_idle, closed_protocol, closed_pings, closed_resets,
		closed_stalled;
	/* Put right on the way; see otlp/check.h. */
	uint64_t repaired_texts, repaired_deep, ignored_string_indexes, repaired_parents,
		repaired_names, repaired_keys, dropped_owned;
	uint64_t memory_bytes; /* now, of requests */
};
extern const struct counter_table receive_counter_table;

struct receive; /* opaque: receive_new() owns its heap */

/* Opens no port yet: the first tick does. One that cannot be opened is no failure: a
 * condition says so, and it is tried again. -ENOMEM. */
int receive_new(struct receive **ret_receive, struct env *env,
		const struct receive_options *options, const struct receive_ops *ops);
void receive_free(struct receive *receive);

/* The log has this span by another way, now or from an earlier life: it is known if it
 * comes back. */
void receive_note(struct receive *receive, const struct finished_span *span);

/* The log is safe up to here: answers what waited for it. */
void receive_logged(struct receive *receive, uint64_t sequence);
/* The log's disk refuses: what waits for it is told to come again. */
void receive_log_failed(struct receive *receive, int error);

/* Deadlines, and ports that could not be opened. Returns the work done. */
int receive_tick(struct receive *receive, uint64_t now_ns);

/* Takes no more connections and no more requests; what is under way is answered. */
void receive_stop(struct receive *receive);
/* Whether something still is. */
bool receive_busy(const struct receive *receive);

const struct receive_counters *receive_counters(const struct receive *receive);

#endif
