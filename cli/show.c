/* spanring show: a run as a tree with durations and bars. */
#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "span_tree.h"
#include "verbs.h"

static const char help_text[] =
	"usage: spanring show [--attributes] [--json] FILE|-\n\n"
	"Prints an archived run as a tree: what called what, how long it took, and when (the\n"
	"bars share one time axis). FILE is an archive, the .partial file of a run that is\n"
	"still open, or any OTLP/JSON a collector wrote; - reads standard input.\n\n"
	"  \xe2\x9c\x97 or !      the span failed, or its process died while it was open; the\n"
	"              line below says how\n"
	"  ?           its parent is not in the file\n"
	"  [module]    the span was made by another process than the one above\n"
	"  in>out      tokens of an LLM call, with the model\n\n"
	"  -a, --attributes   also every attribute and event, and whose each process is\n"
	"      --json         one JSON object: traces, modules, spans in the order of the\n"
	"                     tree with their depth\n\n"
	"Fits the terminal (or COLUMNS); into a pipe nothing is cut and nothing coloured.\n"
	"NO_COLOR switches colours off.\n\n"
	"  spanring show data/agento_run_20260101T120000000000.otlp.json\n"
	"  spanring show -a FILE | less\n"
	"  spanring show --json FILE | jq '.traces[].spans[] | select(.status==\"error\")'\n\n"
	"Exit codes: 0 shown, 1 cannot be read, 2 wrong usage.\n";

/* --- facts -------------------------------------------------------------- */

const char *show_end_reason(const struct archive_span *span)
{
	return otlp_text(span->span, "spanring.end.reason");
}

bool show_tokens(const struct archive_span *span, int64_t *ret_input, int64_t *ret_output)
{
	bool has_input, has_output;

	*ret_input = *ret_output = 0;
	has_input = otlp_int(span->span, "gen_ai.usage.input_tokens", ret_input);
	has_output = otlp_int(span->span, "gen_ai.usage.output_tokens", ret_output);
	return has_input || has_output;
}

bool show_is_bad_end(const char *reason)
{
	return reason && strcmp(reason, "process_exit") != 0 &&
	       strcmp(reason, "sigterm") != 0 && strcmp(reason, "shutdown") != 0;
}

static uint32_t count_modules(const struct archive_file *file,
			      const struct archive_trace *trace)
{
	uint8_t *seen = calloc(file->module_count + 1, 1);
	uint32_t count = 0;

	for (size_t i = 0; seen && i < file->span_count; i++) {
		const struct archive_span *span = &file->spans[i];

		if (strcmp(span->trace_id, trace->trace_id) != 0 || seen[span->module])
			continue;
		seen[span->module] = 1;
		count++;
	}
	free(seen);
	return count;
}

void show_sum(const struct archive_file *file, const struct archive_trace *trace,
	      struct show_sums *ret_sums)
{
	struct show_sums sums = {.modules = count_modules(file, trace)};
	unsigned depth = 0;

	for (struct archive_span *span = trace->root; span;
	     span = span_tree_next(span, &depth)) {
		json_t *resource = json_object_get(span->resource, "resource");
		int64_t input, output;

		sums.errors += span->status == 2 && !show_is_bad_end(show_end_reason(span));
		sums.closed += show_end_reason(span) != NULL;
		if (show_tokens(span, &input, &output)) {
			sums.has_tokens = true;
			(void)__builtin_add_overflow(sums.input_tokens, input,
						     &sums.input_tokens);
			(void)__builtin_add_overflow(sums.output_tokens, output,
						     &sums.output_tokens);
		}
		if (!sums.service)
			sums.service = otlp_text(resource, "service.name");
	}
	if (!sums.service)
		sums.service = "unknown_service";
	*ret_sums = sums;
}

void show_duration(char *text, size_t size, uint64_t ns)
{
	static const struct {
		uint64_t below;
		double divide;
		const char *unit;
	} units[] = {
		{UINT64_C(1000), 1, "ns"},
		{UINT64_C(999500), 1e3, "us"},
		{UINT64_C(999500000), 1e6, "ms"},
		{UINT64_C(59950000000), 1e9, "s"},
	};
	uint64_t seconds = (ns + 500000000) / 1000000000;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double value = (double)ns / units[i].divide;

		if (ns >= units[i].below)
			continue;
		(void)snprintf(text, size, "%.*f %s", i == 0 || value >= 99.95 ? 0 : 1, value,
			       units[i].unit);
		return;
	}
	if (seconds < 3600)
		(void)snprintf(text, size, "%" PRIu64 " m %02" PRIu64 " s", seconds / 60,
			       seconds % 60);
	else if (seconds < 360000)
		(void)snprintf(text, size, "%" PRIu64 " h %02" PRIu64 " m", seconds / 3600,
			       seconds / 60 % 60);
	else
		(void)snprintf(text, size, "%" PRIu64 " d %02" PRIu64 " h", seconds / 86400,
			       seconds / 3600 % 24);
}

/* --- the head of a run -------------------------------------------------- */

/* 1234567 as 1,234,567. */
static void put_number(struct buf *out, int64_t number)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRId64, number);

	for (int i = 0; i < n; i++) {
		(void)buf_append_byte(out, (uint8_t)digits[i]);
		if ((n - i) % 3 == 1 && i + 1 < n && digits[i] != '-')
			(void)buf_append_byte(out, ',');
	}
}

static void put_start(struct buf *out, uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm utc;
	char text[32];

	(void)gmtime_r(&seconds, &utc);
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &utc);
	(void)buf_printf(out, "%s.%03u UTC", text, (unsigned)(ns / 1000000 % 1000));
}

/* One more thing to say in the line, or in the next where it does not fit. */
static void put_item(struct show *show, enum terminal_style style, struct buf *item)
{
	unsigned width = terminal_width(buf_bytes(item));

	if (show->head_columns) {
		bool fits = !show->terminal.columns ||
			    show->head_columns + 2 + width < show->terminal.columns;

		(void)buf_append_text(&show->out, fits ? ", " : ",\n");
		show->head_columns = fits ? show->head_columns + 2 : 0;
	}
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, style));
	(void)buf_append(&show->out, item->at, item->len);
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_PLAIN));
	show->head_columns += width;
	buf_reset(item);
}

static void put_count(struct show *show, enum terminal_style style, uint64_t count,
		      const char *one, const char *many)
{
	struct buf item = BUF_INIT;

	if (count > 0) {
		put_number(&item, (int64_t)count);
		(void)buf_printf(&item, " %s", count == 1 ? one : many);
		put_item(show, style, &item);
	}
	buf_fini(&item);
}

static void put_tokens(struct show *show, const struct show_sums *sums)
{
	struct buf item = BUF_INIT;

	if (sums->has_tokens) {
		(void)buf_append_text(&item, "tokens ");
		put_number(&item, sums->input_tokens);
		(void)buf_append_text(&item, " in and ");
		put_number(&item, sums->output_tokens);
		(void)buf_append_text(&item, " out");
		put_item(show, STYLE_MODEL, &item);
	}
	buf_fini(&item);
}

static void put_counts(struct show *show, const struct archive_trace *trace,
		       const struct show_sums *sums)
{
	struct buf item = BUF_INIT;

	show->head_columns = 0;
	put_count(show, STYLE_PLAIN, trace->spans, "span", "spans");
	put_count(show, STYLE_PLAIN, sums->modules, "process", "processes");
	put_count(show, STYLE_ERROR, sums->errors, "error", "errors");
	put_count(show, STYLE_ERROR, sums->closed, "closed by the agent",
		  "closed by the agent");
	if (trace->roots > 1)
		put_count(show, STYLE_WARNING, trace->roots, "", "roots");
	if (trace->roots == 0) {
		(void)buf_append_text(&item, "no root");
		put_item(show, STYLE_WARNING, &item);
	}
	put_count(show, STYLE_WARNING, trace->orphans, "without its parent",
		  "without their parent");
	put_tokens(show, sums);
	buf_fini(&item);
}

static void put_head(struct show *show, const struct archive_trace *trace,
		     const struct show_sums *sums)
{
	unsigned columns = show->terminal.columns;
	struct buf *out = &show->out;
	char duration[32];

	(void)buf_append_text(out, terminal_style(&show->terminal, STYLE_BOLD));
	(void)terminal_text(out, &show->terminal, bytes_of(sums->service),
			    !columns	   ? 0
			    : columns > 48 ? columns - 38
					   : 10);
	(void)buf_append_text(out, terminal_style(&show->terminal, STYLE_PLAIN));
	(void)buf_append_text(out, columns && columns < 48 ? "\n" : "  run ");
	(void)terminal_text(out, &show->terminal, bytes_of(trace->trace_id), 32);
	(void)buf_append_text(out, "\n");
	put_start(out, trace->start_ns);
	show_duration(duration, sizeof(duration), trace->end_ns - trace->start_ns);
	(void)buf_printf(out, ", %s\n", duration);
	put_counts(show, trace, sums);
	(void)buf_append_text(out, "\n\n");
}

void show_text(struct show *show)
{
	for (size_t i = 0; i < show->file->trace_count; i++) {
		const struct archive_trace *trace = &show->file->traces[i];
		struct show_sums sums;

		if (i)
			(void)buf_append_text(&show->out, "\n");
		show_sum(show->file, trace, &sums);
		put_head(show, trace, &sums);
		show_tree(show, trace);
	}
	if (show->file->torn)
		(void)buf_append_text(&show->out,
				      "\nThe last line of the file is cut off: the run "
				      "is still being written.\n");
}

/* --- the verb ----------------------------------------------------------- */

struct arguments {
	const char *path;
	bool json, attributes;
};

static int usage(const char *problem, const char *argument)
{
	(void)fprintf(stderr, "spanring show: %s%s; see spanring show --help\n", problem,
		      argument);
	return 2;
}

/* -1: go on, else the exit code. */
static int parse(struct arguments *arguments, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *argument = argv[i];

		if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
			(void)fputs(help_text, stdout);
			return 0;
		}
		if (strcmp(argument, "--json") == 0)
			arguments->json = true;
		else if (strcmp(argument, "--attributes") == 0 || strcmp(argument, "-a") == 0)
			arguments->attributes = true;
		else if (argument[0] == '-' && argument[1])
			return usage("no such option: ", argument);
		else if (arguments->path)
			return usage("one file at a time, not also ", argument);
		else
			arguments->path = argument;
	}
	return arguments->path ? -1 : usage("which file? None was named", "");
}

static int print(struct show *show, bool json)
{
	int r = 0;

	if (json)
		r = show_json(show);
	else
		show_text(show);
	if (r < 0 || buf_failed(&show->out)) {
		(void)fputs("spanring show: out of memory\n", stderr);
		return 1;
	}
	/* A reader that has seen enough (`| head`) is no failure of ours. */
	if (fwrite(show->out.at, 1, show->out.len, stdout) != show->out.len && errno != EPIPE)
		return 1;
	return fflush(stdout) != 0 && errno != EPIPE;
}

int show_main(int argc, char **argv)
{
	struct arguments arguments = {0};
	struct archive_file file;
	char reason[1024];
	int code;

	code = parse(&arguments, argc, argv);
	if (code >= 0)
		return code;
	if (archive_file_read(&file, arguments.path, reason, sizeof(reason)) < 0) {
		(void)fprintf(stderr, "spanring show: %s\n", reason);
		archive_file_free(&file);
		return 1;
	}
	if (file.span_count == 0) {
		(void)fprintf(stderr,
			      "spanring show: %s: no spans in it; an archive is OTLP/JSON "
			      "with resourceSpans\n",
			      arguments.path);
		code = 1;
	} else {
		struct show show = {.file = &file, .attributes = arguments.attributes};

		terminal_find(&show.terminal);
		code = print(&show, arguments.json);
		buf_fini(&show.out);
	}
	archive_file_free(&file);
	return code;
}
