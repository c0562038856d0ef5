/* A context as the JSON text of a carrier file:
 *
 *   {"traceparent": "00-<trace>-<span>-01", "tracestate": "k=v"}
 *
 * which is what Python's json.dump() makes of the dictionary that
 * opentelemetry.propagate.inject() filled. Text in, text out: no I/O, no
 * state, any thread. */
#ifndef LIBCLIENT_CARRIER_H
#define LIBCLIENT_CARRIER_H

#include "spanring.h"

#include <stddef.h>

/* Room for the longest text carrier_format() makes: every character of a legal
 * tracestate may need an escape. */
#define CARRIER_LENGTH_MAX (SPANRING_TRACEPARENT_LENGTH + 2 * SPANRING_TRACESTATE_MAX + 64)

/* Reads a carrier. Unknown members of any type are skipped, of equal names the
 * last counts; a bad tracestate is dropped alone. -EBADMSG: not one whole JSON
 * object, nested deeper than 16, or without a valid traceparent. */
int carrier_parse(const char *text, size_t length, struct spanring_context *ret_context);

/* Writes the text, ended by a line feed and no NUL. Returns its length.
 * -EINVAL: zero ids. */
int carrier_format(const struct spanring_context *context, char ret_text[CARRIER_LENGTH_MAX]);

#endif
