#include "context.h"

#include "w3c.h"

#include <errno.h>
#include <string.h>

_Static_assert(SPANRING_TRACEPARENT_LENGTH == W3C_TRACEPARENT_LENGTH, "one length");
_Static_assert(SPANRING_TRACESTATE_MAX == W3C_TRACESTATE_LENGTH_MAX, "one limit");

bool context_is_valid(const struct spanring_context *context)
{
	static const uint8_t zero[16];

	return memcmp(context->trace_id, zero, sizeof context->trace_id) != 0 &&
	       memcmp(context->span_id, zero, sizeof context->span_id) != 0;
}

int context_from_headers(const char *traceparent, size_t traceparent_length,
			 const char *tracestate, size_t tracestate_length,
			 struct spanring_context *ret_context)
{
	struct w3c_traceparent parent;

	if (w3c_parse_traceparent(traceparent, traceparent_length, &parent) < 0)
		return -EBADMSG;
	if (!tracestate || !w3c_tracestate_valid(tracestate, tracestate_length))
		tracestate_length = 0;
	memset(ret_context, 0, sizeof *ret_context);
	memcpy(ret_context->trace_id, parent.trace_id, sizeof parent.trace_id);
	memcpy(ret_context->span_id, parent.span_id, sizeof parent.span_id);
	ret_context->trace_flags = parent.flags & W3C_FLAGS_KNOWN;
	ret_context->is_remote = true;
	ret_context->tracestate_length = (uint16_t)tracestate_length;
	if (tracestate_length)
		memcpy(ret_context->tracestate, tracestate, tracestate_length);
	return 0;
}

int spanring_context_parse(const char *traceparent, const char *tracestate,
			   struct spanring_context *ret_context)
{
	if (!traceparent)
		return -EBADMSG;
	return context_from_headers(traceparent, strlen(traceparent), tracestate,
				    tracestate ? strlen(tracestate) : 0, ret_context);
}

int spanring_context_format(const struct spanring_context *context,
			    char ret_traceparent[SPANRING_TRACEPARENT_SIZE])
{
	struct w3c_traceparent parent = {.flags = context->trace_flags};

	if (!context_is_valid(context))
		return -EINVAL;
	memcpy(parent.trace_id, context->trace_id, sizeof parent.trace_id);
	memcpy(parent.span_id, context->span_id, sizeof parent.span_id);
	w3c_format_traceparent(&parent, ret_traceparent);
	return 0;
}

void spanring_trace_id_hex(const struct spanring_span *span,
			   char ret_text[SPANRING_TRACE_ID_SIZE])
{
	w3c_hex(span->trace_id, sizeof span->trace_id, ret_text);
	ret_text[SPANRING_TRACE_ID_SIZE - 1] = '\0';
}

void spanring_span_id_hex(const struct spanring_span *span,
			  char ret_text[SPANRING_SPAN_ID_SIZE])
{
	w3c_hex(span->span_id, sizeof span->span_id, ret_text);
	ret_text[SPANRING_SPAN_ID_SIZE - 1] = '\0';
}
