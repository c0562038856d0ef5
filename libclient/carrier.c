#include "carrier.h"

#include "context.h"
#include "w3c.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX 16u

/* The longest string we want to see; longer ones are legal JSON and no header
 * of ours. */
#define STRING_LENGTH_MAX ((size_t)SPANRING_TRACESTATE_MAX)

/* Stands for every character beyond ASCII in a decoded string: neither header
 * may hold one, so which one it was does not matter. */
#define NOT_ASCII '\x7f'

struct reader {
	const char *at;
	const char *end;
};

struct string {
	size_t length; /* may pass STRING_LENGTH_MAX; only that much is kept */
	char text[STRING_LENGTH_MAX];
};

static int read_value(struct reader *reader, unsigned depth);

static void skip_space(struct reader *reader)
{
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
					    *reader->at == '\n' || *reader->at == '\r'))
		reader->at++;
}

/* Takes `c` if it comes next, after white space. */
static bool take(struct reader *reader, char c)
{
	skip_space(reader);
	if (reader->at == reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

static void keep(struct string *string, char c)
{
	if (string->length < STRING_LENGTH_MAX)
		string->text[string->length] = c;
	string->length++;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_unicode_escape(struct reader *reader, struct string *string)
{
	int code = 0;

	if (reader->end - reader->at < 4)
		return -EBADMSG;
	for (int i = 0; i < 4; i++) {
		int digit = hex_value(*reader->at++);

		if (digit < 0)
			return -EBADMSG;
		code = code << 4 | digit;
	}
	keep(string, code < 0x80 ? (char)code : NOT_ASCII);
	return 0;
}

/* Behind the backslash. */
static int read_escape(struct reader *reader, struct string *string)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char c;

	if (reader->at == reader->end)
		return -EBADMSG;
	c = *reader->at++;
	if (c == 'u')
		return read_unicode_escape(reader, string);
	found = c ? strchr(from, c) : NULL;
	if (!found)
		return -EBADMSG;
	keep(string, to[found - from]);
	return 0;
}

static int read_string(struct reader *reader, struct string *ret)
{
	ret->length = 0;
	if (!take(reader, '"'))
		return -EBADMSG;
	while (reader->at < reader->end) {
		char c = *reader->at++;

		if (c == '"')
			return 0;
		if ((unsigned char)c < 0x20)
			return -EBADMSG;
		if (c == '\\') {
			if (read_escape(reader, ret) < 0)
				return -EBADMSG;
		} else {
			keep(ret, (unsigned char)c < 0x80 ? c : NOT_ASCII);
		}
	}
	return -EBADMSG;
}

/* true, false, null or a number. How a number is built does not matter to us,
 * only where it ends. */
static int read_bare_word(struct reader *reader)
{
	const char *from = reader->at;
	size_t length;

	while (reader->at < reader->end && *reader->at &&
	       strchr("abcdefghijklmnopqrstuvwxyzE0123456789+-.", *reader->at))
		reader->at++;
	length = (size_t)(reader->at - from);
	if (length && strchr("-0123456789", *from))
		return 0;
	if ((length == 4 && (!memcmp(from, "true", 4) || !memcmp(from, "null", 4))) ||
	    (length == 5 && !memcmp(from, "false", 5)))
		return 0;
	return -EBADMSG;
}

/* One "name": at the head of an object's member. */
static int read_name(struct reader *reader, struct string *ret)
{
	if (read_string(reader, ret) < 0 || !take(reader, ':'))
		return -EBADMSG;
	return 0;
}

/* An object's or array's members, behind the opening bracket. */
static int skip_members(struct reader *reader, char close, unsigned depth)
{
	struct string name;

	if (take(reader, close))
		return 0;
	do {
		if (close == '}' && read_name(reader, &name) < 0)
			return -EBADMSG;
		if (read_value(reader, depth) < 0)
			return -EBADMSG;
	} while (take(reader, ','));
	return take(reader, close) ? 0 : -EBADMSG;
}

/* Skips a value of any type. */
static int read_value(struct reader *reader, unsigned depth)
{
	struct string ignored;

	if (depth > DEPTH_MAX)
		return -EBADMSG;
	skip_space(reader);
	if (reader->at == reader->end)
		return -EBADMSG;
	if (*reader->at == '"')
		return read_string(reader, &ignored);
	if (take(reader, '{'))
		return skip_members(reader, '}', depth + 1);
	if (take(reader, '['))
		return skip_members(reader, ']', depth + 1);
	return read_bare_word(reader);
}

static bool is_name(const struct string *string, const char *name)
{
	size_t length = strlen(name);

	return string->length == length && !memcmp(string->text, name, length);
}

/* The value of a member called `name`: kept if it is a header of ours and a
 * string, which also replaces what an equal name brought before. */
static int read_member(struct reader *reader, struct string *name, struct string *traceparent,
		       struct string *tracestate)
{
	struct string *wanted = NULL;

	if (is_name(name, "traceparent"))
		wanted = traceparent;
	else if (is_name(name, "tracestate"))
		wanted = tracestate;
	if (wanted)
		wanted->length = 0;
	skip_space(reader);
	if (wanted && reader->at < reader->end && *reader->at == '"')
		return read_string(reader, wanted);
	return read_value(reader, 1);
}

static int read_object(struct reader *reader, struct string *traceparent,
		       struct string *tracestate)
{
	struct string name;

	if (!take(reader, '{'))
		return -EBADMSG;
	if (take(reader, '}'))
		return 0;
	do {
		if (read_name(reader, &name) < 0 ||
		    read_member(reader, &name, traceparent, tracestate) < 0)
			return -EBADMSG;
	} while (take(reader, ','));
	return take(reader, '}') ? 0 : -EBADMSG;
}

int carrier_parse(const char *text, size_t length, struct spanring_context *ret_context)
{
	struct reader reader = {text, text + length};
	struct string traceparent = {.length = 0}, tracestate = {.length = 0};

	if (read_object(&reader, &traceparent, &tracestate) < 0)
		return -EBADMSG;
	skip_space(&reader);
	if (reader.at != reader.end || traceparent.length > STRING_LENGTH_MAX)
		return -EBADMSG;
	if (tracestate.length > STRING_LENGTH_MAX)
		tracestate.length = 0; /* was kept in part only */
	return context_from_headers(traceparent.text, traceparent.length, tracestate.text,
				    tracestate.length, ret_context);
}

static char *put(char *at, const char *text)
{
	size_t length = strlen(text);

	memcpy(at, text, length);
	return at + length;
}

/* A blank may be a tab, which JSON wants escaped. */
static char *put_tracestate(char *at, const struct spanring_context *context)
{
	at = put(at, ", \"tracestate\": \"");
	for (unsigned i = 0; i < context->tracestate_length; i++) {
		char c = context->tracestate[i];

		if (c == '"' || c == '\\' || c == '\t')
			*at++ = '\\';
		*at++ = c == '\t' ? 't' : c;
	}
	return put(at, "\"");
}

int carrier_format(const struct spanring_context *context, char ret_text[CARRIER_LENGTH_MAX])
{
	char *at = put(ret_text, "{\"traceparent\": \"");

	if (spanring_context_format(context, at) < 0)
		return -EINVAL;
	at = put(at + SPANRING_TRACEPARENT_LENGTH, "\"");
	/* The caller may have filled the struct: nothing illegal leaves. */
	if (context->tracestate_length &&
	    w3c_tracestate_valid(context->tracestate, context->tracestate_length))
		at = put_tracestate(at, context);
	at = put(at, "}\n");
	return (int)(at - ret_text);
}
