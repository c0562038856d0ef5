/* spanring check: does an archive have what its readers rely on? */
#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "terminal.h"
#include "verbs.h"

/* A broken file may break a rule in every span: so many are told one by one. */
#define KEPT_EACH 5

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
			 "resources and scopes once, by earliest span; spans by start"},
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
	[CHECK_LLM_SYSTEM] = {"llm.system", "... gen_ai.system"},
	[CHECK_LLM_TOKENS] = {"llm.tokens", "... gen_ai.usage.input_tokens and output_tokens, "
					    "unless they failed"},
};
_Static_assert(sizeof(properties) / sizeof(properties[0]) == CHECK_PROPERTIES, "one line each");

static void help(void)
{
	(void)fputs(
		"usage: spanring check [--json] FILE...\n\n"
		"Tests archives for what their readers rely on. Each property that fails is\n"
		"printed by its name, with the span, one line each:\n\n"
		"  FILE: root.single: 2 spans without a parent, one is expected\n\n"
		"The first module's span is the root, or the earliest child of a root that\n"
		"`spanring run` opened. Properties:\n\n",
		stdout);
	for (size_t i = 0; i < CHECK_PROPERTIES; i++)
		printf("  %-19s %s\n", properties[i].name, properties[i].help);
	(void)fputs(
		"\n  --json   one JSON object per file: ok, spans, failures\n\n"
		"  spanring check data/*.otlp.json && echo all good\n\n"
		"Exit codes: 0 all properties hold, 1 one does not or a file cannot be read,\n"
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

	if (check->by_property[property]++ >= KEPT_EACH)
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

/* --- the report --------------------------------------------------------- */

static unsigned count_failed(const struct check *check)
{
	unsigned failed = 0;

	for (size_t i = 0; i < CHECK_PROPERTIES; i++)
		failed += check->by_property[i] > 0;
	return failed;
}

static void put_text(struct buf *out, const char *text)
{
	struct terminal plain = {.columns = 0};

	(void)terminal_text(out, &plain, bytes_of(text), 0);
}

static void report_failure(struct buf *out, const char *path,
			   const struct check_failure *failure)
{
	(void)buf_printf(out, "%s: %s: ", path, properties[failure->property].name);
	if (failure->span) {
		(void)buf_append_text(out, "span ");
		put_text(out, failure->span->span_id);
		(void)buf_append_text(out, " \"");
		put_text(out, failure->span->name);
		(void)buf_append_text(out, "\": ");
	}
	put_text(out, failure->message);
	(void)buf_append_text(out, "\n");
}

static void report_lines(const struct check *check, const char *path, struct buf *out)
{
	unsigned failed = count_failed(check);

	for (size_t i = 0; i < check->count; i++) {
		const struct check_failure *failure = &check->failures[i];

		report_failure(out, path, failure);
	}
	for (size_t i = 0; i < CHECK_PROPERTIES; i++)
		if (check->by_property[i] > KEPT_EACH)
			(void)buf_printf(out, "%s: %s: and %u more\n", path, properties[i].name,
					 check->by_property[i] - KEPT_EACH);
	if (check->by_property[CHECK_READABLE])
		return; /* nothing else was tested */
	if (failed == 0)
		(void)buf_printf(out, "%s: ok, %zu spans of %zu processes\n", path,
				 check->file->span_count, check->file->module_count);
	else
		(void)buf_printf(out, "%s: %u of %d properties fail\n", path, failed,
				 CHECK_PROPERTIES);
}

static json_t *failure_json(const struct check_failure *failure)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "property",
				  json_string(properties[failure->property].name));
	if (failure->span) {
		(void)json_object_set_new(object, "spanId",
					  json_string(failure->span->span_id));
		(void)json_object_set_new(object, "name", json_string(failure->span->name));
	}
	(void)json_object_set_new(object, "message", json_string_nocheck(failure->message));
	return object;
}

static void report_json(const struct check *check, const char *path, struct buf *out)
{
	json_t *root = json_object(), *failures = json_array(), *counts = json_object();
	char *text;

	for (size_t i = 0; i < check->count; i++)
		(void)json_array_append_new(failures, failure_json(&check->failures[i]));
	for (size_t i = 0; i < CHECK_PROPERTIES; i++)
		if (check->by_property[i])
			(void)json_object_set_new(counts, properties[i].name,
						  json_integer(check->by_property[i]));
	(void)json_object_set_new(root, "file", json_string_nocheck(path));
	(void)json_object_set_new(root, "ok", json_boolean(count_failed(check) == 0));
	(void)json_object_set_new(root, "spans",
				  json_integer((json_int_t)check->file->span_count));
	(void)json_object_set_new(root, "processes",
				  json_integer((json_int_t)check->file->module_count));
	(void)json_object_set_new(root, "failed", counts);
	(void)json_object_set_new(root, "failures", failures);
	text = json_dumps(root, JSON_COMPACT);
	terminal_json(out, bytes_of(text ? text : "{}"));
	(void)buf_append_text(out, "\n");
	free(text);
	json_decref(root);
}

static void see_document(void *arg, size_t index, json_t *document)
{
	struct check *check = arg;

	if (index == 0)
		check->document = json_incref(document);
	check_form_document(check, index, document);
}

static void check_file(struct check *check)
{
	check_text(check);
	check_form(check);
	check_order(check);
	check_run(check);
	for (size_t i = 0; i < check->file->span_count; i++) {
		const struct archive_span *span = &check->file->spans[i];
		json_t *whole = archive_span_load(check->file, span);

		check_form_span(check, span, whole);
		check_run_span(check, span, whole);
		json_decref(whole);
	}
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

bool check_path(const char *path, bool json, struct buf *out)
{
	struct archive_file file;
	struct check check = {.file = &file};
	char reason[1024];
	bool ok;

	if (archive_file_read_seeing(&file, path, see_document, &check, reason,
				     sizeof(reason)) < 0)
		check_unreadable(&check, reason);
	else
		check_file(&check);
	if (json)
		report_json(&check, path, out);
	else
		report_lines(&check, path, out);
	ok = count_failed(&check) == 0;
	json_decref(check.document);
	free(check.failures);
	archive_file_free(&file);
	return ok;
}

/* --- the verb ----------------------------------------------------------- */

static int usage(const char *problem, const char *argument)
{
	(void)fprintf(stderr, "spanring check: %s%s; see spanring check --help\n", problem,
		      argument);
	return 2;
}

static int parse(int argc, char **argv, bool *ret_json, int *ret_files)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			help();
			return 0;
		}
		if (strcmp(argv[i], "--json") == 0)
			*ret_json = true;
		else if (argv[i][0] == '-' && argv[i][1])
			return usage("no such option: ", argv[i]);
		else
			++*ret_files;
	}
	return *ret_files ? -1 : usage("which files? None was named", "");
}

int check_main(int argc, char **argv)
{
	struct buf out = BUF_INIT;
	bool json = false, ok = true;
	int files = 0, code;

	code = parse(argc, argv, &json, &files);
	if (code >= 0)
		return code;
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1])
			continue;
		ok &= check_path(argv[i], json, &out);
		(void)fwrite(out.at, 1, out.len, stdout);
		buf_reset(&out);
	}
	buf_fini(&out);
	(void)fflush(stdout);
	return ok ? 0 : 1;
}
