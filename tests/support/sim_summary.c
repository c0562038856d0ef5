#include "sim_summary.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The one member of an attribute's value; NULL: there is no such attribute. */
static json_t *value_of(json_t *attributes, const char *key)
{
	json_t *attribute;
	size_t i;

	json_array_foreach (attributes, i, attribute)
		if (strcmp(json_string_value(json_object_get(attribute, "key")), key) == 0)
			return json_object_iter_value(
				json_object_iter(json_object_get(attribute, "value")));
	return NULL;
}

static json_t *summary_value(json_t *file, const char *key)
{
	json_t *resource = json_array_get(json_object_get(file, "resourceSpans"), 0);
	char full[64];

	(void)snprintf(full, sizeof full, "spanring.run.%s", key);
	return value_of(json_object_get(json_object_get(resource, "resource"), "attributes"),
			full);
}

static int64_t number(json_t *file, const char *key)
{
	json_t *value = summary_value(file, key);

	return json_is_string(value) ? strtoll(json_string_value(value), NULL, 10) : -1;
}

static size_t items(json_t *file, const char *key)
{
	return json_array_size(json_object_get(summary_value(file, key), "values"));
}

static int64_t count_closed(json_t *spans)
{
	int64_t n = 0;
	json_t *span;
	size_t i;

	json_array_foreach (spans, i, span)
		n += value_of(json_object_get(span, "attributes"), "spanring.end.reason") !=
		     NULL;
	return n;
}

const char *sim_summary_check(json_t *file, json_t *spans)
{
	size_t resources = json_array_size(json_object_get(file, "resourceSpans"));
	bool complete = json_is_true(summary_value(file, "complete"));

	if (number(file, "spans") != (int64_t)json_array_size(spans))
		return "its summary counts other spans";
	if (number(file, "closed_spans") != count_closed(spans))
		return "its summary counts other spans that the agent ended";
	if (items(file, "modules") != resources || items(file, "exit_codes") != resources)
		return "its summary has other processes";
	if (complete == (items(file, "incomplete_reason") > 0))
		return "its summary gives no reason, or one too many";
	if (complete && (number(file, "closed_spans") || number(file, "dropped_spans") ||
			 number(file, "dropped_records")))
		return "its summary calls it complete";
	return NULL;
}
