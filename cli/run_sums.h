/* Sums over one run. */
#ifndef CLI_RUN_SUMS_H
#define CLI_RUN_SUMS_H

#include "archive_file.h"

struct run_sums {
	uint32_t failed; /* all with the status ERROR */
	uint32_t errors; /* without those the agent ended */
	uint32_t closed; /* by the agent, */
	uint32_t cut;	 /* and against their will */
	uint32_t modules;
	const char *service; /* of the first span that says one */
};

/* Leaves the trace's number in `seen` of its modules. */
void run_sums_find(struct run_sums *ret_sums, const struct archive_file *file,
		   const struct archive_trace *trace);

/* The number. */
uint32_t run_sums_mark(const struct archive_file *file, const struct archive_trace *trace);

/* Closed against its will, as opposed to a process that simply ended; `reason` is
 * why the agent closed the span, NULL where it did not. */
bool run_is_bad_end(const char *reason);

#endif
