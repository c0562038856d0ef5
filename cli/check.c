/* spanring check: does an archive have what its readers rely on? */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "arguments.h"
#include "verbs.h"

static const struct {
	const char *name;
	const char *help;
} properties[] = {
	[CHECK_READABLE] = {"readable", "the file can be opened and is JSON"},
	[CHECK_UTF8] = {"A1.utf8", "valid UTF-8 without a byte order mark"},
	[CHECK_ONE_LINE] = {"A2.one-line", "one physical line, ended by one LF; no header"},
	[CHECK_ONE_OBJECT] = {"A11.one-object", "one JSON document, not one per line"},
	[CHECK_RESOURCE_SPANS] = {"A3.resource-spans", "an object with a resourceSpans array"},
	[CHECK_CAMEL_CASE] = {"A4.camel-case", "keys in lowerCamelCase"},
	[CHECK_ATTRIBUTES] = {"A5.attributes",
			      "lists of unique keys with exactly one value each"},
	[CHECK_ESCAPES] = {"A6.escapes", "no raw U+0085, U+2028, U+2029 or control character"},
	[CHECK_IDS] = {"A8.ids", "32 and 16 lower-case hex digits, not all zero"},
	[CHECK_UNIQUE_IDS] = {"ids.unique", "no span id occurs twice"},
	[CHECK_NUMBERS] = {"A9.numbers", "64-bit integers as strings, enums as integers"},
	[CHECK_ONE_TRACE] = {"A10.one-trace", "all spans of one trace"},
	[CHECK_ORDER] = {"A12.order",
			 "resources, scopes once, by earliest span; spans by start"},
	[CHECK_NAME] = {"span.name", "every span has a name"},
	[CHECK_KIND] = {"span.kind", "every span has a kind, 1 to 5"},
	[CHECK_TIMES] = {"span.times", "start and end are there, the end not before the start"},
	[CHECK_SERVICE] = {"resource.service", "every resource has service.name"},
	[CHECK_ROOT] = {"root.single", "exactly one span without a parent"},
	[CHECK_PARENTS] = {"parents.present", "every parent is in the file"},
	[CHECK_FIRST_SPAN] = {"first.span", "under `spanring run`: the command made a span"},
	[CHECK_FIRST_KIND] = {"first.kind",
			      "the first module's span: openinference.span.kind=AGENT"},
	[CHECK_FIRST_GOAL] = {"first.user_goal", "... and a user_goal that is not blank (A14)"},
	[CHECK_KIND_VALUE] = {"openinference.kind",
			      "openinference.span.kind is one of its ten values"},
	[CHECK_LLM_KIND] = {"llm.kind", "a chat or completion has openinference.span.kind=LLM"},
	[CHECK_LLM_MODEL] = {"llm.model", "LLM spans have gen_ai.request.model"},
	[CHECK_LLM_SYSTEM] = {"llm.system", "... gen_ai.system or gen_ai.provider.name"},
	[CHECK_LLM_TOKENS] = {"llm.tokens",
			      "... gen_ai.usage.input_tokens, output_tokens unless failed"},
	[CHECK_RULE_COMPLETE] = {"rule.complete",
				 "--complete: it came to its end, nothing is missing"},
	[CHECK_RULE_ERRORS] = {"rule.no-errors", "--no-errors: no span has the status ERROR"},
	[CHECK_RULE_MAX] = {"rule.max", "--max SPAN=TIME: no span called so took longer"},
	[CHECK_RULE_DURATION] = {"rule.max-duration",
				 "--max-duration TIME: the run took no longer"},
	[CHECK_RULE_HAS] = {"rule.has", "--has SPAN: a span is called so"},
	[CHECK_RULE_TOKENS] = {"rule.max-tokens",
			       "--max-tokens N: in and out of all calls, no more"},
	[CHECK_RULE_PROMPT] = {"rule.max-prompt", "--max-prompt N: no call's input has more"},
};
_Static_assert(sizeof(properties) / sizeof(properties[0]) == CHECK_PROPERTIES, "one line each");

static void help(void)
{
	(void)fputs(
		"usage: spanring check [OPTION]... FILE...\n"
		"\n"
		"Tests archives for what their readers rely on, and for the rules of this "
		"call.\n"
		"What fails is printed by its name, with the span, one line each:\n"
		"\n"
		"  FILE: root.single: 2 spans without a parent, one is expected\n"
		"  FILE: rule.max: span 2e82b5699a6d41b4 \"llm.chat\": took 45.0 s, 30.0 s at "
		"most\n"
		"\n"
		"The first module's span is the root, or the earliest child of a root that\n"
		"`spanring run` opened. Properties:\n"
		"\n",
		stdout);
	for (size_t i = 0; i < CHECK_FIRST_RULE; i++)
		printf("  %-19s %s\n", properties[i].name, properties[i].help);
	(void)fputs("\nRules; SPAN is a name or a pattern of one (* ? []), TIME is 250ms, 30s, "
		    "5m,\n"
		    "1h. --max and --has may be given several times:\n\n",
		    stdout);
	for (size_t i = CHECK_FIRST_RULE; i < CHECK_PROPERTIES; i++)
		printf("  %-19s %s\n", properties[i].name, properties[i].help);
	(void)fputs(
		"\n"
		"An attribute under a name that OpenTelemetry has given up is a warning, "
		"where\n"
		"the newer name does not stand beside it. A warning is no failure.\n"
		"\n"
		"  --rules   only the rules, not the properties: for files of other writers\n"
		"  --quiet   only what fails\n"
		"  --json    one JSON object per file: ok, spans, failed, failures, warnings\n"
		"\n"
		"  spanring check data/*.otlp.json && echo all good\n"
		"  spanring check --complete --no-errors --max 'llm.*=30s' FILE || exit 1\n"
		"  spanring check --rules --max-tokens 100000 --max-prompt 14000 traces.jsonl\n"
		"\n"
		"Exit codes: 0 all of it holds, 1 something does not or a file cannot be "
		"read,\n"
		"2 wrong usage.\n",
		stdout);
}

const char *check_property_name(enum check_property property)
{
	return properties[property].name;
}

void check_fail(struct check *check, enum check_property property,
		const struct archive_span *span, const char *format, ...)
{
	struct check_failure *failure;
	va_list args;

	if (check->by_property[property]++ >= CHECK_KEPT_EACH)
		return;
	if (check->count == check->cap) {
		size_t cap = check->cap ? check->cap * 2 : 16;

		failure = reallocarray(check->failures, cap, sizeof(*failure));
		if (!failure)
			return; /* by_property has counted it */
		check->failures = failure;
		check->cap = cap;
	}
	failure = &check->failures[check->count++];
	failure->property = property;
	failure->span = span;
	va_start(args, format);
	(void)vsnprintf(failure->message, sizeof(failure->message), format, args);
	va_end(args);
}

static void see_document(void *arg, size_t index, json_t *document)
{
	struct check *check = arg;

	if (index == 0)
		check->document = json_incref(document);
	check_form_document(check, index, document);
}

static void check_spans(struct check *check, bool rules_only)
{
	for (size_t i = 0; i < check->file->span_count; i++) {
		const struct archive_span *span = &check->file->spans[i];
		json_t *whole = archive_span_load(check->file, span);

		check_names(check, whole);
		if (!rules_only) {
			check_form_span(check, span, whole);
			check_run_span(check, span, whole);
		}
		json_decref(whole);
	}
	for (size_t i = 0; i < check->file->module_count; i++)
		check_names(check, check->file->modules[i].resource);
}

static void check_file(struct check *check, const struct check_options *options)
{
	if (!options->rules_only) {
		check_text(check);
		check_form(check);
		check_order(check);
		check_run(check);
	} else {
		/* What was seen on the way is not asked for. */
		check->count = 0;
		memset(check->by_property, 0, sizeof(check->by_property));
	}
	check_spans(check, options->rules_only);
	check_gate(check, options);
}

/* Of a file that is not whole, nothing but that is told. */
static void check_unreadable(struct check *check, const char *reason)
{
	const char *path = check->file->path;
	size_t skip = strncmp(reason, path, strlen(path)) == 0 ? strlen(path) + 2 : 0;

	check->count = 0;
	memset(check->by_property, 0, sizeof(check->by_property));
	check_fail(check, CHECK_READABLE, NULL, "%s", reason + skip);
	if (check->file->size > 0)
		check_text(check);
}

bool check_path(const char *path, const struct check_options *options, struct buf *out)
{
	struct archive_file file;
	struct check check = {.file = &file};
	char reason[1024];
	bool ok;

	if (archive_file_read_seeing(&file, path, see_document, &check, reason,
				     sizeof(reason)) < 0)
		check_unreadable(&check, reason);
	else
		check_file(&check, options);
	check_report(&check, options, path, out);
	ok = check_is_ok(&check);
	json_decref(check.document);
	free(check.failures);
	archive_file_free(&file);
	return ok;
}

/* --- the verb ----------------------------------------------------------- */

static int add_max(struct check_options *options, struct arguments *arguments, char *value)
{
	char *time = strrchr(value, '=');
	struct check_rule *rule = &options->max[options->max_count];

	if (!time || time == value || !argument_duration(time + 1, &rule->max_ns))
		return argument_wrong(arguments,
				      "--max wants SPAN=TIME, like 'llm.*=30s', not ", value);
	if (options->max_count + 1 == CHECK_RULES_MAX)
		return argument_wrong(arguments, "too many rules: --max ", value);
	*time = '\0';
	rule->glob = value;
	options->max_count++;
	return 0;
}

static int add_has(struct check_options *options, struct arguments *arguments,
		   const char *value)
{
	if (options->has_count + 1 == CHECK_RULES_MAX)
		return argument_wrong(arguments, "too many rules: --has ", value);
	options->has[options->has_count++] = value;
	return 0;
}

static bool take_flag(struct check_options *options, const struct arguments *arguments)
{
	const struct argument_flag flags[] = {
		{"--json", &options->json},	      {"--quiet", &options->quiet},
		{"--rules", &options->rules_only},    {"--complete", &options->complete},
		{"--no-errors", &options->no_errors},
	};

	return argument_sets(arguments, flags, sizeof(flags) / sizeof(flags[0]));
}

/* -1: no such option, 0: taken, 2: what was wrong is said. */
static int take_value(struct check_options *options, struct arguments *arguments)
{
	const struct {
		const char *name;
		uint64_t *number;
		bool (*read)(const char *text, uint64_t *ret_number);
		const char *problem;
	} numbers[] = {
		{"--max-duration", &options->duration_max_ns, argument_duration,
		 "no duration (30s, 5m, 1h): "},
		{"--max-tokens", &options->tokens_max, argument_number,
		 "no number of tokens: "},
		{"--max-prompt", &options->prompt_max, argument_number,
		 "no number of tokens: "},
	};
	const char *value;

	if (argument_takes(arguments, "--max", &value))
		return value ? add_max(options, arguments, (char *)value) : 2;
	if (argument_takes(arguments, "--has", &value))
		return value ? add_has(options, arguments, value) : 2;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!argument_takes(arguments, numbers[i].name, &value))
			continue;
		if (!value)
			return 2;
		/* Nothing at all is not a limit anybody means, and 0 says "any". */
		if (!numbers[i].read(value, numbers[i].number) || *numbers[i].number == 0)
			return argument_wrong(arguments, numbers[i].problem, value);
		return 0;
	}
	return -1;
}

/* Files are moved to the front of argv. -1: go on, else the exit code. */
static int parse(struct check_options *options, struct arguments *arguments, int *ret_files)
{
	for (arguments->at = 1; arguments->at < arguments->argc; arguments->at++) {
		char *argument = arguments->argv[arguments->at];
		int taken;

		if (argument_is(arguments, "--help") || argument_is(arguments, "-h")) {
			help();
			return 0;
		}
		if (take_flag(options, arguments))
			continue;
		taken = take_value(options, arguments);
		if (taken > 0)
			return taken;
		if (taken == 0)
			continue;
		if (argument[0] == '-' && argument[1])
			return argument_wrong(arguments, "no such option: ", argument);
		arguments->argv[1 + (*ret_files)++] = argument;
	}
	if (*ret_files == 0)
		return argument_wrong(arguments, "which files? None was named", "");
	if (options->rules_only && check_gate_rules(options) == 0)
		return argument_wrong(arguments, "--rules, and no rule is given", "");
	return -1;
}

int check_main(int argc, char **argv)
{
	struct arguments arguments = {.verb = "check", .argc = argc, .argv = argv};
	struct check_options options = {0};
	struct buf out = BUF_INIT;
	int files = 0, code;
	bool ok = true;

	code = parse(&options, &arguments, &files);
	if (code >= 0)
		return code;
	for (int i = 1; i <= files; i++) {
		ok &= check_path(argv[i], &options, &out);
		if (out.len) /* with --quiet there may be nothing */
			(void)fwrite(out.at, 1, out.len, stdout);
		buf_reset(&out);
	}
	buf_fini(&out);
	(void)fflush(stdout);
	return ok ? 0 : 1;
}
