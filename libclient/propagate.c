/* Contexts and baggage, into carriers and out of them: one function per
 * propagator and direction, whatever the carrier is. */
#include "propagate.h"

#include "b3.h"
#include "context.h"
#include "spanring/propagation.h"
#include "w3c.h"

#include <errno.h>

unsigned propagate_set = PROPAGATE_DEFAULT;

/* ---- inject -------------------------------------------------------------------- */

static void inject_tracecontext(const struct spanring_context *context,
				spanring_set_header *set, void *carrier)
{
	char traceparent[SPANRING_TRACEPARENT_SIZE];

	(void)spanring_context_format(context, traceparent); /* the ids are valid */
	set(carrier, "traceparent", traceparent);
	if (context->tracestate_length)
		set(carrier, "tracestate", context->tracestate);
}

static void inject_b3(const struct spanring_context *context, spanring_set_header *set,
		      void *carrier)
{
	char single[B3_SINGLE_SIZE];

	b3_format_single(context, single);
	set(carrier, "b3", single);
}

static void inject_b3multi(const struct spanring_context *context, spanring_set_header *set,
			   void *carrier)
{
	char text[SPANRING_TRACE_ID_SIZE];

	w3c_hex(context->trace_id, sizeof context->trace_id, text);
	text[SPANRING_TRACE_ID_SIZE - 1] = '\0';
	set(carrier, "x-b3-traceid", text);
	w3c_hex(context->span_id, sizeof context->span_id, text);
	text[SPANRING_SPAN_ID_SIZE - 1] = '\0';
	set(carrier, "x-b3-spanid", text);
	/* Debug implies the choice, which is then not sent. */
	if (context->b3_debug)
		set(carrier, "x-b3-flags", "1");
	else
		set(carrier, "x-b3-sampled",
		    context->trace_flags & W3C_FLAG_SAMPLED ? "1" : "0");
}

int spanring_inject(const struct spanring_span *span, spanring_set_header *set, void *carrier)
{
	const struct spanring_baggage *baggage = spanring_baggage_current();
	struct spanring_context context;
	int r;

	if (propagate_set & PROPAGATE_BAGGAGE && baggage->length)
		set(carrier, "baggage", baggage->text);
	r = span ? spanring_span_context(span, &context) : spanring_current_context(&context);
	if (r < 0)
		return r;
	if (propagate_set & PROPAGATE_TRACECONTEXT)
		inject_tracecontext(&context, set, carrier);
	if (propagate_set & PROPAGATE_B3)
		inject_b3(&context, set, carrier);
	if (propagate_set & PROPAGATE_B3MULTI)
		inject_b3multi(&context, set, carrier);
	return 0;
}

/* ---- extract ------------------------------------------------------------------- */

/* A short header, kept while the next one is asked for: its text need not live so
 * long. With one character more than any of ours has: what is cut there is not
 * legal, or is what a later version of traceparent says behind ours. */
struct kept {
	char text[SPANRING_TRACEPARENT_SIZE + 1];
	const char *header; /* NULL: none */
};

static void keep(struct kept *kept, const char *header)
{
	size_t length = header ? strnlen(header, sizeof kept->text - 1) : 0;

	memcpy(kept->text, header ? header : "", length);
	kept->text[length] = '\0';
	kept->header = header ? kept->text : NULL;
}

static int extract_tracecontext(spanring_get_header *get, void *carrier,
				struct spanring_context *ret_context)
{
	struct kept traceparent;

	keep(&traceparent, get(carrier, "traceparent"));
	if (!traceparent.header)
		return -ENOENT;
	return spanring_context_parse(traceparent.header, get(carrier, "tracestate"),
				      ret_context);
}

static int extract_b3multi(spanring_get_header *get, void *carrier,
			   struct spanring_context *ret_context)
{
	struct kept trace_id, span_id, sampled, flags;

	keep(&trace_id, get(carrier, "x-b3-traceid"));
	keep(&span_id, get(carrier, "x-b3-spanid"));
	keep(&sampled, get(carrier, "x-b3-sampled"));
	keep(&flags, get(carrier, "x-b3-flags"));
	return b3_parse_multi(trace_id.header, span_id.header, sampled.header, flags.header,
			      ret_context);
}

/* Whichever of both is configured for sending, each of them is understood. */
static int extract_b3(spanring_get_header *get, void *carrier,
		      struct spanring_context *ret_context)
{
	const char *header = get(carrier, "b3");
	int single = header ? b3_parse_single(header, ret_context) : -ENOENT, multi;

	if (single == 0)
		return 0;
	multi = extract_b3multi(get, carrier, ret_context);
	return multi == -ENOENT ? single : multi;
}

static void extract_baggage(spanring_get_header *get, void *carrier,
			    struct spanring_baggage *ret_baggage)
{
	const char *header = NULL;

	if (propagate_set & PROPAGATE_BAGGAGE)
		header = get(carrier, "baggage");
	(void)spanring_baggage_parse(header ? header : "", header ? strlen(header) : 0,
				     ret_baggage);
}

int spanring_extract(spanring_get_header *get, void *carrier,
		     struct spanring_context *ret_context, struct spanring_baggage *ret_baggage)
{
	int w3c = -ENOENT, b3 = -ENOENT;

	if (ret_baggage)
		extract_baggage(get, carrier, ret_baggage);
	if (propagate_set & PROPAGATE_TRACECONTEXT)
		w3c = extract_tracecontext(get, carrier, ret_context);
	if (w3c < 0 && propagate_set & (PROPAGATE_B3 | PROPAGATE_B3MULTI))
		b3 = extract_b3(get, carrier, ret_context);
	if (w3c == 0 || b3 == 0)
		return 0;
	return w3c == -EBADMSG || b3 == -EBADMSG ? -EBADMSG : -ENOENT;
}
