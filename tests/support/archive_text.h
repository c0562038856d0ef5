/* OTLP/JSON for tests of what reads archives: spans of one resource and scope,
 * written down by hand. */
#ifndef SUPPORT_ARCHIVE_TEXT_H
#define SUPPORT_ARCHIVE_TEXT_H

#include "base/buf.h"

#define ARCHIVE_TEXT_TRACE "5b8efff798038103d269b633813fc60c"

#define TEXT_ATTRIBUTE(key, value) \
	"{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"
#define INT_ATTRIBUTE(key, value) "{\"key\":\"" key "\",\"value\":{\"intValue\":\"" value "\"}}"

/* Times are seconds after 2026-01-01 12:00 UTC, and fractions of them. */
struct archive_text_span {
	unsigned id, parent; /* 0: a root */
	const char *name;
	double start, end;
	const char *attributes; /* JSON of a list's members; NULL: none */
	int status;
	const char *trace; /* NULL: ARCHIVE_TEXT_TRACE */
};

void archive_text_begin(struct buf *out, const char *resource_attributes);
void archive_text_span(struct buf *out, const struct archive_text_span *span);
void archive_text_end(struct buf *out);

/* All three. */
void archive_text_make(struct buf *out, const char *resource_attributes,
		       const struct archive_text_span *spans, size_t count);

void archive_text_write(const char *path, struct bytes text);

#endif
