/* The summary of a run: attributes that stand in the head of its file, behind those of the
 * first resource, so that whoever lists archives reads a few kilobytes of each.
 *
 *   spanring.run.id                 the trace id
 *   spanring.run.name, .goal        what its root span said (spanring.run.name, user_goal)
 *   spanring.run.complete           its end was said, nothing of it is missing, and no span
 *                                   of it had to be ended by the agent
 *   spanring.run.incomplete_reason  otherwise: why not
 *   spanring.run.spans, .errors     in the file; with the status ERROR
 *   spanring.run.closed_spans       ended by the agent
 *   spanring.run.dropped_spans      that were begun, and are not in the file
 *   spanring.run.dropped_records    of what its processes said besides: calls that a full
 *                                   ring refused (starts of spans among them), records
 *                                   over a limit of the agent
 *   spanring.run.input_tokens, .output_tokens      see tally.h
 *   spanring.run.start_unix_nano, .end_unix_nano   of the earliest and the latest span
 *   spanring.run.modules            a name per resource, in the order of the file
 *   spanring.run.exit_codes         beside it: "exit 0", "signal SIGKILL", "alive" when the
 *                                   file was written, ..., "unknown"
 *
 * It is the file's alone: reading a file back leaves it out, and no collector gets it. A
 * resource's own attributes under spanring.run. have no place in an archive. */
#ifndef ARCHIVE_SUMMARY_H
#define ARCHIVE_SUMMARY_H

#include "base/buf.h"
#include "base/process.h"

/* Of name and goal; the root span has them whole. */
#define SUMMARY_TEXT_MAX 1024

#define SUMMARY_HOW_BYTES 32

struct summary_process {
	struct bytes module;
	char how[SUMMARY_HOW_BYTES];
};

struct summary {
	const uint8_t *trace_id;
	struct bytes name, goal; /* empty: not said */
	bool end_said;
	bool account_lost; /* nobody knows what was dropped before a restart */
	uint64_t spans, errors, ended_by_us;
	uint64_t dropped_spans, dropped_records;
	uint64_t input_tokens, output_tokens;
	uint64_t start_ns, end_ns;
	const struct summary_process *processes;
	uint32_t process_count;
};

/* Appends the attributes, as fields of a Resource message. -ENOMEM. */
int summary_write(struct buf *out, const struct summary *summary);

/* "exit 0", "signal SIGKILL", "alive", ... */
void summary_how(char ret_how[SUMMARY_HOW_BYTES], struct process_end end);
/* Whether this is the last word on a process. */
bool summary_how_is_final(const char *how);

/* Whether a resource has attributes of a summary. */
bool summary_is_in(struct bytes resource);
/* Appends the resource without them, or (`only`) them alone. -EBADMSG, -ENOMEM. */
int summary_split(struct buf *out, struct bytes resource, bool only);

/* What a file had said, as far as nobody else may know it. */
struct summary_before {
	bool end_said;
	bool account_lost;
	uint64_t dropped_spans, dropped_records;
};
/* Of the attributes of a summary; all zero where there are none. */
void summary_read(struct summary_before *ret_before, struct bytes attributes);
/* How the process of each resource of the file ended, in their order: the texts of
 * spanring.run.exit_codes. */
typedef void summary_how_fn(void *arg, uint32_t place, struct bytes how);
void summary_each_how(struct bytes attributes, summary_how_fn *each, void *arg);

#endif
