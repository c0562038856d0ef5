/* W3C Trace Context as text: the two headers, without I/O and without state.
 * Everything here is safe in any thread and in signal handlers.
 *
 * Invalid input is answered with -EBADMSG and leaves the output untouched.
 * Lengths are explicit: neither a header taken from a request nor one taken
 * from a file needs an ending NUL. */
#ifndef LIBCLIENT_W3C_H
#define LIBCLIENT_W3C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define W3C_TRACEPARENT_LENGTH 55u

/* A tracestate above this length is dropped whole. The specification asks for
 * at least 512 characters. */
#define W3C_TRACESTATE_LENGTH_MAX 512u
#define W3C_TRACESTATE_MEMBERS_MAX 32u

/* The flags Level 2 defines; all others are cleared when a header is made. */
#define W3C_FLAG_SAMPLED 0x01u
#define W3C_FLAG_RANDOM 0x02u
#define W3C_FLAGS_KNOWN (W3C_FLAG_SAMPLED | W3C_FLAG_RANDOM)

struct w3c_traceparent {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t flags; /* as received; w3c_format_traceparent() clears unknown bits */
};

/* Version 00 is exactly 55 characters; of a higher version the first 55 are
 * read and must be followed by nothing or by '-'. Hex digits are lower case,
 * version ff and zero ids are invalid. 0 or -EBADMSG. */
int w3c_parse_traceparent(const char *text, size_t length, struct w3c_traceparent *ret);

/* Writes version 00 and an ending NUL. The ids must not be zero. */
void w3c_format_traceparent(const struct w3c_traceparent *parent,
			    char ret_text[W3C_TRACEPARENT_LENGTH + 1]);

/* Whether a tracestate may be passed on, verbatim: at most 32 members (empty
 * ones are allowed and not counted) of legal keys and values. */
bool w3c_tracestate_valid(const char *text, size_t length);

/* Lower-case hex of `bytes`; writes 2 * count characters and no NUL. */
void w3c_hex(const uint8_t *bytes, size_t count, char *ret_text);

/* The reverse, of exactly 2 * count lower-case digits. 0 or -EBADMSG; the
 * output may be partly written then. */
int w3c_unhex(const char *text, size_t count, uint8_t *ret_bytes);

#endif
