/* What is said of a file. */
#include "check.h"

#include <stdlib.h>

#include "terminal.h"

static unsigned count_failed(const struct check *check)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < CHECK_PROPERTIES; i++)
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
	(void)buf_printf(out, "%s: %s: ", path, check_property_name(failure->property));
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

static void report_names(const struct check *check, const char *path, struct buf *out)
{
	char sentence[256];

	for (size_t at = 0; check_names_next(check, &at, sentence, sizeof(sentence));)
		(void)buf_printf(out, "%s: warning: %s\n", path, sentence);
}

static void report_lines(const struct check *check, const struct check_options *options,
			 const char *path, struct buf *out)
{
	unsigned failed = count_failed(check);

	for (size_t i = 0; i < check->count; i++)
		report_failure(out, path, &check->failures[i]);
	for (unsigned i = 0; i < CHECK_PROPERTIES; i++)
		if (check->by_property[i] > CHECK_KEPT_EACH)
			(void)buf_printf(out, "%s: %s: and %u more\n", path,
					 check_property_name(i),
					 check->by_property[i] - CHECK_KEPT_EACH);
	if (options->quiet || check->by_property[CHECK_READABLE])
		return; /* nothing else was tested */
	report_names(check, path, out);
	if (failed == 0)
		(void)buf_printf(out, "%s: ok, %zu spans of %zu processes\n", path,
				 check->file->span_count, check->file->module_count);
	else
		(void)buf_printf(out, "%s: %u of %u properties fail\n", path, failed,
				 (options->rules_only ? 0 : CHECK_FIRST_RULE) +
					 check_gate_rules(options));
}

static json_t *failure_json(const struct check_failure *failure)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "property",
				  json_string(check_property_name(failure->property)));
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
	json_t *warnings = json_array();
	char *text, sentence[256];

	for (size_t i = 0; i < check->count; i++)
		(void)json_array_append_new(failures, failure_json(&check->failures[i]));
	for (unsigned i = 0; i < CHECK_PROPERTIES; i++)
		if (check->by_property[i])
			(void)json_object_set_new(counts, check_property_name(i),
						  json_integer(check->by_property[i]));
	(void)json_object_set_new(root, "file", json_string_nocheck(path));
	(void)json_object_set_new(root, "ok", json_boolean(count_failed(check) == 0));
	(void)json_object_set_new(root, "spans",
				  json_integer((json_int_t)check->file->span_count));
	(void)json_object_set_new(root, "processes",
				  json_integer((json_int_t)check->file->module_count));
	(void)json_object_set_new(root, "failed", counts);
	(void)json_object_set_new(root, "failures", failures);
	for (size_t at = 0; check_names_next(check, &at, sentence, sizeof(sentence));)
		(void)json_array_append_new(warnings, json_string(sentence));
	(void)json_object_set_new(root, "warnings", warnings);
	text = json_dumps(root, JSON_COMPACT);
	terminal_json(out, bytes_of(text ? text : "{}"));
	(void)buf_append_text(out, "\n");
	free(text);
	json_decref(root);
}

bool check_is_ok(const struct check *check)
{
	return count_failed(check) == 0;
}

void check_report(const struct check *check, const struct check_options *options,
		  const char *path, struct buf *out)
{
	if (options->json)
		report_json(check, path, out);
	else
		report_lines(check, options, path, out);
}
