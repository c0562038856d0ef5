/* A ring file as a test looks at it: mapped, unlocked or not, and every record
 * that is committed in it, thread by thread in the order written. For tests of
 * the client, which trust it; the agent's reader is another and does not. */
#ifndef SUPPORT_RING_READER_H
#define SUPPORT_RING_READER_H

#include "wire/record.h"

#include <stddef.h>
#include <stdint.h>

struct ring_reader {
	uint8_t *base;
	size_t size;
	const uint8_t **records; /* each checked; pieces of larger ones are not joined */
	uint32_t *threads;	 /* who wrote it */
	size_t count;
};

/* Fails the test when the file is not a ring or holds what is not a record. */
void ring_reader_open(struct ring_reader *reader, const char *path);
void ring_reader_close(struct ring_reader *reader);

/* The only ring in a directory; fails the test when there is none or more. */
void ring_reader_open_in(struct ring_reader *reader, const char *directory);

/* How many records are of this type. */
size_t ring_reader_count(const struct ring_reader *reader, enum wire_record_type type);

/* The n-th of this type, from 0; NULL when there is none. */
const uint8_t *ring_reader_find(const struct ring_reader *reader, enum wire_record_type type,
				size_t n);

/* The START of the first span of this name, or NULL. */
const uint8_t *ring_reader_start(const struct ring_reader *reader, const char *name);

/* The last text set under this key on the span, in *ret; false: none. */
bool ring_reader_text(const struct ring_reader *reader, const uint8_t span_id[8],
		      const char *key, struct record_text *ret);

#endif
