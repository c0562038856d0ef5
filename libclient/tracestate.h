/* Tracestates, by number. A span is a small value and cannot carry 512
 * characters to its children; the few different ones a process meets are kept
 * here for its life. Where the table is full, a tracestate goes no further
 * than the spans directly under the remote one. Any thread, signal handlers
 * too. */
#ifndef LIBCLIENT_TRACESTATE_H
#define LIBCLIENT_TRACESTATE_H

#include "wire/record.h"

#include <stddef.h>
#include <stdint.h>

#define TRACESTATE_COUNT_MAX 64u

/* The number of a text of at most SPANRING_TRACESTATE_MAX characters, from 1;
 * 0: none, or no room. */
uint8_t tracestate_number(const char *text, size_t length);

/* The text of a number, borrowed for the process's life; empty for 0. */
struct record_text tracestate_text(uint8_t number);

#endif
