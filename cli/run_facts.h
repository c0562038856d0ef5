/* What an archive says of its run as a whole: the `spanring.run.*` attributes the
 * agent writes behind those of the file's first resource when it seals the run.
 * A file that is still open, or of another writer, has none. */
#ifndef CLI_RUN_FACTS_H
#define CLI_RUN_FACTS_H

#include "archive_file.h"

struct run_facts {
	bool present;
	/* Borrowed from the resource; "" where it does not say. */
	const char *id, *name, *goal;
	bool complete;
	json_t *incomplete_reason, *modules, *exit_codes; /* lists of AnyValues, or NULL */
	int64_t spans, errors, closed_spans, dropped_spans, dropped_records;
	int64_t input_tokens, output_tokens; /* -1: not said */
	uint64_t start_ns, end_ns;
};

void run_facts_read(struct run_facts *facts, json_t *resource);

/* The values of such a list as plain strings: a new array. NULL: out of memory. */
json_t *run_facts_list(json_t *list);
/* Whether the one reason is that nobody said its end: OpenTelemetry's SDKs cannot, and
 * servers have none. */
bool run_facts_only_quiet(const json_t *reasons);
/* Strings of an array, with ", " between them, appended. */
void run_facts_words(struct buf *out, json_t *strings);

#endif
