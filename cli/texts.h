/* Copies of texts that live as long as a file is looked at. What occurs often
 * (names, models, trace ids) is kept once. */
#ifndef CLI_TEXTS_H
#define CLI_TEXTS_H

#include <stddef.h>

struct texts_chunk;

struct texts {
	struct texts_chunk *chunk; /* the newest */
	const char **slots;	   /* of texts_once(), open addressing */
	size_t slot_count, used;
};

void texts_fini(struct texts *texts);

/* NULL: out of memory; both. */
const char *texts_copy(struct texts *texts, const char *text);
/* Equal texts give the same pointer. */
const char *texts_once(struct texts *texts, const char *text);

#endif
