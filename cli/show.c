/* spanring show: a run as a tree with durations and bars, and what stands out in it. */
#include "show.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "arguments.h"
#include "run_list.h"
#include "verbs.h"

#define TOP_DEFAULT 5

static const char help_text[] =
	"usage: spanring show [OPTION]... FILE|RUN|-...\n"
	"\n"
	"Prints an archived run as a tree: what called what, how long it took, and when\n"
	"(the bars share one time axis); below it, what stands out. FILE is an archive,\n"
	"the .partial file of a run that is still open, or any OTLP/JSON a collector\n"
	"wrote; - reads standard input. RUN is looked for in the archive directory: the\n"
	"first 8 digits of a trace id at least, as `spanring list` prints them, or a\n"
	"run's name (then the newest so called).\n"
	"\n"
	"  \xe2\x9c\x97 or !      the span failed, or its process died while it was open; the\n"
	"              line below says how\n"
	"  ?           its parent is not in the file\n"
	"  [module]    the span was made by another process than the one above\n"
	"  in>out      tokens of an LLM call, with the model\n"
	"\n"
	"The summary:\n"
	"\n"
	"  models          calls, tokens, time, failed calls, retries (attempts after a\n"
	"                  first one). Tokens that a span repeats of one below it count\n"
	"                  once\n"
	"  critical path   what the run's time was spent in: at each moment, the span\n"
	"                  that ended last. Only what is on it makes the run longer\n"
	"  slowest         by own time, in the span and in none below it; how much of\n"
	"                  that is on the critical path; when the span began, and where\n"
	"  widest prompts  the calls with the most input tokens, and whose turn each was\n"
	"\n"
	"  -a, --attributes   also every attribute and event, and whose each process is\n"
	"      --summary      no tree\n"
	"      --no-summary   only the tree\n"
	"      --shape        only names, modules and failures: what two runs have in\n"
	"                     common, to be compared by diff or by a test\n"
	"      --top N        lists of N rows, 0: all [5]\n"
	"      --dir DIR      where a RUN is looked for [./data]\n"
	"      --json         one JSON object per file: modules, traces with their\n"
	"                     summary and their spans, in the order of the tree\n"
	"\n"
	"Fits the terminal (or COLUMNS); into a pipe nothing is cut and nothing coloured.\n"
	"NO_COLOR switches colours off.\n"
	"\n"
	"  spanring show data/agento_run_20260101T120000000000.otlp.json\n"
	"  spanring show --summary 5b8efff7\n"
	"  spanring show -a FILE | less\n"
	"  diff <(spanring show --shape ONE) <(spanring show --shape OTHER)\n"
	"  spanring show --json FILE | jq '.traces[].spans[] | select(.status==\"error\")'\n"
	"  spanring show --json FILE | jq '.traces[].summary.widestPrompts[0]'\n"
	"\n"
	"Exit codes: 0 shown, 1 one cannot be read, 2 wrong usage.\n";

struct options {
	bool json, attributes, no_tree, no_summary, shape;
	uint64_t top;
	const char *directory;
	int files;
	bool wrong;
};

/* False: it is no option. */
static bool take_flag(struct options *options, const struct arguments *arguments)
{
	const struct argument_flag flags[] = {
		{"--json", &options->json},
		{"--attributes", &options->attributes},
		{"-a", &options->attributes},
		{"--summary", &options->no_tree},
		{"--no-summary", &options->no_summary},
		{"--shape", &options->shape},
	};

	return argument_sets(arguments, flags, sizeof(flags) / sizeof(flags[0]));
}

static bool take_value(struct options *options, struct arguments *arguments)
{
	const char *value;

	if (argument_takes(arguments, "--top", &value)) {
		if (value &&
		    (!argument_number(value, &options->top) || options->top > UINT_MAX))
			(void)argument_wrong(arguments, "not a number of rows: ", value);
		else if (value)
			return true;
		options->wrong = true;
		return true;
	}
	if (!argument_takes(arguments, "--dir", &value))
		return false;
	options->directory = value;
	options->wrong |= !value;
	return true;
}

/* Files are moved to the front of argv. -1: go on, else the exit code. */
static int parse(struct options *options, struct arguments *arguments)
{
	for (arguments->at = 1; arguments->at < arguments->argc; arguments->at++) {
		char *argument = arguments->argv[arguments->at];

		if (argument_is(arguments, "--help") || argument_is(arguments, "-h")) {
			(void)fputs(help_text, stdout);
			return 0;
		}
		if (take_flag(options, arguments) || take_value(options, arguments)) {
			if (options->wrong)
				return 2;
			continue;
		}
		if (argument[0] == '-' && argument[1])
			return argument_wrong(arguments, "no such option: ", argument);
		arguments->argv[1 + options->files++] = argument;
	}
	if (options->no_tree && (options->no_summary || options->shape))
		return argument_wrong(arguments, "a summary and none: --summary with ",
				      options->shape ? "--shape" : "--no-summary");
	return options->files
		       ? -1
		       : argument_wrong(arguments, "which file or run? None was named", "");
}

static int write_out(struct show *show, int r)
{
	if (r < 0 || buf_failed(&show->out)) {
		(void)fputs("spanring show: out of memory\n", stderr);
		return 1;
	}
	/* A reader that has seen enough (`| head`) is no failure of ours. */
	if (show->out.len)
		(void)fwrite(show->out.at, 1, show->out.len, stdout);
	return (fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE;
}

static int show_file(const struct options *options, const char *path, const char *trace_id)
{
	struct archive_file file;
	struct show show = {
		.file = &file,
		.attributes = options->attributes,
		.no_tree = options->no_tree,
		.no_summary = options->no_summary || options->shape,
		.shape = options->shape,
		.top = (unsigned)options->top,
		.trace_id = trace_id,
		.to = stdout,
	};
	char reason[PATH_MAX + 256];
	int code = 1;

	if (archive_file_read(&file, path, reason, sizeof(reason)) < 0) {
		(void)fprintf(stderr, "spanring show: %s\n", reason);
	} else if (file.span_count == 0) {
		(void)fprintf(stderr,
			      "spanring show: %s: no spans in it; an archive is OTLP/JSON "
			      "with resourceSpans\n",
			      path);
	} else {
		terminal_find(&show.terminal);
		code = write_out(&show, options->json ? show_json(&show) : show_text(&show));
	}
	show_fini(&show);
	archive_file_free(&file);
	return code;
}

static int show_run(const struct options *options, const char *word)
{
	const struct run_entry *entry;
	struct run_list list;
	int code = 1, r;

	run_list_init(&list, NULL, NULL); /* what is unreadable there is not meant */
	r = run_list_find(&list, options->directory, word, &entry);
	if (r > 0)
		code = show_file(options, entry->path, entry->id);
	else if (r == 0)
		(void)fprintf(
			stderr,
			"spanring show: %s: there is no such file, and no such run in %s; "
			"`spanring list` names them, --dir says where\n",
			word, options->directory);
	else
		(void)fputs("spanring show: out of memory\n", stderr);
	run_list_fini(&list);
	return code;
}

/* A word without a slash that is no file may be a run. */
static int show_one(const struct options *options, const char *word)
{
	bool is_path = strchr(word, '/') || strcmp(word, "-") == 0 || access(word, F_OK) == 0;

	return is_path ? show_file(options, word, NULL) : show_run(options, word);
}

int show_main(int argc, char **argv)
{
	struct arguments arguments = {.verb = "show", .argc = argc, .argv = argv};
	struct options options = {.top = TOP_DEFAULT, .directory = "data"};
	int code;

	code = parse(&options, &arguments);
	if (code >= 0)
		return code;
	code = 0;
	for (int i = 1; i <= options.files; i++) {
		/* Which is which, where there are several. */
		if (options.files > 1 && !options.json)
			printf("%s==> %s <==\n", i > 1 ? "\n" : "", argv[i]);
		code |= show_one(&options, argv[i]);
	}
	return code;
}
