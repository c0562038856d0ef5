/* spanring list: the runs there are. */
#include "list.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "arguments.h"
#include "verbs.h"

static const char help_text[] =
	"usage: spanring list [OPTION]... [DIR|FILE]...\n"
	"\n"
	"Lists runs, newest first: those whose archives are in DIR [./data], or in these\n"
	"FILEs. What the agent wrote into the head of a file is enough, so many are\n"
	"listed fast; a file without it is read whole.\n"
	"\n"
	"  id        the first digits of the trace id; `spanring show ID` takes them\n"
	"  status    ok          complete, and no span failed\n"
	"            quiet       likewise, but nobody said that it is over, as with\n"
	"                        servers and OpenTelemetry's SDKs\n"
	"            error       nothing is missing, and a span failed\n"
	"            incomplete  something of it is missing or was cut off\n"
	"            open        it is still being written (.partial)\n"
	"  start     in UTC; the day alone when it was in another year\n"
	"  tokens    in>out, over all calls\n"
	"\n"
	"Which:\n"
	"\n"
	"  --since WHEN, --until WHEN   started then or later; before. WHEN is\n"
	"                               2026-01-31, 2026-01-31T12:00 (UTC), or an age:\n"
	"                               90m, 12h, 7d\n"
	"  --last N                     the N newest of what the others leave\n"
	"  --name GLOB                  as the run was called, else its service\n"
	"  --service GLOB               its service.name\n"
	"  --module GLOB                one of its processes\n"
	"  --status STATUS              one of the five, or several: error,incomplete\n"
	"  --errors                     a span of it failed, whatever its status\n"
	"  --min-duration TIME          30s, 5m, 1h or longer\n"
	"\n"
	"How:\n"
	"\n"
	"  --json   one JSON object per run, each on a line, with all that is known\n"
	"\n"
	"Columns fit the terminal (or COLUMNS); into a pipe all of them go, uncut and\n"
	"without colours (NO_COLOR switches them off elsewhere), the file as the last.\n"
	"\n"
	"  spanring list --last 5\n"
	"  spanring list --since 24h --status error,incomplete\n"
	"  spanring list --json --min-duration 10m | jq -r .file\n"
	"\n"
	"Exit codes: 0 listed, also when there was nothing, 1 a directory or file could\n"
	"not be read (the others are listed), 2 wrong usage.\n";

/* --- which -------------------------------------------------------------- */

struct filter {
	uint64_t since_ns, until_ns, min_duration_ns, last;
	const char *name, *service, *module;
	unsigned statuses; /* a bit for each; 0: all */
	bool errors, json;
};

static bool is_called(const char *glob, const char *name)
{
	return !glob || fnmatch(glob, name, 0) == 0;
}

static bool has_module(const char *glob, json_t *modules)
{
	json_t *module;
	size_t i;

	json_array_foreach (modules, i, module)
		if (is_called(glob, json_string_value(module)))
			return true;
	return !glob;
}

static bool is_wanted(const struct filter *filter, const struct run_entry *entry)
{
	return entry->start_ns >= filter->since_ns && entry->start_ns < filter->until_ns &&
	       entry->end_ns - entry->start_ns >= filter->min_duration_ns &&
	       (!filter->statuses || filter->statuses & 1u << entry->status) &&
	       (!filter->errors || entry->errors > 0) && is_called(filter->name, entry->name) &&
	       is_called(filter->service, entry->service) &&
	       has_module(filter->module, entry->modules);
}

static size_t filter_runs(struct run_list *list, const struct filter *filter)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count && kept < filter->last; i++) {
		struct run_entry entry = list->entries[i];

		if (!is_wanted(filter, &entry))
			continue;
		/* Changed places, so that the list still owns each once. */
		list->entries[i] = list->entries[kept];
		list->entries[kept++] = entry;
	}
	return kept;
}

/* --- options ------------------------------------------------------------ */

/* A moment in UTC, or an age. */
static bool read_when(const char *text, uint64_t *ret_ns)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
					    "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"};
	uint64_t now = (uint64_t)time(NULL) * 1000000000, age;

	if (argument_duration(text, &age)) {
		*ret_ns = age < now ? now - age : 0;
		return true;
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm utc = {0};
		const char *end = strptime(text, forms[i], &utc);

		if (!end || (*end && strcmp(end, "Z") != 0))
			continue;
		*ret_ns = (uint64_t)timegm(&utc) * 1000000000;
		return true;
	}
	return false;
}

static bool read_statuses(const char *text, unsigned *ret_statuses)
{
	unsigned statuses = 0;

	while (*text) {
		size_t len = strcspn(text, ",");
		unsigned before = statuses;

		for (unsigned status = RUN_OK; status <= RUN_OPEN; status++)
			if (strlen(run_status_name(status)) == len &&
			    strncmp(text, run_status_name(status), len) == 0)
				statuses |= 1u << status;
		if (statuses == before)
			return false;
		text += len + (text[len] == ',');
	}
	*ret_statuses = statuses;
	return statuses != 0;
}

/* -1: no such option, 0: taken, 2: what was wrong is said. */
static int take_value(struct filter *filter, struct arguments *arguments)
{
	const struct {
		const char *name, **text;
	} texts[] = {{"--name", &filter->name},
		     {"--service", &filter->service},
		     {"--module", &filter->module}};
	const struct {
		const char *name;
		uint64_t *number;
		bool (*read)(const char *text, uint64_t *ret_number);
		const char *problem;
	} numbers[] = {
		{"--since", &filter->since_ns, read_when, "no time (2026-01-31, 12h): "},
		{"--until", &filter->until_ns, read_when, "no time (2026-01-31, 12h): "},
		{"--last", &filter->last, argument_number, "no number of runs: "},
		{"--min-duration", &filter->min_duration_ns, argument_duration,
		 "no duration (30s, 5m, 1h): "},
	};
	const char *value;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (argument_takes(arguments, texts[i].name, texts[i].text))
			return *texts[i].text ? 0 : 2;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!argument_takes(arguments, numbers[i].name, &value))
			continue;
		if (!value)
			return 2;
		return numbers[i].read(value, numbers[i].number)
			       ? 0
			       : argument_wrong(arguments, numbers[i].problem, value);
	}
	if (!argument_takes(arguments, "--status", &value))
		return -1;
	if (!value)
		return 2;
	return read_statuses(value, &filter->statuses)
		       ? 0
		       : argument_wrong(
				 arguments,
				 "no status (ok, quiet, error, incomplete, open): ", value);
}

/* Paths are moved to the front of argv. -1: go on, else the exit code. */
static int parse(struct filter *filter, struct arguments *arguments, int *ret_paths)
{
	const struct argument_flag flags[] = {{"--json", &filter->json},
					      {"--errors", &filter->errors}};

	for (arguments->at = 1; arguments->at < arguments->argc; arguments->at++) {
		char *argument = arguments->argv[arguments->at];
		int taken;

		if (argument_is(arguments, "--help") || argument_is(arguments, "-h")) {
			(void)fputs(help_text, stdout);
			return 0;
		}
		if (argument_sets(arguments, flags, sizeof(flags) / sizeof(flags[0])))
			continue;
		taken = take_value(filter, arguments);
		if (taken > 0)
			return taken;
		if (taken == 0)
			continue;
		if (argument[0] == '-' && argument[1])
			return argument_wrong(arguments, "no such option: ", argument);
		arguments->argv[1 + (*ret_paths)++] = argument;
	}
	return -1;
}

/* --- the verb ----------------------------------------------------------- */

static void say_problem(void *arg, const char *sentence)
{
	static const struct terminal plain = {.columns = 0};
	struct buf text = BUF_INIT;

	(void)arg;
	/* A name may be anybody's. */
	(void)terminal_text(&text, &plain, bytes_of(sentence), 0);
	if (!buf_failed(&text))
		(void)fprintf(stderr, "spanring list: %.*s\n", (int)text.len,
			      (const char *)text.at);
	buf_fini(&text);
}

static int print_runs(const struct run_list *list, size_t count, bool json)
{
	struct buf out = BUF_INIT;
	struct terminal terminal;
	int r = 0;

	terminal_find(&terminal);
	if (json)
		r = list_json(&out, list->entries, count);
	else
		list_table(&out, &terminal, time(NULL), list->entries, count);
	if (r < 0 || buf_failed(&out)) {
		(void)fputs("spanring list: out of memory\n", stderr);
		r = 1;
	} else {
		/* A reader that has seen enough (`| head`) is no failure of ours. */
		r = fwrite(out.at, 1, out.len, stdout) != out.len && errno != EPIPE;
		r |= fflush(stdout) != 0 && errno != EPIPE;
	}
	buf_fini(&out);
	return r;
}

/* Why the table is empty; for people, so not where scripts read. */
static void say_nothing(const struct run_list *list, const char *where)
{
	if (list->count)
		(void)fprintf(stderr, "spanring list: none of %zu runs is of that kind\n",
			      list->count);
	else if (!list->failed)
		(void)fprintf(stderr, "spanring list: no archives in %s\n", where);
}

int list_main(int argc, char **argv)
{
	struct arguments arguments = {.verb = "list", .argc = argc, .argv = argv};
	struct filter filter = {.until_ns = UINT64_MAX, .last = UINT64_MAX};
	struct run_list list;
	int paths = 0, code, r = 0;
	size_t count;

	code = parse(&filter, &arguments, &paths);
	if (code >= 0)
		return code;
	run_list_init(&list, say_problem, NULL);
	if (paths == 0)
		r = run_list_add(&list, "data");
	for (int i = 1; i <= paths && r >= 0; i++)
		r = run_list_add(&list, argv[i]);
	run_list_sort(&list);
	count = filter_runs(&list, &filter);
	code = list.failed;
	if (r < 0) {
		(void)fputs("spanring list: out of memory\n", stderr);
		code = 1;
	} else if (count > 0) {
		code |= print_runs(&list, count, filter.json);
	} else {
		say_nothing(&list, paths == 0	? "./data"
				   : paths == 1 ? argv[1]
						: "any of them");
	}
	run_list_fini(&list);
	return code;
}
