/* spanring status: what the agent is doing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent_client.h"
#include "numbers.h"
#include "pipeline_ledger_view.h"
#include "pipeline_view.h"
#include "terminal.h"
#include "verbs.h"

#define RUNS_SHOWN 5

static const char help_text[] =
	"usage: spanring status [--json] [--ring-dir DIR]\n\n"
	"Asks the agent that serves the ring directory (the one a process started here would\n"
	"use, or DIR) and prints its processes, open spans with their ages, its log, where it\n"
	"sends, what it archived, and the ledgers since the log began: every record and every\n"
	"span is in one of their columns, over any number of agents.\n\n"
	"Exit codes: 0 an agent answered, 1 none did, 2 usage.\n";

static uint64_t number(json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static const char *text(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

/* What came from a module may hold anything: only printable ASCII and UTF-8
 * reach the terminal. */
static void put_safe(const char *at, unsigned max)
{
	static const struct terminal plain = {.columns = 0};
	struct buf out = BUF_INIT;

	(void)terminal_text(&out, &plain, bytes_of(at), max);
	if (out.len)
		(void)fwrite(out.at, 1, out.len, stdout);
	buf_fini(&out);
}

static void age(uint64_t ns, char *line, size_t size)
{
	uint64_t s = ns / 1000000000;

	if (s < 60)
		(void)snprintf(line, size, "%" PRIu64 ".%01" PRIu64 " s", s,
			       ns / 100000000 % 10);
	else if (s < 3600)
		(void)snprintf(line, size, "%" PRIu64 " min %02" PRIu64 " s", s / 60, s % 60);
	else
		(void)snprintf(line, size, "%" PRIu64 " h %02" PRIu64 " min", s / 3600,
			       s / 60 % 60);
}

static void size_text(uint64_t bytes, char *line, size_t size)
{
	if (bytes < 10240)
		(void)snprintf(line, size, "%" PRIu64 " B", bytes);
	else if (bytes < UINT64_C(10) << 20)
		(void)snprintf(line, size, "%.1f KiB", (double)bytes / 1024);
	else
		(void)snprintf(line, size, "%.1f MiB", (double)bytes / 1048576);
}

static void print_agent(json_t *status)
{
	json_t *agent = json_object_get(status, "agent");
	char up[32];

	age(number(agent, "now_unix_nano") - number(agent, "started_unix_nano"), up, sizeof up);
	printf("agent    %s, pid %" PRIu64 ", up %s, syncs by %s, opens by %s%s\n",
	       text(agent, "version"), number(agent, "pid"), up, text(agent, "io"),
	       text(agent, "open"),
	       json_is_true(json_object_get(agent, "stopping")) ? ", stopping" : "");
	printf("         rings   %s\n         state   %s\n         archive %s\n",
	       text(agent, "ring_dir"), text(agent, "state_dir"),
	       *text(agent, "archive_dir") ? text(agent, "archive_dir") : "off");
}

/* First of all: what is wrong. */
static void print_conditions(json_t *status)
{
	json_t *conditions = json_object_get(status, "conditions"), *one;
	uint64_t now = number(json_object_get(status, "agent"), "now_unix_nano");
	char since[32];
	size_t i;

	json_array_foreach (conditions, i, one) {
		age(now - number(one, "since_unix_nano"), since, sizeof since);
		printf("ALARM    %s, for %s:\n         ", text(one, "name"), since);
		put_safe(text(one, "text"), 1000);
		putchar('\n');
	}
	if (json_array_size(conditions))
		putchar('\n');
}

static void print_refused(json_t *ring)
{
	const char *reason;
	json_t *count;

	json_object_foreach (json_object_get(ring, "refused"), reason, count)
		printf("  refused %s %" PRIu64, reason, (uint64_t)json_integer_value(count));
}

static uint64_t dropped_of(json_t *ring)
{
	const struct counter_table *table = &drain_ring_counter_table;
	uint64_t sum = 0;

	for (size_t i = 0; i < table->count; i++)
		if (strncmp(table->rows[i].key, "dropped_", 8) == 0)
			sum += number(ring, table->rows[i].key);
	return sum;
}

static void print_rings(json_t *status)
{
	json_t *rings = json_object_get(status, "rings"), *ring;
	size_t i;

	printf("\nprocesses (%zu)\n", json_array_size(rings));
	if (json_array_size(rings))
		printf("  %8s  %-7s  %10s  %10s  %6s  %8s\n", "pid", "state", "written",
		       "drained", "held", "dropped");
	json_array_foreach (rings, i, ring) {
		printf("  %8" PRIu64 "  %-7s  %10" PRIu64 "  %10" PRIu64 "  %6" PRIu64
		       "  %8" PRIu64,
		       number(ring, "pid"),
		       json_is_true(json_object_get(ring, "alive")) ? "alive" : "dead",
		       number(ring, "written"), number(ring, "drained"), number(ring, "held"),
		       dropped_of(ring));
		print_refused(ring);
		putchar('\n');
	}
}

static void print_open_spans(json_t *status)
{
	json_t *spans = json_object_get(status, "open_spans"), *span;
	uint64_t open = number(json_object_get(status, "spans"), "open");
	char old[32];
	size_t i;

	printf("\nopen spans (%" PRIu64 ")\n", open);
	json_array_foreach (spans, i, span) {
		age(number(span, "age_ns"), old, sizeof old);
		printf("  %14s  pid %-8" PRIu64 " %s  ", old, number(span, "pid"),
		       text(span, "span_id"));
		put_safe(text(span, "name"), 60);
		putchar('\n');
	}
	if (open > json_array_size(spans))
		printf("  and %" PRIu64 " more\n", open - json_array_size(spans));
}

static void print_drain(json_t *status)
{
	json_t *refused = json_object_get(json_object_get(status, "all_rings"), "refused");

	numbers_print_others(
		"ages", &(struct numbers){json_object_get(status, "ages"), {&age_view_table}});
	numbers_print_others("drain", &(struct numbers){json_object_get(status, "drain"),
							{&drain_counter_table}});
	numbers_print_others("refused", &(struct numbers){refused, {&drain_refused_table}});
}

static void print_spans(json_t *status)
{
	numbers_print_others("spans", &(struct numbers){json_object_get(status, "spans"),
							{&assemble_span_table}});
}

/* Nothing, as a rule. */
static void print_limits(json_t *status)
{
	numbers_print_others("limits", &(struct numbers){json_object_get(status, "limits"),
							 {&assemble_limit_table}});
}

/* Nothing where it is switched off. */
static void print_receive(json_t *status)
{
	json_t *receive = json_object_get(status, "receive");

	if (receive)
		numbers_print_others("receive",
				     &(struct numbers){receive, {&receive_counter_table}});
}

/* Of an older agent there is nothing. */
static void print_redact(json_t *status)
{
	json_t *redact = json_object_get(status, "redact"), *hits;
	const char *rule, *comma = "";

	if (!redact)
		return;
	if (!json_is_true(json_object_get(redact, "enabled"))) {
		printf("redact   OFF: secrets in spans are kept and sent on "
		       "(redact.enabled)\n");
		return;
	}
	printf("redact   on%s", json_is_true(json_object_get(redact, "interpreted"))
					? ", patterns interpreted"
					: "");
	json_object_foreach (json_object_get(redact, "rules"), rule, hits) {
		if (!json_integer_value(hits))
			continue;
		printf("%s%s %lld", *comma ? comma : ": ", rule,
		       (long long)json_integer_value(hits));
		comma = ", ";
	}
	putchar('\n');
	if (number(redact, "undecided"))
		printf("         %" PRIu64 " values a limit kept from being judged were "
		       "dropped\n",
		       number(redact, "undecided"));
}

static void print_log(json_t *status)
{
	json_t *log = json_object_get(status, "log");
	char bytes[32], max[32], disk[32];

	size_text(number(log, "bytes"), bytes, sizeof bytes);
	size_text(number(log, "bytes_max"), max, sizeof max);
	size_text(number(log, "bytes_on_disk"), disk, sizeof disk);
	printf("log      %s of %s (%s on disk), %" PRIu64 " spans ever%s\n", bytes, max, disk,
	       number(log, "last_span_number"),
	       json_is_true(json_object_get(log, "failing")) ? ", CANNOT BE WRITTEN" : "");
	numbers_print_others("", &(struct numbers){log, {&wal_counter_table}});
}

static void print_export(json_t *status)
{
	json_t *export = json_object_get(status, "export"), *one;
	size_t i;

	if (json_array_size(export) == 0)
		printf("export   off\n");
	json_array_foreach (export, i, one) {
		char old[32];

		age(number(one, "oldest_unsent_ns"), old, sizeof old);
		printf("export   %s: %s, %s", text(one, "name"), text(one, "authority"),
		       json_is_true(json_object_get(one, "connected")) ? "connected"
								       : "not connected");
		if (number(one, "unsent"))
			printf(", unsent %" PRIu64 ", the oldest for %s", number(one, "unsent"),
			       old);
		if (number(one, "backlog"))
			printf("; live spans go beside a backlog of %" PRIu64,
			       number(one, "backlog"));
		putchar('\n');
		numbers_print_others("", &(struct numbers){one, {&export_counter_table}});
		if (*text(one, "last_error")) {
			printf("         last error: ");
			put_safe(text(one, "last_error"), 160);
			putchar('\n');
		}
	}
}

static void print_archive(json_t *status)
{
	json_t *archive = json_object_get(status, "archive"), *newest, *run;
	size_t i, first;

	if (!archive) {
		printf("archive  off\n");
		return;
	}
	numbers_print_others(
		"archive",
		&(struct numbers){archive, {&archive_counter_table, &archive_view_table}});
	newest = json_object_get(archive, "newest");
	first = json_array_size(newest) > 5 ? json_array_size(newest) - 5 : 0;
	for (i = first; (run = json_array_get(newest, i)); i++)
		printf("         %s (%" PRIu64 " spans%s)\n", text(run, "path"),
		       number(run, "spans"),
		       json_is_true(json_object_get(run, "complete")) ? ", complete" : "");
}

static void print_ledgers(json_t *status)
{
	json_t *ledger = json_object_get(status, "ledger"), *one;
	char began[32];
	size_t i;

	age(number(json_object_get(status, "agent"), "now_unix_nano") -
		    number(ledger, "began_unix_nano"),
	    began, sizeof began);
	printf("\nledgers since the log began %s ago, over %" PRIu64 " starts of the agent\n",
	       began, number(ledger, "agent_starts"));
	numbers_print_ledger("rings", &(struct numbers){json_object_get(status, "all_rings"),
							{&drain_ring_counter_table}});
	numbers_print_ledger("records", &(struct numbers){json_object_get(status, "records"),
							  {&assemble_record_table}});
	numbers_print_ledger("spans", &(struct numbers){json_object_get(status, "spans"),
							{&assemble_span_table}});
	if (json_object_get(status, "receive"))
		numbers_print_ledger("receive",
				     &(struct numbers){json_object_get(status, "receive"),
						       {&receive_counter_table}});
	if (json_object_get(status, "archive")) {
		numbers_print_ledger("files",
				     &(struct numbers){json_object_get(ledger, "archive"),
						       {&archive_ledger_table}});
		/* Of this agent: what lies in spools goes from one to the next. */
		numbers_print_ledger("archive",
				     &(struct numbers){json_object_get(status, "archive"),
						       {&archive_counter_table}});
	}
	json_array_foreach (json_object_get(status, "export"), i, one) {
		struct numbers numbers = {one,
					  {&export_counter_table, &destination_view_table}};

		numbers_print_ledger(text(one, "name"), &numbers);
	}
}

static void print_losses(json_t *run)
{
	uint64_t spans = number(run, "dropped_starts") + number(run, "dropped_archive") +
			 number(run, "dropped_invalid") + number(run, "lost_in_log");
	uint64_t records = number(run, "dropped_records");

	if (spans)
		printf("  %" PRIu64 " spans dropped", spans);
	if (records)
		printf("  %" PRIu64 " records dropped", records);
	printf("\n");
}

/* The newest runs, with what is not the same as ever. */
static void print_runs(json_t *status)
{
	json_t *runs = json_object_get(json_object_get(status, "ledger"), "runs"), *run;
	size_t i;

	if (json_array_size(runs))
		printf("\nruns\n  %-32s  %10s  %10s  %10s  %6s\n", "trace id", "started",
		       "finished", "archived", "open");
	json_array_foreach (runs, i, run) {
		if (i == RUNS_SHOWN)
			break;
		printf("  %s  %10" PRIu64 "  %10" PRIu64 "  %10" PRIu64 "  %6" PRIu64 "%s",
		       text(run, "trace_id"),
		       number(run, "started") + number(run, "received") +
			       number(run, "found_again"),
		       number(run, "finished"), number(run, "archived"), number(run, "open"),
		       json_is_true(json_object_get(run, "over")) ? "  over" : "");
		print_losses(run);
	}
}

static int usage(const char *argument)
{
	(void)fprintf(stderr,
		      "spanring status: '%s' is not understood; see spanring status --help\n",
		      argument);
	return 2;
}

int status_main(int argc, char **argv)
{
	char dir[PATH_MAX] = "";
	bool as_json = false;
	json_t *status;
	int r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			(void)fputs(help_text, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--json") == 0)
			as_json = true;
		else if (strcmp(argv[i], "--ring-dir") == 0 && i + 1 < argc)
			(void)snprintf(dir, sizeof dir, "%s", argv[++i]);
		else
			return usage(argv[i]);
	}
	if (!*dir)
		agent_find_directory(dir);
	r = *dir ? agent_status(dir, &status) : -ENOENT;
	if (r < 0) {
		(void)fprintf(stderr,
			      "spanring status: no agent answers%s%s: %s\n"
			      "  start one with spanringd, or name its directory with "
			      "--ring-dir or SPANRING_DIR\n",
			      *dir ? " in " : " (no ring directory was found)", dir,
			      strerror(-r));
		return 1;
	}
	if (as_json) {
		(void)terminal_json_print(status);
	} else {
		print_conditions(status);
		print_agent(status);
		print_rings(status);
		print_open_spans(status);
		putchar('\n');
		print_drain(status);
		print_spans(status);
		print_limits(status);
		print_receive(status);
		print_redact(status);
		print_log(status);
		print_export(status);
		print_archive(status);
		print_ledgers(status);
		print_runs(status);
	}
	json_decref(status);
	return 0;
}
