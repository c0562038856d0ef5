/* spanring wal: looks at a log, and changes nothing. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/env_linux.h"
#include "evidence.h"
#include "terminal.h"
#include "verbs.h"
#include "wal/verify.h"

#define KINDS_COLUMNS 56  /* a line that is longer has no further kind */
#define PLACES_PRINTED 10 /* of each segment; --json has all */

static const char help_text[] =
	"usage: spanring wal verify DIR [--json]\n"
	"       spanring wal dump DIR\n\n"
	"Looks at an agent's log and changes nothing. DIR is the state directory, or its\n"
	"`wal`. An agent may be writing it: its newest frames then look torn.\n\n"
	"verify  checks every segment as the next start of the agent would: headers, frames\n"
	"        (CRC), chains, sequences, versions, and tells for each what is damaged,\n"
	"        where, and what the agent would do about it\n"
	"dump    one line for each value of the log: segment, byte, sequence, kind, length,\n"
	"        and whose it is; no content\n\n"
	"Exit codes: 0 the log is whole, 1 something is damaged, 2 usage, or no log.\n";

struct totals {
	const struct terminal *terminal;
	json_t *segments; /* NULL: for people */
	json_t *places;	  /* of the segment that is looked at */
	uint64_t count, damaged, frames, chains, bytes, first_span, last_span;
	uint64_t kinds[WAL_VERIFY_KINDS];
	uint64_t place_count;
	struct {
		uint64_t offset, bytes;
	} printed[PLACES_PRINTED];
};

static const char *verdict_text(const struct wal_segment_report *report)
{
	switch (report->verdict) {
	case WAL_SEGMENT_GOOD:
		return wal_report_is_damaged(report) ? "damaged" : "good";
	case WAL_SEGMENT_EMPTY:
		return "never begun";
	case WAL_SEGMENT_NO_HEADER:
		return "no header";
	case WAL_SEGMENT_OTHER:
		return "other version";
	case WAL_SEGMENT_UNREADABLE:
		return "unreadable";
	}
	return "?";
}

static void sum_up(struct totals *totals, const struct wal_segment_report *report)
{
	totals->count++;
	totals->damaged += wal_report_is_damaged(report);
	totals->frames += report->frames;
	totals->chains += report->chains;
	totals->bytes += report->size;
	for (int i = 0; i < WAL_VERIFY_KINDS; i++)
		totals->kinds[i] += report->kinds[i];
	if (totals->first_span == 0)
		totals->first_span = report->first_span;
	if (report->last_span)
		totals->last_span = report->last_span;
}

/* ---- for people ------------------------------------------------------------------ */

static void range_text(char *text, size_t size, uint64_t first, uint64_t last)
{
	if (last)
		(void)snprintf(text, size, "%" PRIu64 "-%" PRIu64, first, last);
	else
		(void)snprintf(text, size, "-");
}

static void print_problem(uint64_t count, const char *text)
{
	if (count)
		printf("         %" PRIu64 " %s\n", count, text);
}

static void print_problems(const struct totals *totals, const struct wal_segment_report *report)
{
	if (report->verdict == WAL_SEGMENT_NO_HEADER)
		printf("         neither copy of its header is right: it is set aside as "
		       ".corrupt\n");
	if (report->verdict == WAL_SEGMENT_OTHER)
		printf("         version %u, incompat 0x%x: not of this spanring; it is set "
		       "aside\n",
		       report->version, report->incompat);
	if (report->verdict == WAL_SEGMENT_EMPTY)
		printf("         nothing was ever written into it: it is removed\n");
	if (report->error)
		printf("         the disk says: %s\n", strerror(-report->error));
	if (report->header_damaged)
		printf("         one copy of its header is damaged; the other one is used\n");
	print_problem(report->missing_segments, "segments before it are missing");
	print_problem(report->missing_sequences, "frames before it are missing");
	print_problem(report->damaged, "damaged places, passed over:");
	for (uint64_t i = 0; i < totals->place_count && i < PLACES_PRINTED; i++)
		if (!report->tail_bytes || i + 1 < totals->place_count)
			printf("           byte %" PRIu64 ", %" PRIu64 " bytes\n",
			       totals->printed[i].offset, totals->printed[i].bytes);
	print_problem(report->incomplete_chains,
		      "values of which a frame is missing, left out");
	print_problem(report->odd_payloads,
		      "values shorter than what they should be, left out");
	print_problem(report->kinds[0], "values of an unknown kind, left out");
	if (report->tail_bytes)
		printf("         torn tail: %" PRIu64 " bytes behind byte %" PRIu64 ", %s\n",
		       report->tail_bytes, report->used,
		       report->last ? "cut at the next start" : "passed over");
}

static void print_segment(const struct totals *totals, const struct wal_segment_report *report)
{
	bool bad = wal_report_is_damaged(report);
	char sequences[48], spans[48];

	if (totals->count == 0)
		printf("%8s  %8s  %8s  %-17s  %-13s  %s\n", "segment", "frames", "values",
		       "sequences", "spans", "state");
	range_text(sequences, sizeof sequences, report->first_sequence, report->last_sequence);
	range_text(spans, sizeof spans, report->first_span, report->last_span);
	printf("%8" PRIu64 "  %8" PRIu64 "  %8" PRIu64 "  %-17s  %-13s  %s%s%s\n",
	       report->number, report->frames, report->chains, sequences, spans,
	       bad ? terminal_style(totals->terminal, STYLE_ERROR) : "", verdict_text(report),
	       bad ? terminal_style(totals->terminal, STYLE_PLAIN) : "");
	print_problems(totals, report);
}

static void print_totals(const struct totals *totals)
{
	int column = 0;

	printf("\n%" PRIu64 " segments, %.1f MiB, %" PRIu64 " frames, %" PRIu64 " values\n",
	       totals->count, (double)totals->bytes / 1048576, totals->frames, totals->chains);
	for (int i = 1; i < WAL_VERIFY_KINDS; i++) {
		if (!totals->kinds[i])
			continue;
		if (column > KINDS_COLUMNS) {
			printf(",\n");
			column = 0;
		} else if (column) {
			column += printf(", ");
		}
		column += printf("%s %" PRIu64, wal_kind_name((uint8_t)i), totals->kinds[i]);
	}
	printf("%s", column ? "\n" : "");
	if (totals->damaged)
		printf("%s%" PRIu64
		       " segments are damaged%s; the agent starts all the same and "
		       "keeps the rest\n",
		       terminal_style(totals->terminal, STYLE_ERROR), totals->damaged,
		       terminal_style(totals->terminal, STYLE_PLAIN));
	else
		printf("the log is whole\n");
}

/* ---- as JSON ----------------------------------------------------------------------- */

static void put(json_t *object, const char *key, uint64_t value)
{
	(void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static json_t *kinds_json(const uint64_t kinds[WAL_VERIFY_KINDS])
{
	json_t *object = json_object();

	for (int i = 1; i < WAL_VERIFY_KINDS; i++)
		if (kinds[i])
			put(object, wal_kind_name((uint8_t)i), kinds[i]);
	return object;
}

static json_t *segment_json(struct totals *totals, const struct wal_segment_report *report)
{
	json_t *object = json_object();

	put(object, "segment", report->number);
	(void)json_object_set_new(object, "state", json_string(verdict_text(report)));
	(void)json_object_set_new(object, "damaged",
				  json_boolean(wal_report_is_damaged(report)));
	(void)json_object_set_new(object, "error",
				  json_string(report->error ? strerror(-report->error) : ""));
	(void)json_object_set_new(object, "header_damaged",
				  json_boolean(report->header_damaged));
	put(object, "version", report->version);
	put(object, "compat", report->compat);
	put(object, "incompat", report->incompat);
	put(object, "bytes", report->size);
	put(object, "used_bytes", report->used);
	put(object, "frames", report->frames);
	put(object, "values", report->chains);
	put(object, "first_sequence", report->first_sequence);
	put(object, "last_sequence", report->last_sequence);
	put(object, "first_span", report->first_span);
	put(object, "last_span", report->last_span);
	put(object, "damaged_places", report->damaged);
	put(object, "damaged_bytes", report->damaged_bytes);
	put(object, "torn_tail_bytes", report->tail_bytes);
	put(object, "incomplete_chains", report->incomplete_chains);
	put(object, "odd_values", report->odd_payloads);
	put(object, "unknown_kinds", report->kinds[0]);
	put(object, "missing_segments", report->missing_segments);
	put(object, "missing_sequences", report->missing_sequences);
	(void)json_object_set_new(object, "kinds", kinds_json(report->kinds));
	(void)json_object_set(object, "places", totals->places);
	return object;
}

static void print_json(struct totals *totals)
{
	json_t *all = json_object();

	(void)json_object_set_new(all, "whole", json_boolean(totals->damaged == 0));
	put(all, "bytes", totals->bytes);
	put(all, "frames", totals->frames);
	put(all, "values", totals->chains);
	put(all, "first_span", totals->first_span);
	put(all, "last_span", totals->last_span);
	put(all, "damaged_segments", totals->damaged);
	(void)json_object_set_new(all, "kinds", kinds_json(totals->kinds));
	(void)json_object_set(all, "segments", totals->segments);
	(void)terminal_json_print(all);
	json_decref(all);
}

/* ---- verify -------------------------------------------------------------------------- */

static void on_damage(void *arg, uint64_t segment, uint64_t offset, uint64_t bytes)
{
	struct totals *totals = arg;
	json_t *place;

	(void)segment;
	if (totals->place_count < PLACES_PRINTED) {
		totals->printed[totals->place_count].offset = offset;
		totals->printed[totals->place_count].bytes = bytes;
	}
	totals->place_count++;
	if (!totals->places)
		return;
	place = json_object();
	put(place, "offset", offset);
	put(place, "bytes", bytes);
	(void)json_array_append_new(totals->places, place);
}

static void on_segment(void *arg, const struct wal_segment_report *report)
{
	struct totals *totals = arg;

	if (totals->segments)
		(void)json_array_append_new(totals->segments, segment_json(totals, report));
	else
		print_segment(totals, report);
	sum_up(totals, report);
	totals->place_count = 0;
	if (totals->places) {
		json_decref(totals->places);
		totals->places = json_array();
	}
}

static int verify(struct env *env, const char *dir, bool as_json)
{
	struct terminal terminal;
	struct totals totals = {.terminal = &terminal};
	struct wal_verify_ops ops = {
		.segment = on_segment, .damage = on_damage, .arg = &totals};
	int r;

	terminal_find(&terminal);
	if (as_json) {
		totals.segments = json_array();
		totals.places = json_array();
	}
	r = wal_verify(env, dir, &ops);
	if (r == 0 && as_json)
		print_json(&totals);
	else if (r == 0)
		print_totals(&totals);
	json_decref(totals.segments);
	json_decref(totals.places);
	return r < 0 ? r : totals.damaged > 0;
}

/* ---- dump ------------------------------------------------------------------------------ */

static void print_hex(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", at[i]);
}

/* Whose it is: what the payload begins with. */
static void print_owner(uint8_t kind, struct bytes payload)
{
	struct wal_span span;
	struct wal_key key;

	if (kind == WAL_SPAN && payload.len >= sizeof span) {
		memcpy(&span, payload.at, sizeof span);
		printf("  span %" PRIu64 " of trace ", span.number);
		print_hex(span.trace_id, 16);
	} else if (kind == WAL_RECORD && payload.len >= sizeof(struct wal_record)) {
		printf("  ring ");
		print_hex(payload.at, 16);
	} else if (kind >= WAL_STATE && kind <= WAL_KIND_LAST && payload.len >= sizeof key) {
		memcpy(&key, payload.at, sizeof key);
		printf("  %s ", kind == WAL_RUN || kind == WAL_ARCHIVE ? "trace"
				: kind == WAL_CURSOR		       ? "destination"
				: kind == WAL_LEDGER		       ? "key"
				: kind == WAL_PROCESS		       ? "process"
								       : "ring");
		print_hex(key.key, 16);
	}
}

static void on_payload(void *arg, const struct wal_payload_view *view)
{
	(void)arg;
	printf("%6" PRIu64 " %9" PRIu64 " %9" PRIu64 "  %-7s %8zu", view->segment, view->offset,
	       view->sequence, wal_kind_name(view->kind), view->payload.len);
	print_owner(view->kind, view->payload);
	putchar('\n');
}

static void on_dump_damage(void *arg, uint64_t segment, uint64_t offset, uint64_t bytes)
{
	(void)arg;
	printf("%6" PRIu64 " %9" PRIu64 " %9s  damaged %8" PRIu64 "\n", segment, offset, "-",
	       bytes);
}

static void on_dump_segment(void *arg, const struct wal_segment_report *report)
{
	bool *damaged = arg;

	*damaged |= wal_report_is_damaged(report);
	if (report->verdict != WAL_SEGMENT_GOOD)
		printf("%6" PRIu64 "  %s\n", report->number, verdict_text(report));
}

static int dump(struct env *env, const char *dir)
{
	bool damaged = false;
	struct wal_verify_ops ops = {.segment = on_dump_segment,
				     .damage = on_dump_damage,
				     .payload = on_payload,
				     .arg = &damaged};
	int r = wal_verify(env, dir, &ops);

	return r < 0 ? r : damaged;
}

/* ---- arguments --------------------------------------------------------------------------- */

static int usage(const char *text, const char *argument)
{
	(void)fprintf(stderr, "spanring wal: %s%s%s; see spanring wal --help\n", text,
		      *argument ? " " : "", argument);
	return 2;
}

/* The log's own directory, as `recover` finds it. */
static int find_log(const char *dir, char ret_dir[PATH_MAX])
{
	static struct evidence evidence;
	char reason[EVIDENCE_REASON_BYTES] = "";

	if (evidence_find(&evidence, dir, reason) == 0 && *evidence.wal_dir) {
		(void)snprintf(ret_dir, PATH_MAX, "%s", evidence.wal_dir);
		return 0;
	}
	(void)fprintf(
		stderr,
		"spanring wal: no log in %s: a wal-<16 digits>.log is looked for there, in "
		"`wal` and in `state/wal`\n",
		dir);
	return 2;
}

static int act(const char *action, const char *dir, bool as_json)
{
	char log_dir[PATH_MAX];
	struct env *env;
	int r;

	if (find_log(dir, log_dir) != 0)
		return 2;
	if (env_linux_new(&env, &(struct env_linux_options){ENV_LINUX_URING_NEVER}) < 0)
		return usage("out of memory or descriptors", "");
	r = strcmp(action, "dump") == 0 ? dump(env, log_dir) : verify(env, log_dir, as_json);
	env_linux_free(env);
	if (r >= 0)
		return r;
	(void)fprintf(stderr, "spanring wal: %s cannot be read: %s\n", log_dir, strerror(-r));
	return 1;
}

int wal_main(int argc, char **argv)
{
	const char *action = NULL, *dir = NULL;
	bool as_json = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			(void)fputs(help_text, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--json") == 0)
			as_json = true;
		else if (argv[i][0] == '-' || dir)
			return usage("not understood:", argv[i]);
		else if (!action)
			action = argv[i];
		else
			dir = argv[i];
	}
	if (!action)
		return usage("the action is verify or dump; none was said", "");
	if (strcmp(action, "verify") != 0 && strcmp(action, "dump") != 0)
		return usage("verify or dump, not", action);
	if (!dir)
		return usage("no directory was said", "");
	return act(action, dir, as_json);
}
