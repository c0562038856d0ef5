#include "archive_scan.h"

#include <errno.h>
#include <stdlib.h>

#include "otlp_json.h"

/* What is larger is no span, nor what stands around them. */
#define PIECE_BYTES_MAX ((size_t)1 << 30)
/* So much that is no JSON is enough to be told so. */
#define NO_JSON_BYTES ((size_t)4 << 10)

/* What an open brace or bracket is. */
enum role {
	ROLE_OTHER,
	ROLE_DOCUMENT,
	ROLE_RESOURCES, /* the list */
	ROLE_RESOURCE,
	ROLE_SCOPES,
	ROLE_SCOPE,
	ROLE_SPANS,
	ROLE_SPAN,
};

void archive_scan_init(struct archive_scan *scan, const struct archive_scan_ops *ops, void *arg)
{
	*scan = (struct archive_scan){.ops = ops, .arg = arg, .line = 1};
}

void archive_scan_fini(struct archive_scan *scan)
{
	buf_fini(&scan->around);
	buf_fini(&scan->span);
}

/* --- what opens --------------------------------------------------------- */

/* Whether the string before the colon was `key`, however it is written. */
static bool key_is(const struct archive_scan *scan, const char *key)
{
	struct bytes text = {scan->around.at + scan->string_at,
			     scan->string_end - scan->string_at};
	json_t *value;
	bool is;

	if (!memchr(text.at, '\\', text.len))
		return text.len == strlen(key) + 2 &&
		       memcmp(text.at + 1, key, strlen(key)) == 0;
	value = json_loadb((const char *)text.at, text.len, JSON_DECODE_ANY, NULL);
	is = strcmp(otlp_string(value), key) == 0;
	json_decref(value);
	return is;
}

static bool list_is(const struct archive_scan *scan, uint8_t c, const char *key)
{
	return c == '[' && scan->string_end > scan->string_at && key_is(scan, key);
}

static enum role role_of(const struct archive_scan *scan, uint8_t c)
{
	if (scan->depth == 0)
		return c == '{' ? ROLE_DOCUMENT : ROLE_OTHER;
	if (scan->depth >= ARCHIVE_SCAN_ROLES)
		return ROLE_OTHER;
	switch (scan->roles[scan->depth - 1]) {
	case ROLE_DOCUMENT:
		return list_is(scan, c, "resourceSpans") ? ROLE_RESOURCES : ROLE_OTHER;
	case ROLE_RESOURCES:
		return c == '{' ? ROLE_RESOURCE : ROLE_OTHER;
	case ROLE_RESOURCE:
		return list_is(scan, c, "scopeSpans") ? ROLE_SCOPES : ROLE_OTHER;
	case ROLE_SCOPES:
		return c == '{' ? ROLE_SCOPE : ROLE_OTHER;
	case ROLE_SCOPE:
		return list_is(scan, c, "spans") ? ROLE_SPANS : ROLE_OTHER;
	case ROLE_SPANS:
		return c == '{' ? ROLE_SPAN : ROLE_OTHER;
	default:
		return ROLE_OTHER;
	}
}

/* --- pieces ------------------------------------------------------------- */

/* Bytes [*from, to) of the window go where they belong. */
static int flush(struct archive_scan *scan, const uint8_t **from, const uint8_t *to)
{
	struct buf *out = scan->in_span ? &scan->span : &scan->around;
	int r;

	if (out->len + (size_t)(to - *from) > PIECE_BYTES_MAX)
		return -EFBIG;
	r = buf_append(out, *from, (size_t)(to - *from));

	*from = to;
	return r;
}

static int end_span(struct archive_scan *scan)
{
	unsigned lines = scan->line - scan->span_line;
	int r;

	scan->in_span = false;
	r = scan->ops->span(scan->arg, buf_bytes(&scan->span), scan->span_offset,
			    scan->span_line);
	if (r < 0)
		return r;
	buf_reset(&scan->span);
	(void)buf_printf(&scan->around, "{\"\":%u}", scan->spans++);
	/* Mistakes behind it are told by their line. */
	while (lines-- > 0)
		(void)buf_append_byte(&scan->around, '\n');
	return buf_failed(&scan->around) ? -ENOMEM : 0;
}

static int end_document(struct archive_scan *scan)
{
	int r = scan->ops->document(scan->arg, buf_bytes(&scan->around), scan->document_line);

	buf_reset(&scan->around);
	scan->documents++;
	scan->spans = 0;
	scan->string_at = scan->string_end = 0;
	return r;
}

/* --- bytes -------------------------------------------------------------- */

/* To the string's end, or the window's. */
static const uint8_t *pass_string(struct archive_scan *scan, const uint8_t *at,
				  const uint8_t *end)
{
	for (; at < end; at++) {
		if (scan->escaped) {
			scan->escaped = false;
		} else if (*at == '\\') {
			scan->escaped = true;
		} else if (*at == '"') {
			scan->in_string = false;
			return at + 1;
		} else if (*at == '\n') { /* which is no JSON, but has a line */
			scan->line++;
			scan->has_newline = true;
		}
	}
	return at;
}

static int open_bracket(struct archive_scan *scan, const uint8_t **from, const uint8_t *at,
			uint64_t offset)
{
	enum role role;
	int r;

	r = flush(scan, from, at);
	if (r < 0)
		return r;
	role = role_of(scan, *at);
	if (role == ROLE_SPAN) {
		scan->in_span = true;
		scan->span_depth = 1;
		scan->span_offset = offset;
		scan->span_line = scan->line;
		return 0;
	}
	if (scan->depth < ARCHIVE_SCAN_ROLES)
		scan->roles[scan->depth] = role;
	scan->depth++;
	scan->string_at = scan->string_end = 0;
	return 0;
}

/* A closing one that nothing opened ends the document, too: it is none. */
static int close_bracket(struct archive_scan *scan, const uint8_t **from, const uint8_t *at)
{
	int r;

	if (scan->in_span) {
		if (--scan->span_depth > 0)
			return 0;
		r = flush(scan, from, at + 1);
		return r < 0 ? r : end_span(scan);
	}
	scan->depth -= scan->depth > 0;
	if (scan->depth > 0)
		return 0;
	r = flush(scan, from, at + 1);
	return r < 0 ? r : end_document(scan);
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Around spans, the string's place in `around` is kept. */
static const uint8_t *pass_any_string(struct archive_scan *scan, const uint8_t *from,
				      const uint8_t *at, const uint8_t *end, bool begins)
{
	if (begins && !scan->in_span)
		scan->string_at = scan->around.len + (size_t)(at - from);
	scan->in_string = true;
	at = pass_string(scan, begins ? at + 1 : at, end);
	if (!scan->in_string && !scan->in_span)
		scan->string_end = scan->around.len + (size_t)(at - from);
	return at;
}

int archive_scan_push(struct archive_scan *scan, struct bytes window)
{
	const uint8_t *at = window.at, *end = window.at + window.len, *from = at;
	int r = 0;

	while (at < end && r >= 0) {
		uint8_t c = *at;

		if (scan->in_string) {
			at = pass_any_string(scan, from, at, end, false);
			continue;
		}
		if (!scan->in_span && scan->around.len == 0 && at == from) {
			/* Between documents. */
			if (is_space(c)) {
				scan->line += c == '\n';
				from = ++at;
				continue;
			}
			scan->document_line = scan->line;
			scan->has_newline = false;
		}
		if (c == '"') {
			at = pass_any_string(scan, from, at, end, true);
			continue;
		}
		if (c == '{' || c == '[') {
			if (scan->in_span)
				scan->span_depth++;
			else
				r = open_bracket(scan, &from, at,
						 scan->offset + (uint64_t)(at - window.at));
		} else if (c == '}' || c == ']') {
			r = close_bracket(scan, &from, at);
		} else if (c == '\n') {
			scan->line++;
			scan->has_newline = true;
		}
		at++;
	}
	if (r >= 0)
		r = flush(scan, &from, end);
	if (r >= 0 && scan->depth == 0 && scan->around.len > NO_JSON_BYTES)
		r = end_document(scan);
	scan->offset += window.len;
	return r < 0 ? r : 0;
}

int archive_scan_end(struct archive_scan *scan)
{
	if (scan->around.len == 0)
		return 0;
	if (scan->documents > 0 && !scan->has_newline)
		return 1;
	return end_document(scan);
}
