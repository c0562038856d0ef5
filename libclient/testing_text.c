/* The tree of a snapshot in lines that are the same with every run. */
#include "spanring/testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP 4 /* columns a level */

struct page {
	FILE *out;
	const struct spanring_test_spans *spans;
	unsigned flags;
};

static void indent(const struct page *page, int level)
{
	(void)fprintf(page->out, "%*s", level * STEP, "");
}

/* ---- values ---------------------------------------------------------------------- */

static void put_quoted(FILE *out, const char *text, size_t length)
{
	(void)fputc('"', out);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			(void)fprintf(out, "\\%c", c);
		else if (c == '\n')
			(void)fputs("\\n", out);
		else if (c == '\t')
			(void)fputs("\\t", out);
		else if (c < 0x20 || c == 0x7f)
			(void)fprintf(out, "\\x%02x", c);
		else
			(void)fputc(c, out);
	}
	(void)fputc('"', out);
}

/* The shortest text that is the number, with a point in any locale. */
static void put_double(FILE *out, double number)
{
	char text[40];

	for (int digits = 1; digits <= 17; digits++) {
		(void)snprintf(text, sizeof text, "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	for (char *at = text; *at; at++)
		if (*at == ',')
			*at = '.';
	(void)fputs(text, out);
	if (strspn(text, "-0123456789") == strlen(text))
		(void)fputs(".0", out); /* not to be taken for an integer */
}

static void put_bytes(FILE *out, const uint8_t *bytes, size_t length)
{
	(void)fputs("0x", out);
	for (size_t i = 0; i < length; i++)
		(void)fprintf(out, "%02x", bytes[i]);
}

static void put_value(FILE *out, const struct spanring_attribute *value);

static void put_nested(FILE *out, const struct spanring_attribute *parts, size_t count,
		       bool keyed)
{
	(void)fputc(keyed ? '{' : '[', out);
	for (size_t i = 0; i < count; i++) {
		(void)fputs(i ? ", " : "", out);
		if (keyed)
			(void)fprintf(out, "%s: ", parts[i].key);
		put_value(out, &parts[i]);
	}
	(void)fputc(keyed ? '}' : ']', out);
}

static struct spanring_attribute element(const struct spanring_attribute *array, size_t i)
{
	switch (array->type) {
	case SPANRING_TYPE_STRINGS:
		return spanring_string("", array->value.strings[i]);
	case SPANRING_TYPE_BOOLS:
		return spanring_bool("", array->value.booleans[i]);
	case SPANRING_TYPE_INTS:
		return spanring_int("", array->value.integers[i]);
	default:
		return spanring_double("", array->value.reals[i]);
	}
}

static void put_array(FILE *out, const struct spanring_attribute *array)
{
	(void)fputc('[', out);
	for (size_t i = 0; i < array->length; i++) {
		struct spanring_attribute part = element(array, i);

		(void)fputs(i ? ", " : "", out);
		put_value(out, &part);
	}
	(void)fputc(']', out);
}

static void put_value(FILE *out, const struct spanring_attribute *value)
{
	switch (value->type) {
	case SPANRING_TYPE_EMPTY:
		(void)fputs("null", out);
		break;
	case SPANRING_TYPE_STRING:
		put_quoted(out, value->value.string, value->length);
		break;
	case SPANRING_TYPE_BOOL:
		(void)fputs(value->value.boolean ? "true" : "false", out);
		break;
	case SPANRING_TYPE_INT:
		(void)fprintf(out, "%" PRId64, value->value.integer);
		break;
	case SPANRING_TYPE_DOUBLE:
		put_double(out, value->value.real);
		break;
	case SPANRING_TYPE_BYTES:
		put_bytes(out, value->value.at, value->length);
		break;
	case SPANRING_TYPE_VALUES:
	case SPANRING_TYPE_MAP:
		put_nested(out, value->value.attributes, value->length,
			   value->type == SPANRING_TYPE_MAP);
		break;
	default:
		put_array(out, value);
		break;
	}
}

static void put_attributes(const struct page *page, int level,
			   const struct spanring_attribute *attributes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		indent(page, level);
		(void)fprintf(page->out, "%s: ", attributes[i].key);
		put_value(page->out, &attributes[i]);
		(void)fputc('\n', page->out);
	}
}

/* ---- spans ------------------------------------------------------------------------- */

static void put_status(FILE *out, const struct spanring_test_span *span)
{
	if (span->status == SPANRING_STATUS_UNSET)
		return;
	(void)fputs(span->status == SPANRING_STATUS_OK ? ", ok" : ", error", out);
	if (span->status_message[0]) {
		(void)fputc(' ', out);
		put_quoted(out, span->status_message, strlen(span->status_message));
	}
}

static void put_line(const struct page *page, int level, const struct spanring_test_span *span)
{
	static const char *const kinds[] = {
		[SPANRING_KIND_SERVER] = ", server",
		[SPANRING_KIND_CLIENT] = ", client",
		[SPANRING_KIND_PRODUCER] = ", producer",
		[SPANRING_KIND_CONSUMER] = ", consumer",
	};
	const char *kind = (unsigned)span->kind < sizeof kinds / sizeof kinds[0]
				   ? kinds[span->kind]
				   : NULL;

	indent(page, level);
	(void)fprintf(page->out, "- %s%s", span->name, kind ? kind : "");
	put_status(page->out, span);
	(void)fputs(span->ended ? "\n" : ", open\n", page->out);
}

static void put_events(const struct page *page, int level,
		       const struct spanring_test_span *span)
{
	for (size_t i = 0; i < span->event_count; i++) {
		const struct spanring_test_event *event = &span->events[i];

		indent(page, level);
		(void)fprintf(page->out, "* %s\n", event->name);
		put_attributes(page, level + 1, event->attributes, event->attribute_count);
	}
}

static const char *linked_name(const struct page *page, const struct spanring_test_link *link)
{
	const struct spanring_test_span *spans = page->spans->spans;

	for (size_t i = 0; i < page->spans->count; i++)
		if (memcmp(spans[i].span_id, link->context.span_id, 8) == 0)
			return spans[i].name;
	return "(elsewhere)";
}

static void put_links(const struct page *page, int level, const struct spanring_test_span *span)
{
	for (size_t i = 0; i < span->link_count; i++) {
		const struct spanring_test_link *link = &span->links[i];

		indent(page, level);
		(void)fprintf(page->out, "> %s\n", linked_name(page, link));
		put_attributes(page, level + 1, link->attributes, link->attribute_count);
	}
}

static void put_span(const struct page *page, int level, const struct spanring_test_span *span)
{
	put_line(page, level, span);
	if (page->flags & SPANRING_TEST_NAMES)
		return;
	put_attributes(page, level + 1, span->attributes, span->attribute_count);
	put_events(page, level + 1, span);
	put_links(page, level + 1, span);
}

/* Down, along, and up again, without a stack: a tree may be as deep as it likes. */
static void put_tree(const struct page *page)
{
	const struct spanring_test_span *span = page->spans->first_root;
	int level = 0;

	while (span) {
		put_span(page, level, span);
		if (span->first_child) {
			span = span->first_child;
			level++;
			continue;
		}
		while (span && !span->next) {
			span = span->parent;
			level--;
		}
		if (span)
			span = span->next;
	}
}

char *spanring_test_text(const struct spanring_test_spans *spans, unsigned flags)
{
	struct page page = {.spans = spans, .flags = flags};
	char *text = NULL;
	size_t size = 0;

	page.out = spans ? open_memstream(&text, &size) : NULL;
	if (!page.out)
		return NULL;
	put_tree(&page);
	if (fclose(page.out) == 0)
		return text;
	free(text);
	return NULL;
}
