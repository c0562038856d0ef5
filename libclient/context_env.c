#include "spanring/propagation.h"

#include "context.h"
#include "environment.h"
#include "w3c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int spanring_context_from_environment(struct spanring_context *ret_context)
{
	const char *traceparent, *tracestate;

	if (environment_is_forbidden())
		return -EPERM;
	traceparent = environment_get("TRACEPARENT");
	if (!traceparent)
		return -ENOENT;
	tracestate = environment_get("TRACESTATE");
	return spanring_context_parse(traceparent, tracestate, ret_context);
}

int context_inherited(struct spanring_context *ret_context)
{
	/* TRACEPARENT first, whatever is configured: our own wrapper sets it. */
	if (spanring_context_from_environment(ret_context) == 0 ||
	    spanring_extract(spanring_get_variable, NULL, ret_context, NULL) == 0)
		return 0;
	if (environment_get("SPANRING_CONTEXT_FILE") &&
	    spanring_context_from_file(NULL, ret_context) == 0)
		return 0;
	return -ENOENT;
}

static int set_or_unset_tracestate(const struct spanring_context *context)
{
	/* An older one belongs to another trace: it must not stay behind. */
	if (!context->tracestate_length ||
	    !w3c_tracestate_valid(context->tracestate, context->tracestate_length))
		return unsetenv("TRACESTATE");
	return setenv("TRACESTATE", context->tracestate, 1);
}

int spanring_context_to_environment(const struct spanring_context *context)
{
	char traceparent[SPANRING_TRACEPARENT_SIZE];
	int error = errno, r;

	r = spanring_context_format(context, traceparent);
	if (r < 0)
		return r;
	if (set_or_unset_tracestate(context) < 0 || setenv("TRACEPARENT", traceparent, 1) < 0)
		r = -errno;
	errno = error;
	return r;
}
