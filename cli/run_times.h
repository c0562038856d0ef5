/* Where the time of a run went. */
#ifndef CLI_RUN_TIMES_H
#define CLI_RUN_TIMES_H

#include "archive_file.h"

struct span_time {
	uint64_t self_ns;     /* in none of its children */
	uint64_t critical_ns; /* on the critical path, in none of its children */
};

/* The critical path, walked from a trace's end back to its begin: at each moment
 * the span that ended last, and below it its child that ended last. A span reaches
 * to the end of all below it, since modules go on after who started them. What no
 * span covers is the gap. The parts add up to the trace's duration. */
struct run_times {
	struct span_time *spans; /* by place in the file */
	uint64_t *gap_ns;	 /* by trace */
};

/* Of a whole file. To be freed in any case. -ENOMEM. */
int run_times_find(struct run_times *times, const struct archive_file *file);
void run_times_free(struct run_times *times);

#endif
