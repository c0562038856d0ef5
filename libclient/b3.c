#include "b3.h"

#include "context.h"
#include "w3c.h"

#include <errno.h>
#include <string.h>

#define TRACE_LENGTH 32u
#define SHORT_TRACE_LENGTH 16u
#define SPAN_LENGTH 16u

/* Upper-case digits are legal here. */
static int unhex(const char *text, size_t count, uint8_t *ret_bytes)
{
	char lower[TRACE_LENGTH];

	for (size_t i = 0; i < 2 * count; i++)
		lower[i] = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] | 0x20) : text[i];
	return w3c_unhex(lower, count, ret_bytes);
}

static int read_ids(const char *trace, size_t trace_length, const char *span,
		    struct spanring_context *ret)
{
	int r;

	if (trace_length == TRACE_LENGTH)
		r = unhex(trace, sizeof ret->trace_id, ret->trace_id);
	else if (trace_length == SHORT_TRACE_LENGTH)
		r = unhex(trace, 8, ret->trace_id + 8);
	else
		r = -EBADMSG;
	if (r == 0)
		r = unhex(span, sizeof ret->span_id, ret->span_id);
	return r == 0 && context_is_valid(ret) ? 0 : -EBADMSG;
}

/* "1", "0", "d", and the "true" and "false" of older senders. */
static int read_choice(const char *text, size_t length, struct spanring_context *ret)
{
	bool word_true = length == 4 && !memcmp(text, "true", 4);
	bool word_false = length == 5 && !memcmp(text, "false", 5);

	if (length != 1 && !word_true && !word_false)
		return -EBADMSG;
	ret->b3_debug = *text == 'd';
	if (*text == '1' || *text == 'd' || word_true)
		ret->trace_flags |= W3C_FLAG_SAMPLED;
	else if (*text == '0' || word_false)
		ret->trace_flags &= (uint8_t)~W3C_FLAG_SAMPLED;
	else
		return -EBADMSG;
	return 0;
}

int b3_parse_single(const char *header, struct spanring_context *ret_context)
{
	struct spanring_context context = {.trace_flags = W3C_FLAG_SAMPLED, .is_remote = true};
	size_t trace_length = strcspn(header, "-"), choice_length;
	const char *span = header + trace_length + 1, *choice;

	if (!header[trace_length])
		return read_choice(header, trace_length, &context) == 0 ? -ENOENT : -EBADMSG;
	if (strcspn(span, "-") != SPAN_LENGTH ||
	    read_ids(header, trace_length, span, &context) < 0)
		return -EBADMSG;
	choice = span + SPAN_LENGTH;
	if (*choice == '-') {
		choice++;
		choice_length = strcspn(choice, "-"); /* behind it is the parent's id */
		if (read_choice(choice, choice_length, &context) < 0)
			return -EBADMSG;
	}
	*ret_context = context;
	return 0;
}

int b3_parse_multi(const char *trace_id, const char *span_id, const char *sampled,
		   const char *flags, struct spanring_context *ret_context)
{
	struct spanring_context context = {.trace_flags = W3C_FLAG_SAMPLED, .is_remote = true};

	if (!trace_id && !span_id)
		return -ENOENT;
	if (!trace_id || !span_id || strlen(span_id) != SPAN_LENGTH ||
	    read_ids(trace_id, strlen(trace_id), span_id, &context) < 0)
		return -EBADMSG;
	if (sampled && read_choice(sampled, strlen(sampled), &context) < 0)
		return -EBADMSG;
	if (flags && strcmp(flags, "1") == 0) { /* beats what `sampled` says */
		context.b3_debug = true;
		context.trace_flags |= W3C_FLAG_SAMPLED;
	}
	*ret_context = context;
	return 0;
}

void b3_format_single(const struct spanring_context *context, char ret_text[B3_SINGLE_SIZE])
{
	char *at = ret_text;

	w3c_hex(context->trace_id, sizeof context->trace_id, at);
	at += TRACE_LENGTH;
	*at++ = '-';
	w3c_hex(context->span_id, sizeof context->span_id, at);
	at += SPAN_LENGTH;
	*at++ = '-';
	*at++ = context->b3_debug ? 'd' : context->trace_flags & W3C_FLAG_SAMPLED ? '1' : '0';
	*at = '\0';
}
