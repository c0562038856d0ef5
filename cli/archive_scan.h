/* OTLP/JSON taken apart while it is read, so that a run may be larger than
 * memory: its spans are handed out one by one as text, and what stands around
 * them is handed out per document, with `{"":N}` in place of its N-th span
 * (from 0). Any form is understood: several documents, pretty-printed or not.
 *
 * Only strings and brackets are looked at here; who parses the pieces sees
 * whether they are JSON. */
#ifndef CLI_ARCHIVE_SCAN_H
#define CLI_ARCHIVE_SCAN_H

#include "base/buf.h"

/* What is handed out is borrowed until the call returns; `line` is where it
 * begins. A negative return stops the scan and is handed back. */
struct archive_scan_ops {
	int (*span)(void *arg, struct bytes text, uint64_t offset, unsigned line);
	int (*document)(void *arg, struct bytes text, unsigned line);
};

#define ARCHIVE_SCAN_ROLES 8

struct archive_scan {
	const struct archive_scan_ops *ops;
	void *arg;
	uint64_t offset; /* of the next byte */
	unsigned line;	 /* it stands in, from 1 */
	size_t documents;
	/* Of the document at hand: */
	unsigned document_line;
	bool has_newline; /* within it */
	unsigned depth;	  /* brackets and braces that are open */
	unsigned roles[ARCHIVE_SCAN_ROLES];
	bool in_string, escaped;
	size_t string_at, string_end; /* the last one, in `around` */
	unsigned spans;
	struct buf around;
	/* Of the span at hand: */
	bool in_span;
	unsigned span_depth, span_line;
	uint64_t span_offset;
	struct buf span;
};

void archive_scan_init(struct archive_scan *scan, const struct archive_scan_ops *ops,
		       void *arg);
void archive_scan_fini(struct archive_scan *scan);

/* -ENOMEM, -EFBIG: a span of more than 1 GiB; and what the ops return. */
int archive_scan_push(struct archive_scan *scan, struct bytes window);

/* The input is over. 1: within a last line behind others, as a spool that is
 * being written ends; nothing of that line's document is handed out, but spans
 * of it may have been. An end elsewhere within a document hands out what is
 * there of it as if it were whole, for its parser to say what is wrong. */
int archive_scan_end(struct archive_scan *scan);

#endif
