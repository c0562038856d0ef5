/* The B3 headers of Zipkin: one, `b3`, or several, `X-B3-TraceId` and so on.
 * https://github.com/openzipkin/b3-propagation; how they map to a context is
 * OpenTelemetry's "B3 Requirements": ids of 64 bits are filled up with zeros,
 * debug means sampled and is passed on.
 *
 * Who says neither yes nor no leaves the choice to the receiver. A context has
 * no place for that: it is read as sampled, which is what our default chooses.
 *
 * Pure; any thread. */
#ifndef LIBCLIENT_B3_H
#define LIBCLIENT_B3_H

#include "spanring.h"

#define B3_SINGLE_SIZE 69 /* with the NUL */

/* -ENOENT: a choice about sampling alone, without ids. -EBADMSG: nonsense.
 * *ret_context is written on success only. */
int b3_parse_single(const char *header, struct spanring_context *ret_context);

/* Each may be NULL. Also -ENOENT: no ids. */
int b3_parse_multi(const char *trace_id, const char *span_id, const char *sampled,
		   const char *flags, struct spanring_context *ret_context);

/* "{trace id}-{span id}-{1, 0 or d}". */
void b3_format_single(const struct spanring_context *context, char ret_text[B3_SINGLE_SIZE]);

#endif
