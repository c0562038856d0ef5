/* Lists of keys as the configuration has them: exact names and globs (`*` any
 * text, `?` any byte), with commas between. Case does not count, and - is _: HTTP
 * headers are written either way. */
#ifndef REDACT_GLOBS_H
#define REDACT_GLOBS_H

#include "base/buf.h"

struct globs {
	char *text; /* owned: the items, each with its NUL */
	uint32_t count;
};

/* 0, -ENOMEM. NULL: an empty list. */
int globs_init(struct globs *globs, const char *list);
void globs_fini(struct globs *globs);

bool globs_match(const struct globs *globs, struct bytes key);

/* Goes over a list with commas: the next item, trimmed, in *ret_item. False: the end. */
bool list_next(const char **at, struct bytes *ret_item);

#endif
