/* spanring doctor: what was looked at, in the order of looking. Each check is one
 * line, ok, warn or fail; the latter two say in a sentence what to do. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "terminal.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor {
	struct terminal terminal;
	json_t *checks; /* array; NULL: lines for people */
	bool begun;	/* something was printed */
	unsigned failed, warned;
	char ring_dir[PATH_MAX]; /* "": none was found */
	bool agent_is_there;	 /* it answers, or holds its lock */
	json_t *status;		 /* the agent's; NULL: it could not be asked */
};

/* A heading above the checks that follow. */
void doctor_section(struct doctor *doctor, const char *title);

/* `fix` is a whole sentence, or NULL with DOCTOR_OK alone. */
void doctor_say(struct doctor *doctor, enum doctor_verdict verdict, const char *check,
		const char *fix, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* doctor_machine.c: kernel, what it allows, clock, limits. */
void doctor_machine(struct doctor *doctor);
void doctor_clock(struct doctor *doctor);
void doctor_limits(struct doctor *doctor);
/* doctor_places.c: the ring directory, and the agent's own. */
void doctor_ring_dir(struct doctor *doctor);
void doctor_agent_dirs(struct doctor *doctor);
/* doctor_agent.c: the agent, its health and its ledgers. */
void doctor_agent(struct doctor *doctor);
void doctor_ledgers(struct doctor *doctor);
/* doctor_span.c: a span from a process of its own to the archive. */
void doctor_round_trip(struct doctor *doctor);

#endif
