/* What another process says about where a span hangs: traceparent, tracestate
 * and the carrier file. The first byte says which. */
#include <string.h>

#include "carrier.h"
#include "context.h"
#include "fuzz.h"
#include "w3c.h"

/* What was accepted is what we would say ourselves. */
static void check_again(const struct spanring_context *context)
{
	char text[CARRIER_LENGTH_MAX];
	struct spanring_context again;
	int n;

	FUZZ_CHECK(context_is_valid(context));
	FUZZ_CHECK(context->tracestate_length <= SPANRING_TRACESTATE_MAX);
	n = carrier_format(context, text);
	FUZZ_CHECK(n > 0 && n <= (int)CARRIER_LENGTH_MAX);
	FUZZ_CHECK(carrier_parse(text, (size_t)n, &again) == 0);
	FUZZ_CHECK(memcmp(again.trace_id, context->trace_id, 16) == 0);
	FUZZ_CHECK(memcmp(again.span_id, context->span_id, 8) == 0);
	FUZZ_CHECK(again.tracestate_length == context->tracestate_length);
	FUZZ_CHECK(memcmp(again.tracestate, context->tracestate, again.tracestate_length) == 0);
}

static void try_headers(const char *at, size_t len)
{
	const char *cut = memchr(at, '\n', len);
	size_t first = cut ? (size_t)(cut - at) : len;
	struct spanring_context context;
	struct w3c_traceparent parent;
	char text[W3C_TRACEPARENT_LENGTH + 1];

	if (w3c_parse_traceparent(at, first, &parent) == 0) {
		w3c_format_traceparent(&parent, text);
		FUZZ_CHECK(w3c_parse_traceparent(text, W3C_TRACEPARENT_LENGTH, &parent) == 0);
	}
	if (context_from_headers(at, first, cut ? cut + 1 : NULL, cut ? len - first - 1 : 0,
				 &context) == 0)
		check_again(&context);
}

static void try_file(const uint8_t *at, size_t len)
{
	struct spanring_context context;
	char path[256];

	(void)snprintf(path, sizeof path, "%s/trace.context", fuzz_directory());
	fuzz_write(path, at, len);
	if (spanring_context_from_file(path, &context) == 0)
		check_again(&context);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct spanring_context context;

	if (len == 0)
		return 0;
	switch (at[0] & 3) {
	case 0:
		try_headers((const char *)at + 1, len - 1);
		break;
	case 1:
		if (carrier_parse((const char *)at + 1, len - 1, &context) == 0)
			check_again(&context);
		break;
	case 2:
		try_file(at + 1, len - 1);
		break;
	default:
		(void)w3c_tracestate_valid((const char *)at + 1, len - 1);
		break;
	}
	return 0;
}
