#include "json_scan.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum expects {
	EXPECTS_VALUE,
	EXPECTS_VALUE_OR_END, /* behind [ */
	EXPECTS_KEY_OR_END,   /* behind { */
	EXPECTS_COMMA_OR_END, /* behind a value */
	EXPECTS_NOTHING,      /* behind the whole */
	EXPECTS_NO_MORE,      /* it was bad */
};

void json_scan_init(struct json_scan *scan, const char *json, size_t length)
{
	*scan = (struct json_scan){.at = json, .end = json + length, .expects = EXPECTS_VALUE};
}

static int bad(struct json_scan *scan)
{
	scan->expects = EXPECTS_NO_MORE;
	return -EBADMSG;
}

static void skip_blanks(struct json_scan *scan)
{
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' ||
					*scan->at == '\n' || *scan->at == '\r'))
		scan->at++;
}

static bool in_object(const struct json_scan *scan)
{
	return scan->objects >> (scan->depth - 1) & 1;
}

/* Behind a value. */
static int valued(struct json_scan *scan, enum json_token token)
{
	scan->expects = scan->depth ? EXPECTS_COMMA_OR_END : EXPECTS_NOTHING;
	return token;
}

/* ---- what stands by itself --------------------------------------------------- */

static int take_hex(struct json_scan *scan)
{
	for (int i = 0; i < 4; i++, scan->at++) {
		char c;

		if (scan->at == scan->end)
			return -EBADMSG;
		c = *scan->at;
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
		      (c >= 'A' && c <= 'F')))
			return -EBADMSG;
	}
	return 0;
}

/* Behind the backslash. */
static int take_escape(struct json_scan *scan)
{
	char c;

	if (scan->at == scan->end)
		return -EBADMSG;
	c = *scan->at++;
	if (c == 'u')
		return take_hex(scan);
	return c && strchr("\"\\/bfnrt", c) ? 0 : -EBADMSG;
}

/* At the opening quote. */
static int take_string(struct json_scan *scan)
{
	scan->text = ++scan->at;
	while (scan->at < scan->end) {
		unsigned char c = (unsigned char)*scan->at++;

		if (c == '"') {
			scan->length = (size_t)(scan->at - 1 - scan->text);
			return 0;
		}
		if (c < 0x20 || (c == '\\' && take_escape(scan) < 0))
			return -EBADMSG;
	}
	return -EBADMSG;
}

/* At least one digit. */
static int take_digits(struct json_scan *scan)
{
	const char *from = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return scan->at > from ? 0 : -EBADMSG;
}

static bool take_char(struct json_scan *scan, char c)
{
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

static int take_number(struct json_scan *scan)
{
	scan->text = scan->at;
	(void)take_char(scan, '-'); /* may be there */
	if (!take_char(scan, '0') && take_digits(scan) < 0)
		return -EBADMSG;
	if (take_char(scan, '.') && take_digits(scan) < 0)
		return -EBADMSG;
	if (take_char(scan, 'e') || take_char(scan, 'E')) {
		if (!take_char(scan, '+'))
			(void)take_char(scan, '-'); /* either, or none */
		if (take_digits(scan) < 0)
			return -EBADMSG;
	}
	scan->length = (size_t)(scan->at - scan->text);
	return 0;
}

static int take_word(struct json_scan *scan, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
		return -EBADMSG;
	scan->at += length;
	return 0;
}

/* ---- what stands within each other --------------------------------------------- */

static int open_level(struct json_scan *scan, bool object)
{
	uint64_t bit;

	if (scan->depth == JSON_SCAN_DEPTH_MAX)
		return bad(scan);
	scan->at++;
	bit = UINT64_C(1) << scan->depth++;
	scan->objects = object ? scan->objects | bit : scan->objects & ~bit;
	scan->expects = object ? EXPECTS_KEY_OR_END : EXPECTS_VALUE_OR_END;
	return object ? JSON_OBJECT : JSON_ARRAY;
}

static int close_level(struct json_scan *scan)
{
	bool object = in_object(scan);

	scan->at++;
	scan->depth--;
	return valued(scan, object ? JSON_OBJECT_END : JSON_ARRAY_END);
}

static int take_value(struct json_scan *scan)
{
	switch (*scan->at) {
	case '{':
		return open_level(scan, true);
	case '[':
		return open_level(scan, false);
	case '"':
		return take_string(scan) < 0 ? bad(scan) : valued(scan, JSON_STRING);
	case 't':
		return take_word(scan, "true") < 0 ? bad(scan) : valued(scan, JSON_TRUE);
	case 'f':
		return take_word(scan, "false") < 0 ? bad(scan) : valued(scan, JSON_FALSE);
	case 'n':
		return take_word(scan, "null") < 0 ? bad(scan) : valued(scan, JSON_NULL);
	default:
		return take_number(scan) < 0 ? bad(scan) : valued(scan, JSON_NUMBER);
	}
}

/* A key and its colon. */
static int take_key(struct json_scan *scan)
{
	if (*scan->at != '"' || take_string(scan) < 0)
		return bad(scan);
	skip_blanks(scan);
	if (!take_char(scan, ':'))
		return bad(scan);
	scan->expects = EXPECTS_VALUE;
	return JSON_KEY;
}

static bool ends_level(const struct json_scan *scan)
{
	return *scan->at == (in_object(scan) ? '}' : ']');
}

/* Behind a value and a comma. */
static int take_next(struct json_scan *scan)
{
	if (!take_char(scan, ','))
		return bad(scan);
	skip_blanks(scan);
	if (scan->at == scan->end)
		return bad(scan);
	return in_object(scan) ? take_key(scan) : take_value(scan);
}

int json_scan_next(struct json_scan *scan)
{
	skip_blanks(scan);
	if (scan->at == scan->end)
		return scan->expects == EXPECTS_NOTHING ? JSON_END : bad(scan);
	switch (scan->expects) {
	case EXPECTS_VALUE:
		return take_value(scan);
	case EXPECTS_VALUE_OR_END:
		return ends_level(scan) ? close_level(scan) : take_value(scan);
	case EXPECTS_KEY_OR_END:
		return ends_level(scan) ? close_level(scan) : take_key(scan);
	case EXPECTS_COMMA_OR_END:
		return ends_level(scan) ? close_level(scan) : take_next(scan);
	default:
		return bad(scan);
	}
}
