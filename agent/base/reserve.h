/* Memory for a rainy day: a block that nobody uses. What must not fail half-way
 * fills it before it begins, and when it finds no memory on the way gives the block
 * back to the heap and tries once more. The block is never touched, so it takes
 * address space and no memory until then. One thread. */
#ifndef BASE_RESERVE_H
#define BASE_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

struct reserve {
	void *block; /* NULL: spent */
	size_t bytes;
};

/* At least so many bytes are set aside. -ENOMEM; what there was may be gone. */
int reserve_fill(struct reserve *reserve, size_t bytes);

/* Whether there was something to give back, and so a reason to try again. */
bool reserve_spend(struct reserve *reserve);

#endif
