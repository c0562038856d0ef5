/* What `spanring show` is made of. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "archive_file.h"
#include "terminal.h"

struct show {
	const struct archive_file *file;
	struct terminal terminal;
	bool attributes; /* each span with its attributes and events */
	struct buf out;
	unsigned head_columns; /* used in the line at hand of a run's head */
};

/* The whole file as text, appended to `out`. */
void show_text(struct show *show);

/* Sums over one trace. */
struct show_sums {
	uint32_t errors, closed;
	uint32_t modules;
	bool has_tokens;
	int64_t input_tokens, output_tokens;
	const char *service;
};
void show_sum(const struct archive_file *file, const struct archive_trace *trace,
	      struct show_sums *ret_sums);

/* Why the agent closed the span; NULL where its module ended it. */
const char *show_end_reason(const struct archive_span *span);

/* Closed against its will, as opposed to a process that simply ended. */
bool show_is_bad_end(const char *reason);
bool show_tokens(const struct archive_span *span, int64_t *ret_input, int64_t *ret_output);

/* "13.1 s", "3 m 41 s"; at most 9 columns. */
void show_duration(char *text, size_t size, uint64_t ns);

/* show_notes.c: the lines under a span; `prefix` stands before each. */
typedef void show_line_fn(void *arg, const char *mark, struct bytes text, bool bad);
void show_notes(const struct show *show, const struct archive_trace *trace,
		const struct archive_span *span, show_line_fn *line, void *arg);

/* show_tree.c */
void show_tree(struct show *show, const struct archive_trace *trace);

/* show_json.c: the whole file as one object. -ENOMEM. */
int show_json(struct show *show);

#endif
