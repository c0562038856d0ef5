/* What a recovery found: per run, and in all; for people and as JSON. */
#ifndef CLI_RECOVER_REPORT_H
#define CLI_RECOVER_REPORT_H

#include <jansson.h>

#include "evidence.h"

struct options;

struct recovered_run {
	char *file; /* its name in the output directory */
	char trace_id[33];
	uint64_t spans;
	uint64_t ended;	   /* by themselves */
	uint64_t unknown;  /* of the closed: nobody knows how the process ended */
	uint64_t closed;   /* because their process was gone */
	uint64_t end_lost; /* their END found no room */
	uint64_t dropped;  /* attributes, events and links that their spans say were dropped */
	uint64_t first_ns;
	uint64_t last_known_ns; /* the last time anything of it was recorded */
	bool readable;
};

struct recovery_report {
	const struct evidence *evidence;
	const char *out;
	struct options *rules; /* whose redaction holds; NULL: the built-in one */
	json_t *status;	       /* the pipeline's, when it was done */
	json_t *notes;	       /* array of {level, stage, text}: what it had to say */
	struct recovered_run *runs;
	size_t run_count, run_cap;
	bool finished; /* everything was drained, logged and archived */
};

/* Reads the archive files that were written. -errno. */
int recovery_report_read(struct recovery_report *report);

/* Whether anything was damaged or lost. */
bool recovery_report_losses(const struct recovery_report *report);

void recovery_report_print(const struct recovery_report *report);
/* -ENOMEM. */
int recovery_report_json(const struct recovery_report *report);

void recovery_report_fini(struct recovery_report *report);

#endif
