/* An archive read for people and scripts: a sealed file, the spool of an open
 * run, or any OTLP/JSON a collector wrote (several documents, pretty-printed or
 * not). The file may be anybody's: nothing in it is trusted.
 *
 * A run may be larger than memory, prompts are what is large of it. So what is
 * kept of a span are the few things below; all the others are read again from
 * the file when they are asked for. */
#ifndef CLI_ARCHIVE_FILE_H
#define CLI_ARCHIVE_FILE_H

#include <jansson.h>

#include "otlp_json.h"
#include "texts.h"

/* Something below the span says tokens; is a call of a model. */
#define ARCHIVE_TOKENS_BELOW 1
#define ARCHIVE_CALL_BELOW 2

struct archive_span {
	/* "" where there is none; equal trace ids and names are one pointer. */
	const char *trace_id, *span_id, *parent_id, *name;
	uint64_t start_ns, end_ns; /* the end is not before the start */
	/* NULL where it does not say. */
	const char *end_reason; /* why the agent closed it */
	const char *model, *kind, *operation;
	/* -1 where it does not say. */
	int64_t input_tokens, output_tokens;
	int64_t turn, attempt;
	int status;	 /* 0 unset, 1 ok, 2 error */
	uint32_t module; /* index into archive_file.modules */
	uint32_t scope;	 /* the how-manieth scopeSpans of the file */
	uint32_t trace;	 /* index into archive_file.traces */
	bool orphan;	 /* names a parent that is not in the file */
	bool wraps;	 /* `spanring run` opened it around a command */
	uint8_t marks;	 /* ARCHIVE_..., of usage.c */
	bool has_text;	 /* false: what stands there is no object */
	uint64_t offset; /* of its text in the file */
	size_t len;
	/* The tree; NULL at its ends. */
	struct archive_span *parent, *child, *next;
};

/* Spans with equal resources come from one process. */
struct archive_module {
	json_t *resource; /* owned */
	const char *name; /* of the module, else of its program or service */
	const char *instance;
	uint32_t spans;
	uint32_t seen; /* the number of the trace that was counted last, from 1 */
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
	int fd;
	uint64_t size;
	size_t document_count;
	bool torn; /* the last line is cut off: a spool that is being written */
	struct archive_span *spans;
	size_t span_count, span_cap;
	struct archive_module *modules;
	size_t module_count;
	uint32_t scope_count;
	struct archive_trace *traces;
	size_t trace_count;
	struct texts texts;
};

/* Sees each document on the way, with numbers in place of its spans; borrowed. */
typedef void archive_document_fn(void *arg, size_t index, json_t *document);

/* Reads `path`, "-" for standard input. On failure -errno, and a sentence in
 * `ret_reason` that says what is wrong and what to do; what was read stays. In
 * any case to be freed. */
int archive_file_read(struct archive_file *file, const char *path, char *ret_reason,
		      size_t size);
int archive_file_read_seeing(struct archive_file *file, const char *path,
			     archive_document_fn *see, void *arg, char *ret_reason,
			     size_t size);
void archive_file_free(struct archive_file *file);

/* The whole span, to be released; NULL where it cannot be had (any more). */
json_t *archive_span_load(const struct archive_file *file, const struct archive_span *span);

/* Bytes of the file from `offset` on; 0 at its end, or -errno. */
int64_t archive_file_bytes(const struct archive_file *file, uint64_t offset, void *at,
			   size_t size);

/* archive_span.c: the few things, read from a span's JSON. -ENOMEM. */
int archive_span_read(struct archive_span *span, json_t *value, struct texts *texts);

/* Whether it says tokens at all. */
static inline bool archive_span_has_tokens(const struct archive_span *span)
{
	return span->input_tokens >= 0 || span->output_tokens >= 0;
}

#endif
