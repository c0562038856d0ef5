/* The agent's settings: one table of keys. A value comes from (strongest
 * first) the command line, the environment, the configuration file, the
 * default; all arrive as text and pass the same parser of their key.
 *
 * A bad value in the file or on the command line is an error that names the key
 * and says what would be right (exit code 78); in the environment, as
 * OpenTelemetry asks, it is warned about and ignored. After options_load() only
 * options_adopt() changes anything. */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/retention_limits.h"
#include "assemble/kinds.h"
#include "assemble/limit.h"
#include "export/options.h"
#include "redact/settings.h"

#define OPTIONS_ROOTS_MAX 64
/* Of the list `destinations`; the one of export.* comes in addition. */
#define OPTIONS_DESTINATIONS_MAX 7
#define OPTIONS_DESTINATION_DEFAULT "otlp" /* the name of that one */
#define OPTIONS_NAME_MAX 15
#define EXIT_USAGE 2
#define EXIT_CONFIG 78

/* One destination: what is under export.*, or an entry of `destinations`. */
struct destination_settings {
	char *name;
	uint32_t protocol; /* enum export_protocol */
	char *endpoint;
	char *headers;
	char *headers_file;
	uint32_t compression; /* enum compression, or COMPRESSIONS: where it pays */
	bool insecure;
	char *certificate;
	char *client_certificate;
	char *client_key;
	uint64_t timeout_ns;
	uint32_t batch_spans;
	uint64_t batch_bytes;
	uint64_t delay_ns;
	uint32_t streams;
	uint64_t request_bytes;
	uint64_t response_bytes;
	bool isolate_rejected;
	char *redact; /* names of rules, besides those that hold everywhere; or NULL */
};

struct options {
	char *ring_dir;
	uint32_t ring_max_rings;
	uint32_t ring_max_rings_per_user;
	uint64_t ring_turn_bytes;

	char *state_dir;

	uint64_t wal_max_bytes;
	uint64_t wal_memory_bytes;
	uint64_t wal_sync_interval_ns;
	bool wal_sync_each;
	uint32_t wal_segment_bytes; /* 0: by wal_max_bytes. No setting: for tests */

	uint64_t assemble_memory_bytes;
	uint64_t assemble_stale_ttl_ns; /* 0: never */
	uint32_t assemble_open_spans_max;
	struct assemble_limits limits;
	struct kind_rules kinds;

	bool archive_enabled;
	char *archive_dir;
	uint64_t archive_idle_timeout_ns;
	uint32_t archive_min_spans;
	char *archive_roots[OPTIONS_ROOTS_MAX];
	uint32_t archive_root_count;
	char *archive_name; /* checked; NULL: the default */
	char *archive_redact; /* as a destination's */
	struct retention_limits archive_retention;

	bool export_enabled;
	/* Whether there is the one of export.*: beside a list only when its
	 * endpoint is said. */
	bool export_default;
	struct destination_settings export;
	struct destination_settings destinations[OPTIONS_DESTINATIONS_MAX];
	uint32_t destination_count; /* in the list */

	bool receive_enabled;
	char *receive_grpc; /* addresses; NULL or "": none */
	char *receive_http;
	uint32_t receive_connections;
	uint32_t receive_streams;
	uint64_t receive_header_bytes;
	uint64_t receive_request_bytes;
	uint32_t receive_ratio;
	uint64_t receive_memory_bytes;
	uint64_t receive_response_bytes;
	uint64_t receive_request_timeout_ns;
	uint64_t receive_idle_timeout_ns;
	uint64_t receive_ping_interval_ns;

	char *serve_tcp; /* NULL: the unix socket alone */

	struct redact_settings redact;
	bool io_uring;
	uint32_t log_level; /* as syslog(3) */
	char *log_file;	    /* NULL: standard error */
	uint64_t shutdown_deadline_ns;

	/* --private DIR: serve DIR alone, leave once no process uses it any
	 * more, and remove it. NULL: serve until a signal. */
	char *private_dir;

	/* Every span of the log is archived, whatever the log says of archives: they
	 * are not there. Set by `spanring recover`. */
	bool archive_anew;
	bool archive_any_name; /* of files: another machine's template */
	/* The rings are copies whose owner says nothing of their process. */
	bool owners_lost;

	/* What main() is asked to do. */
	bool check_only;
	bool show_help;
	bool show_version;
};

/* Says a warning or an error, one line without newline. */
typedef void options_say_fn(void *arg, const char *line);

/* Fills `options` from everything. 0, or the exit code to leave with after
 * `say` has told why: EXIT_USAGE for the command line, EXIT_CONFIG for a bad
 * file or value, EXIT_FAILURE without memory. */
int options_load(struct options *options, int argc, char **argv, options_say_fn *say,
		 void *say_arg);
void options_fini(struct options *options);

/* Whether both have the same destinations, whatever they say of each. */
bool options_same_destinations(const struct options *a, const struct options *b);
/* Whether all is said of one destination that is said of the other. */
bool destination_same(const struct destination_settings *a,
		      const struct destination_settings *b);

/* Takes over what differs in `fresh` and is live, and says each change; what is
 * not live stays, and that is said too. Both must still be finished. How many
 * settings changed. */
unsigned options_adopt(struct options *options, struct options *fresh, options_say_fn *say,
		       void *say_arg);

/* Every destination there is to be, the one of export.* first: the `nth` from 0,
 * or NULL. */
const struct destination_settings *options_destination(const struct options *options,
						       uint32_t nth);

/* The help text, made from the table. */
void options_help(void (*put)(void *arg, const char *text), void *arg);

/* Prints every setting with its value, for --check-config. */
void options_show(struct options *options, void (*put)(void *arg, const char *text), void *arg);

#endif
