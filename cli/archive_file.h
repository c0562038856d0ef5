/* An archive read for people and scripts: a sealed file, the spool of an open
 * run, or any OTLP/JSON a collector wrote (several documents, pretty-printed or
 * not). The file may be anybody's: nothing in it is trusted. */
#ifndef CLI_ARCHIVE_FILE_H
#define CLI_ARCHIVE_FILE_H

#include <jansson.h>

#include "base/buf.h"

struct archive_span {
	json_t *resource;     /* borrowed from the file's documents: resourceSpans, */
	json_t *scope;	      /* scopeSpans, */
	json_t *span;	      /* and the span */
	const char *trace_id; /* "" where there is none, as for all texts */
	const char *span_id;
	const char *parent_id;
	const char *name;
	uint64_t start_ns, end_ns;
	int status;	 /* 0 unset, 1 ok, 2 error */
	uint32_t module; /* index into archive_file.modules */
	/* The tree; NULL at its ends. */
	struct archive_span *parent, *child, *next;
	bool orphan; /* names a parent that is not in the file */
};

/* Spans with equal resources come from one process. */
struct archive_module {
	json_t *resource;
	const char *name; /* of the module, else of its program or service */
	const char *instance;
	uint32_t spans;
};

/* Spans of one trace. */
struct archive_trace {
	const char *trace_id;
	struct archive_span *root; /* roots and orphans, by start, through `next` */
	uint32_t spans, roots, orphans;
	uint64_t start_ns, end_ns;
};

struct archive_file {
	const char *path;
	struct buf text;
	json_t **documents;
	size_t document_count;
	bool torn; /* the last line is cut off: a spool that is being written */
	struct archive_span *spans;
	size_t span_count;
	struct archive_module *modules;
	size_t module_count;
	struct archive_trace *traces;
	size_t trace_count;
};

/* Reads `path`, "-" for standard input. On failure -errno, and a sentence in
 * `ret_reason` that says what is wrong and what to do; what was read stays. In
 * any case to be freed. */
int archive_file_read(struct archive_file *file, const char *path, char *ret_reason,
		      size_t size);
void archive_file_free(struct archive_file *file);

/* --- looking into OTLP/JSON ------------------------------------------------------ */

/* The AnyValue of an attribute, of an object with `attributes`; or NULL. */
json_t *otlp_attribute(json_t *object, const char *key);
/* Its string, else NULL. */
const char *otlp_text(json_t *object, const char *key);
/* Its integer, as number or digits. False where it has none. */
bool otlp_int(json_t *object, const char *key, int64_t *ret_value);
/* A 64-bit member, as number or digits; 0 where there is none. */
uint64_t otlp_uint64(json_t *value);
/* A value as text for people, appended. */
void otlp_value_text(struct buf *out, json_t *value);

#endif
