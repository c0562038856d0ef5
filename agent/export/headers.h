/* Custom metadata of a destination, as OTEL_EXPORTER_OTLP_HEADERS writes it:
 * `k=v,k=v`, values percent-encoded. Owns its memory. */
#ifndef EXPORT_HEADERS_H
#define EXPORT_HEADERS_H

#include <stdbool.h>

#include "export/options.h"

struct headers {
	char *memory;
	struct export_header entries[EXPORT_HEADERS_MAX];
	size_t count;
};

/* NULL or "" gives none. -EINVAL with a sentence in `error`: a name that is no
 * header token or is reserved (`grpc-...`), a value with control characters,
 * or more than EXPORT_HEADERS_MAX. The value is never repeated in the
 * sentence: it may be a credential. */
int headers_parse(struct headers *ret_headers, const char *text, char *error, size_t len);
/* The same of `text` and of the file at `path` (NULL or "": none), whose entries
 * stand between commas or on lines of their own. Read as it is now. -EINVAL as
 * above, or other errors of reading, with a sentence that names the file. */
int headers_load(struct headers *ret_headers, const char *text, const char *path, char *error,
		 size_t len);
bool headers_equal(const struct headers *a, const struct headers *b);
void headers_fini(struct headers *headers);

#endif
