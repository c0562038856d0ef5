/* What `spanring show` is made of. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdio.h>

#include "archive_file.h"
#include "human.h"
#include "run_times.h"
#include "terminal.h"
#include "usage.h"

struct show {
	const struct archive_file *file;
	struct terminal terminal;
	bool attributes; /* each span with its attributes and events */
	bool no_tree, no_summary;
	bool shape;	      /* the tree alone, with nothing that differs from run to run */
	unsigned top;	      /* rows of each list of the summary; 0: as many as there are */
	const char *trace_id; /* only of this one; NULL: all */
	struct run_times times;
	struct buf out;
	FILE *to;	       /* takes what is in `out` now and then; NULL: nobody */
	unsigned head_columns; /* used in the line at hand of a run's head */
};

/* Both find `times`, which show_fini() frees. The whole file as text, or as one
 * JSON object, appended to `out`. -ENOMEM. */
int show_text(struct show *show);
int show_json(struct show *show);
void show_fini(struct show *show);

/* Hands on what is in `out`, once there is much of it. */
void show_flush(struct show *show);

/* show_tree.c: the span's name; of a turn with its number, unless that is in it:
 * "agent.turn 3". Appended. */
void show_name(struct buf *out, const struct archive_span *span);

/* show_notes.c: the lines under a span; `mark` stands before each. */
typedef void show_line_fn(void *arg, const char *mark, struct bytes text, bool bad);
void show_notes(const struct show *show, const struct archive_trace *trace,
		const struct archive_span *span, show_line_fn *line, void *arg);

/* show_tree.c */
void show_tree(struct show *show, const struct archive_trace *trace);

/* show_ranks.c: the spans a question is answered by, first ones first. */
enum show_rank {
	SHOW_SLOWEST, /* by their own time */
	SHOW_WIDEST,  /* calls by their input tokens */
};
struct show_ranks {
	const struct archive_span **spans; /* owned */
	size_t count;
};
/* At most `top` of them, 0: all. To be freed in any case. -ENOMEM. */
int show_rank(const struct show *show, const struct archive_trace *trace, enum show_rank rank,
	      struct show_ranks *ret_ranks);
/* The turn a call belongs to: the nearest span with a turn.index, itself or above;
 * NULL: there is none. */
const struct archive_span *show_turn(const struct archive_span *call);
/* What of the critical path models took, and other spans. */
void show_critical(const struct show *show, const struct archive_trace *trace,
		   uint64_t *ret_calls_ns, uint64_t *ret_others_ns);
/* Spans so short that tracing them says little, and the name most of them have. */
struct show_short {
	uint32_t count;
	const char *name;
	uint32_t of_name;
};
void show_short(const struct archive_trace *trace, struct show_short *ret_short);

/* show_summary.c */
int show_summary(struct show *show, const struct archive_trace *trace,
		 const struct usage *usage);

#endif
