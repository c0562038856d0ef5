/* The rings of a directory as lists of records, for the test sink.
 *
 * Read by the rules of wire/abi.h, while their processes may be writing, by one thread. No
 * agent is there, so no block was ever given back: all that was said is in the rings. */
#ifndef LIBCLIENT_TESTING_RING_H
#define LIBCLIENT_TESTING_RING_H

#include "wire/abi.h"
#include "wire/record.h"

/* Memory that is given back all at once; zeroed, it is empty. */
struct testing_arena {
	struct testing_chunk *chunks;
};

/* Zeroed bytes, or NULL. */
void *testing_alloc(struct testing_arena *arena, size_t count, size_t size);
void testing_free(struct testing_arena *arena);

struct testing_record {
	const uint8_t *bytes; /* whole, joined, and checked; the arena's */
	uint32_t length;
};

struct testing_ring {
	struct testing_ring *next;
	struct wire_ring_header *header; /* a copy */
	struct testing_record *records;	 /* thread by thread, in the order written */
	size_t count;
	size_t room;
};

/* Every ring of the directory; *ret_rings is NULL where there is none. What is no ring, or not
 * yet, is passed over.
 * -ENOMEM, or what opening the directory said. */
int testing_rings_read(struct testing_arena *arena, const char *directory,
		       struct testing_ring **ret_rings);

#endif
