/* The span limits of OpenTelemetry, as the environment sets them.
 *
 * What one call can see is cut here: the length of values, and the attributes
 * of an event or a link. How many attributes, events and links a span has got,
 * only the agent knows, which has all of them: it is told (WIRE_LIMITS). */
#ifndef LIBCLIENT_SPAN_LIMITS_H
#define LIBCLIENT_SPAN_LIMITS_H

#include <stdint.h>

#define SPAN_LIMITS_NONE UINT32_MAX
#define SPAN_LIMITS_DEFAULT 128u

struct span_limits {
	uint32_t attributes; /* keys of a span */
	uint32_t events;
	uint32_t links;
	uint32_t event_attributes;
	uint32_t link_attributes;
	uint32_t value_length; /* characters of a string, bytes of bytes */
};

#define SPAN_LIMITS_INIT                                                           \
	{                                                                          \
		SPAN_LIMITS_DEFAULT, SPAN_LIMITS_DEFAULT, SPAN_LIMITS_DEFAULT,     \
			SPAN_LIMITS_DEFAULT, SPAN_LIMITS_DEFAULT, SPAN_LIMITS_NONE \
	}

/* Constant between init and shutdown. */
extern struct span_limits client_limits;

/* Bytes of the first `characters` characters of a text. What is no UTF-8 counts
 * a character a byte. */
uint64_t span_limits_cut(const char *text, uint64_t length, uint32_t characters);

#endif
