/* What an archive says, against what the modules wrote (sim_world.h). */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim_summary.h"
#include "sim_world.h"

/* By record of a thread: how often it was found. */
struct found_thread {
	uint8_t records[SIM_RECORDS_MAX];
	uint8_t spans[SIM_SPANS_MAX];
};

struct found {
	const struct sim_world *world;
	struct sim_leave leave;
	struct found_thread threads[SIM_MODULES_MAX][SIM_THREADS];
	/* Wall time of a module's clock at zero; 0: not known yet. */
	uint64_t wall_at_zero[SIM_MODULES_MAX];
	const char *mark;
	int64_t mark_value;
	uint64_t marks;
	uint64_t records;
	uint64_t undelivered; /* spans */
	bool wrong;
};

static void wrong(struct found *found, const char *what, uint32_t module, unsigned thread,
		  uint32_t which)
{
	found->wrong = true;
	(void)fprintf(stderr, "sim: %s: module %u, thread %u, number %u\n", what, module,
		      thread, which);
}

/* ---- one span ------------------------------------------------------------------- */

static json_t *value_of(json_t *span, const char *key)
{
	json_t *attribute;
	size_t i;

	json_array_foreach (json_object_get(span, "attributes"), i, attribute)
		if (strcmp(json_string_value(json_object_get(attribute, "key")), key) == 0)
			return json_object_get(attribute, "value");
	return NULL;
}

static uint64_t number_of(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		return strtoull(json_string_value(value), NULL, 10);
	return (uint64_t)json_integer_value(value);
}

static bool number_is_there(json_t *span, uint32_t number)
{
	json_t *value = value_of(span, "n");

	return value && number_of(value, "intValue") == number;
}

static bool payload_is_there(const struct sim_module *module, unsigned thread, uint32_t number,
			     json_t *span)
{
	static char payload[SIM_PAYLOAD_MAX];
	uint32_t len = sim_payload(module, thread, number, payload);
	const char *text =
		json_string_value(json_object_get(value_of(span, "payload"), "stringValue"));

	return text && strlen(text) == len && memcmp(text, payload, len) == 0;
}

/* A span may also have the event of its process's death. */
static bool event_is_there(json_t *span)
{
	json_t *event;
	size_t i, n = 0;

	json_array_foreach (json_object_get(span, "events"), i, event)
		n += strcmp(json_string_value(json_object_get(event, "name")), "tick") == 0;
	return n == 1;
}

static bool end_is_there(json_t *span)
{
	return !value_of(span, "spanring.end.reason");
}

static bool record_is_there(const struct sim_module *module, unsigned thread,
			    const struct sim_record *record, json_t *span)
{
	switch (record->kind) {
	case SIM_START:
		return true;
	case SIM_NUMBER:
		return number_is_there(span, record->span);
	case SIM_PAYLOAD:
		return payload_is_there(module, thread, record->span, span);
	case SIM_EVENT:
		return event_is_there(span);
	default:
		return end_is_there(span);
	}
}

/* Whatever the span has that nobody wrote. */
static bool is_more_than_written(const struct sim_thread *row, uint32_t number, json_t *span)
{
	uint32_t kinds = 0;

	for (uint32_t i = 0; i < row->count; i++)
		if (row->records[i].span == number)
			kinds |= 1u << row->records[i].kind;
	return (value_of(span, "n") && !(kinds & 1u << SIM_NUMBER)) ||
	       (value_of(span, "payload") && !(kinds & 1u << SIM_PAYLOAD)) ||
	       (event_is_there(span) && !(kinds & 1u << SIM_EVENT)) ||
	       (end_is_there(span) && !(kinds & 1u << SIM_END));
}

/* A span that was ended has exactly the time its module measured. */
static bool duration_is_right(const struct sim_thread *row, uint32_t number, json_t *span)
{
	uint64_t start = 0, end = 0;

	for (uint32_t i = 0; i < row->count; i++) {
		if (row->records[i].span == number && row->records[i].kind == SIM_START)
			start = row->records[i].ticks;
		if (row->records[i].span == number && row->records[i].kind == SIM_END)
			end = row->records[i].ticks;
	}
	/* Since boot: a suspend it lived through counts, and is marked. */
	end += number_of(value_of(span, "spanring.suspended_ns"), "intValue");
	return !end_is_there(span) ||
	       number_of(span, "endTimeUnixNano") - number_of(span, "startTimeUnixNano") ==
		       end - start;
}

/* Order and distance of a module's spans are those it measured. */
static bool start_is_right(struct found *found, uint32_t which, const struct sim_thread *row,
			   uint32_t number, json_t *span)
{
	uint64_t ticks = 0, zero;

	for (uint32_t i = 0; i < row->count; i++)
		if (row->records[i].span == number && row->records[i].kind == SIM_START)
			ticks = row->records[i].ticks;
	zero = number_of(span, "startTimeUnixNano") - ticks;
	if (found->wall_at_zero[which] == 0)
		found->wall_at_zero[which] = zero;
	return found->wall_at_zero[which] == zero;
}

static void span_found(struct found *found, json_t *span)
{
	const char *text = json_string_value(json_object_get(span, "spanId"));
	const struct sim_module *module;
	const struct sim_thread *row;
	struct found_thread *there;
	uint32_t number, which;
	unsigned thread;
	uint64_t id;

	id = text ? __builtin_bswap64(strtoull(text, NULL, 16)) : 0;
	sim_span_place(id, &which, &thread, &number);
	if (which >= found->world->module_count || thread >= SIM_THREADS ||
	    number >= found->world->modules[which].threads[thread].spans) {
		wrong(found, "a span nobody wrote", which, thread, number);
		return;
	}
	module = &found->world->modules[which];
	row = &module->threads[thread];
	there = &found->threads[which][thread];
	if (there->spans[number]++)
		wrong(found, "a span is there twice", which, thread, number);
	if (is_more_than_written(row, number, span))
		wrong(found, "a span has what nobody wrote", which, thread, number);
	if (!found->leave.other_clocks && !duration_is_right(row, number, span))
		wrong(found, "a span's duration is wrong", which, thread, number);
	if (!found->leave.steps && !start_is_right(found, which, row, number, span))
		wrong(found, "a span's start has moved", which, thread, number);
	if (number_of(span, "endTimeUnixNano") < number_of(span, "startTimeUnixNano"))
		wrong(found, "a span ends before it starts", which, thread, number);
	if (found->mark && value_of(span, found->mark) &&
	    (int64_t)number_of(value_of(span, found->mark), "intValue") == found->mark_value)
		found->marks++;
	for (uint32_t i = 0; i < row->count; i++)
		if (row->records[i].span == number &&
		    record_is_there(module, thread, &row->records[i], span))
			there->records[i] = 1;
}

/* ---- files ------------------------------------------------------------------------ */

static bool has_span(json_t *spans, const char *id)
{
	json_t *span;
	size_t i;

	json_array_foreach (spans, i, span)
		if (strcmp(json_string_value(json_object_get(span, "spanId")), id) == 0)
			return true;
	return false;
}

/* All spans of a file, in one array. */
static json_t *spans_of(json_t *file)
{
	json_t *all = json_array(), *resource, *scope;
	size_t i, j;

	json_array_foreach (json_object_get(file, "resourceSpans"), i, resource)
		json_array_foreach (json_object_get(resource, "scopeSpans"), j, scope)
			(void)json_array_extend(all, json_object_get(scope, "spans"));
	return all;
}

static void file_found(struct found *found, const char *path)
{
	json_error_t error;
	json_t *file = json_load_file(path, 0, &error), *spans, *span;
	const char *summary;
	size_t i;

	if (!file) {
		found->wrong = true;
		(void)fprintf(stderr, "sim: %s does not parse: %s, line %d\n", path, error.text,
			      error.line);
		return;
	}
	spans = spans_of(file);
	if (json_array_size(spans) == 0) {
		found->wrong = true;
		(void)fprintf(stderr, "sim: %s has no span\n", path);
	}
	summary = sim_summary_check(file, spans);
	if (summary) {
		found->wrong = true;
		(void)fprintf(stderr, "sim: %s: %s\n", path, summary);
	}
	json_array_foreach (spans, i, span) {
		const char *parent = json_string_value(json_object_get(span, "parentSpanId"));

		span_found(found, span);
		if (parent && parent[0] && !found->leave.gaps && !has_span(spans, parent)) {
			found->wrong = true;
			(void)fprintf(stderr, "sim: %s: parent %s is missing\n", path, parent);
		}
	}
	json_decref(spans);
	json_decref(file);
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = strlen(suffix);

	return len >= tail && strcmp(name + len - tail, suffix) == 0;
}

static int is_archive(const struct dirent *entry)
{
	return ends_with(entry->d_name, ".otlp.json");
}

static void files_found(struct found *found)
{
	char directory[SIM_PATH_BYTES], path[SIM_PATH_BYTES + 256];
	struct dirent **names;
	int n;

	sim_path(found->world, "disk/archive", directory);
	n = scandir(directory, &names, is_archive, alphasort);
	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", directory, names[i]->d_name);
		file_found(found, path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/* ---- what must be there ---------------------------------------------------------------- */

static void thread_check(struct found *found, uint32_t which, unsigned thread)
{
	const struct sim_module *module = &found->world->modules[which];
	const struct sim_thread *row = &module->threads[thread];
	const struct found_thread *there = &found->threads[which][thread];
	bool missed = false;

	for (uint32_t i = 0; i < row->count; i++) {
		found->records += there->records[i];
		if (!there->records[i] && row->records[i].when_ns < module->safe_ns &&
		    !found->leave.lossy) {
			wrong(found, "a record that was safe is lost", which, thread, i);
			return;
		}
		if (there->records[i] && missed && !found->leave.gaps) {
			wrong(found, "a record is missing in front of this one", which, thread,
			      i);
			return;
		}
		missed |= !there->records[i];
	}
	for (uint32_t i = 0; i < row->spans && !found->leave.undelivered; i++)
		if (there->spans[i] && !found->world->delivered[which][thread][i] &&
		    found->undelivered++ >= found->leave.given_up) {
			wrong(found, "the collector never got a span", which, thread, i);
			return;
		}
}

bool sim_check_archive(const struct sim_world *world, struct sim_leave leave,
		       uint64_t *ret_records)
{
	struct found *found = calloc(1, sizeof *found);
	bool right;

	if (!found)
		abort();
	found->world = world;
	found->leave = leave;
	files_found(found);
	for (uint32_t i = 0; i < world->module_count; i++)
		for (unsigned j = 0; j < SIM_THREADS; j++)
			thread_check(found, i, j);
	*ret_records = found->records;
	right = !found->wrong;
	free(found);
	return right;
}

uint64_t sim_count_marks(const struct sim_world *world, const char *key, int64_t value)
{
	struct found *found = calloc(1, sizeof *found);
	uint64_t marks;

	if (!found)
		abort();
	found->world = world;
	found->leave = (struct sim_leave){.other_clocks = true, .steps = true};
	found->mark = key;
	found->mark_value = value;
	files_found(found);
	marks = found->marks;
	free(found);
	return marks;
}

/* ---- I10 -----------------------------------------------------------------------------------
 */

static bool nothing_but(const struct sim_world *world, const char *name,
			bool (*allowed)(const char *name))
{
	const struct dirent *entry;
	char path[SIM_PATH_BYTES];
	bool right = true;
	DIR *dir;

	sim_path(world, name, path);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' || allowed(entry->d_name))
			continue;
		right = false;
		(void)fprintf(stderr, "sim: %s/%s is left\n", name, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return right;
}

static bool ring_may_stay(const char *name)
{
	/* Rings in the making are of modules that have not begun. */
	return strcmp(name, WIRE_PAGE_NAME) == 0 || ends_with(name, WIRE_TEMPORARY_SUFFIX);
}

static bool archive_may_stay(const char *name)
{
	return ends_with(name, ".otlp.json");
}

static bool aside_may_stay(const char *name)
{
	return archive_may_stay(name) || strstr(name, ".kept-");
}

bool sim_spools_are_left(const struct sim_world *world)
{
	char pattern[SIM_PATH_BYTES];
	glob_t found;
	int r;

	sim_path(world, "disk/archive/*.partial", pattern);
	r = glob(pattern, GLOB_NOSORT, NULL, &found);
	if (r == 0)
		globfree(&found);
	return r == 0;
}

bool sim_check_left(const struct sim_world *world, bool damaged)
{
	bool rings = nothing_but(world, "rings", ring_may_stay);
	bool files =
		nothing_but(world, "disk/archive", damaged ? aside_may_stay : archive_may_stay);

	return rings && files;
}

/* ---- I1 ------------------------------------------------------------------------------------
 */

static uint64_t terms(json_t *part, const char *const *names)
{
	uint64_t sum = 0;

	for (; *names; names++)
		sum += number_of(part, *names);
	return sum;
}

static uint64_t dropped(json_t *part)
{
	const char *name;
	uint64_t sum = 0;
	json_t *value;

	json_object_foreach (part, name, value)
		if (strncmp(name, "dropped_", 8) == 0)
			sum += (uint64_t)json_integer_value(value);
	return sum;
}

static bool equal(const char *what, json_t *part, uint64_t left, uint64_t right)
{
	char *text;

	if (left == right)
		return true;
	text = json_dumps(part, JSON_COMPACT);
	(void)fprintf(stderr, "sim: %s do not add up: %s\n", what, text);
	free(text);
	return false;
}

static bool ledgers_hold(json_t *status)
{
	json_t *records = json_object_get(status, "records");
	json_t *spans = json_object_get(status, "spans");
	json_t *archive = json_object_get(status, "archive"), *part;
	bool right = true;
	size_t i;

	json_array_foreach (json_object_get(status, "rings"), i, part)
		right &= equal("a ring's records", part, number_of(part, "written"),
			       terms(part, (const char *const[]){"drained", "held", NULL}) +
				       dropped(part));
	right &= equal("the records", records, number_of(records, "handed_in"),
		       terms(records, (const char *const[]){"applied", "parked", NULL}) +
			       dropped(records));
	right &= equal("the spans", spans,
		       terms(spans, (const char *const[]){"started", "received", "found_again",
							  "corrected", NULL}),
		       terms(spans, (const char *const[]){"finished", "open", "dropped_invalid",
							  "lost_in_log", NULL}));
	json_array_foreach (json_object_get(status, "export"), i, part)
		right &= equal("a destination's spans", part, number_of(part, "pushed"),
			       terms(part, (const char *const[]){"sent", "waiting", "rejected",
								 "dropped_too_large", NULL}));
	json_array_foreach (json_object_get(json_object_get(status, "ledger"), "export"), i,
			    part)
		right &= equal(
			"a destination's spans since the log began", part,
			number_of(part, "finished"),
			terms(part,
			      (const char *const[]){"sent", "waiting", "rejected_partial",
						    "rejected_status", "uncounted", NULL}) +
				dropped(part));
	if (archive)
		right &= equal(
			"the archive's spans", archive,
			terms(archive, (const char *const[]){"spans", "recovered", NULL}),
			terms(archive, (const char *const[]){"archived", "waiting",
							     "dropped_filtered", "dropped_lost",
							     "dropped_superseded", NULL}));
	return right;
}

bool sim_check_ledgers(struct pipeline *pipeline)
{
	struct buf text = BUF_INIT;
	json_t *status = NULL;
	bool right;

	if (pipeline_status(pipeline, &text) == 0)
		status = json_loadb((const char *)text.at, text.len, 0, NULL);
	if (!status)
		(void)fprintf(stderr, "sim: the status does not parse\n");
	right = status && ledgers_hold(status);
	json_decref(status);
	buf_fini(&text);
	return right;
}
