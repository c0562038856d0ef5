/* Values of records as attributes of the public API, for the test sink. */
#ifndef LIBCLIENT_TESTING_VALUE_H
#define LIBCLIENT_TESTING_VALUE_H

#include "spanring.h"
#include "testing_ring.h"

/* A copy with a NUL behind it; NULL: no memory. */
const char *testing_text(struct testing_arena *arena, struct record_text text);

/* One entry of a checked record. -ENOMEM. */
int testing_attribute(struct testing_arena *arena, const struct record_entry *entry,
		      struct spanring_attribute *ret);

/* All of them, as an array of the arena's. -ENOMEM. */
int testing_attributes(struct testing_arena *arena, struct record_text entries,
		       const struct spanring_attribute **ret, size_t *ret_count);

#endif
