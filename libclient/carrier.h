/* A context as the JSON text of a carrier file:
 *
 *   {"traceparent": "00-<trace>-<span>-01", "tracestate": "k=v"}
 *
 * which is what Python's json.dump() makes of the dictionary that
 * opentelemetry.propagate.inject() filled. Text in, text out: no I/O, no
 * state, any thread. */
#ifndef LIBCLIENT_CARRIER_H
#define LIBCLIENT_CARRIER_H

#include "w3c.h"

/* Room for the longest text carrier_format() makes: every character of a legal
 * tracestate may need an escape. */
#define CARRIER_LENGTH_MAX (W3C_TRACEPARENT_LENGTH + 2 * W3C_TRACESTATE_LENGTH_MAX + 64u)

struct carrier {
	struct w3c_traceparent parent;
	uint32_t tracestate_length; /* 0: none */
	char tracestate[W3C_TRACESTATE_LENGTH_MAX + 1];
};

/* Reads a carrier. Unknown members of any type are skipped, of equal names the
 * last counts; a bad tracestate is dropped alone. -EBADMSG: not one whole JSON
 * object, nested deeper than 16, or without a valid traceparent. */
int carrier_parse(const char *text, size_t length, struct carrier *ret);

/* Takes the two header values; a NULL or bad tracestate is dropped.
 * -EBADMSG: no valid traceparent. */
int carrier_set(struct carrier *ret, const char *traceparent, size_t traceparent_length,
		const char *tracestate, size_t tracestate_length);

/* Writes the text, ended by a line feed and no NUL. Returns its length. */
size_t carrier_format(const struct carrier *carrier, char ret_text[CARRIER_LENGTH_MAX]);

#endif
