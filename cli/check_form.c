/* OTLP/JSON: A3, A4, A5, A8, A9, A10, and what every span must have. */
#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What a member must be, by its key: keys mean the same everywhere in OTLP. */
enum form {
	FORM_DIGITS,  /* a string of decimal digits */
	FORM_INTEGER, /* a number */
	FORM_DOUBLE,
	FORM_TEXT,
	FORM_BOOL,
	FORM_LIST,
};

static const struct {
	const char *key;
	enum form form;
} forms[] = {
	{"startTimeUnixNano", FORM_DIGITS},
	{"endTimeUnixNano", FORM_DIGITS},
	{"timeUnixNano", FORM_DIGITS},
	{"intValue", FORM_DIGITS},
	{"flags", FORM_INTEGER},
	{"kind", FORM_INTEGER},
	{"code", FORM_INTEGER},
	{"droppedAttributesCount", FORM_INTEGER},
	{"droppedEventsCount", FORM_INTEGER},
	{"droppedLinksCount", FORM_INTEGER},
	{"doubleValue", FORM_DOUBLE},
	{"boolValue", FORM_BOOL},
	{"stringValue", FORM_TEXT},
	{"bytesValue", FORM_TEXT},
	{"name", FORM_TEXT},
	{"key", FORM_TEXT},
	{"message", FORM_TEXT},
	{"schemaUrl", FORM_TEXT},
	{"events", FORM_LIST},
	{"links", FORM_LIST},
	{"scopeSpans", FORM_LIST},
	{"spans", FORM_LIST},
};

struct walk {
	struct check *check;
	const struct archive_span *span;
};

static bool is_digits(json_t *value)
{
	const char *text = json_string_value(value);

	if (!text)
		return false;
	text += *text == '-';
	return *text && strspn(text, "0123456789") == strlen(text);
}

static bool is_double(json_t *value)
{
	const char *text = json_string_value(value);

	return json_is_number(value) ||
	       (text && (strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 ||
			 strcmp(text, "-Infinity") == 0));
}

static bool has_form(json_t *value, enum form form)
{
	switch (form) {
	case FORM_DIGITS:
		return is_digits(value);
	case FORM_INTEGER:
		return json_is_integer(value);
	case FORM_DOUBLE:
		return is_double(value);
	case FORM_TEXT:
		return json_is_string(value);
	case FORM_BOOL:
		return json_is_boolean(value);
	case FORM_LIST:
		return json_is_array(value);
	}
	return true;
}

static void check_member(const struct walk *walk, const char *key, json_t *value)
{
	static const char *const wanted[] = {
		[FORM_DIGITS] = "a string of digits", [FORM_INTEGER] = "an integer",
		[FORM_DOUBLE] = "a number",	      [FORM_TEXT] = "a string",
		[FORM_BOOL] = "true or false",	      [FORM_LIST] = "a list",
	};

	if (strchr(key, '_') || key[0] < 'a' || key[0] > 'z')
		check_fail(walk->check, CHECK_CAMEL_CASE, walk->span, "the key %.64s", key);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcmp(key, forms[i].key) == 0 && !has_form(value, forms[i].form))
			check_fail(walk->check, CHECK_NUMBERS, walk->span, "%s is not %s", key,
				   wanted[forms[i].form]);
}

static bool key_is_repeated(json_t *attributes, size_t i, const char *key)
{
	for (size_t j = 0; j < i; j++) {
		const char *other = json_string_value(
			json_object_get(json_array_get(attributes, j), "key"));

		if (other && strcmp(other, key) == 0)
			return true;
	}
	return false;
}

static void check_attributes(const struct walk *walk, json_t *attributes)
{
	json_t *attribute, *member;
	const char *kind;
	size_t i;

	if (!json_is_array(attributes)) {
		check_fail(walk->check, CHECK_ATTRIBUTES, walk->span, "attributes is no list");
		return;
	}
	json_array_foreach (attributes, i, attribute) {
		const char *key = json_string_value(json_object_get(attribute, "key"));
		json_t *value = json_object_get(attribute, "value");
		unsigned members = 0;

		json_object_foreach (value, kind, member)
			members += !json_is_null(member);
		if (!key || !*key)
			check_fail(walk->check, CHECK_ATTRIBUTES, walk->span,
				   "attribute %zu has no key", i);
		else if (members != 1)
			check_fail(walk->check, CHECK_ATTRIBUTES, walk->span,
				   "%.64s has %u values", key, members);
		else if (key_is_repeated(attributes, i, key))
			check_fail(walk->check, CHECK_ATTRIBUTES, walk->span,
				   "%.64s occurs twice", key);
	}
}

/* The parser has refused what is nested too deeply for this. */
static void walk_value(const struct walk *walk, json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_object(value))
		json_object_foreach (value, key, member) {
			check_member(walk, key, member);
			if (strcmp(key, "attributes") == 0)
				check_attributes(walk, member);
			walk_value(walk, member);
		}
	json_array_foreach (value, i, member)
		walk_value(walk, member);
}

/* Everything but the spans, which are walked one by one so that failures can
 * name them. */
static void walk_around_spans(struct check *check, json_t *value)
{
	struct walk walk = {check, NULL};
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_object(value))
		json_object_foreach (value, key, member) {
			check_member(&walk, key, member);
			if (strcmp(key, "attributes") == 0)
				check_attributes(&walk, member);
			if (strcmp(key, "spans") != 0)
				walk_around_spans(check, member);
		}
	json_array_foreach (value, i, member)
		walk_around_spans(check, member);
}

/* --- spans -------------------------------------------------------------- */

static bool is_id(const char *id, size_t digits)
{
	return strlen(id) == digits && strspn(id, "0123456789abcdef") == digits &&
	       strspn(id, "0") < digits;
}

static void check_ids(struct check *check, const struct archive_span *span)
{
	if (!is_id(span->trace_id, 32))
		check_fail(check, CHECK_IDS, span, "traceId is \"%.40s\"", span->trace_id);
	if (!is_id(span->span_id, 16))
		check_fail(check, CHECK_IDS, span, "spanId is \"%.40s\"", span->span_id);
	if (*span->parent_id && !is_id(span->parent_id, 16))
		check_fail(check, CHECK_IDS, span, "parentSpanId is \"%.40s\"",
			   span->parent_id);
	if (strcmp(span->trace_id, check->file->spans[0].trace_id) != 0)
		check_fail(check, CHECK_ONE_TRACE, span,
			   "of trace %.40s, the first one of %.40s", span->trace_id,
			   check->file->spans[0].trace_id);
}

void check_form_span(struct check *check, const struct archive_span *span, json_t *whole)
{
	json_int_t kind = json_integer_value(json_object_get(whole, "kind"));
	struct walk walk = {check, span};
	uint64_t end_ns = otlp_uint64(json_object_get(whole, "endTimeUnixNano"));

	walk_value(&walk, whole);
	check_ids(check, span);
	if (!*span->name)
		check_fail(check, CHECK_NAME, span, "has no name");
	if (kind < 1 || kind > 5)
		check_fail(check, CHECK_KIND, span, "kind is %" JSON_INTEGER_FORMAT, kind);
	if (span->start_ns == 0 || end_ns == 0)
		check_fail(check, CHECK_TIMES, span, "has no %s time",
			   span->start_ns == 0 ? "start" : "end");
	else if (end_ns < span->start_ns)
		check_fail(check, CHECK_TIMES, span, "ends before it starts");
}

static int by_span_id(const void *left, const void *right)
{
	const struct archive_span *a = *(const struct archive_span *const *)left;
	const struct archive_span *b = *(const struct archive_span *const *)right;
	int r = strcmp(a->span_id, b->span_id);

	return r ? r : strcmp(a->trace_id, b->trace_id);
}

static void check_unique(struct check *check)
{
	const struct archive_file *file = check->file;
	const struct archive_span **spans = calloc(file->span_count + 1, sizeof(*spans));

	if (!spans) {
		check_fail(check, CHECK_UNIQUE_IDS, NULL, "not tested: out of memory");
		return;
	}
	for (size_t i = 0; i < file->span_count; i++)
		spans[i] = &file->spans[i];
	qsort(spans, file->span_count, sizeof(*spans), by_span_id);
	for (size_t i = 1; i < file->span_count; i++)
		if (by_span_id(&spans[i - 1], &spans[i]) == 0)
			check_fail(check, CHECK_UNIQUE_IDS, spans[i], "its id occurs twice");
	free(spans);
}

static void check_services(struct check *check)
{
	for (size_t i = 0; i < check->file->module_count; i++) {
		const char *service =
			otlp_text(check->file->modules[i].resource, "service.name");

		if (!service || !*service)
			check_fail(check, CHECK_SERVICE, NULL,
				   "resource %zu has no service.name", i + 1);
	}
}

void check_form_document(struct check *check, size_t index, json_t *document)
{
	if (!json_is_array(json_object_get(document, "resourceSpans")))
		check_fail(check, CHECK_RESOURCE_SPANS, NULL,
			   "document %zu has no resourceSpans list", index + 1);
	walk_around_spans(check, document);
}

void check_form(struct check *check)
{
	if (check->file->span_count == 0)
		check_fail(check, CHECK_RESOURCE_SPANS, NULL, "no spans");
	check_unique(check);
	check_services(check);
}
