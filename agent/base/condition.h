/* Conditions: what is wrong with the agent's surroundings right now, and what it
 * does about it. Each has a fixed name that status, metrics and alerts use, is
 * raised and cleared by the stage that knows, and is said twice in the log:
 * when it begins (what happened, what the agent does, what helps) and when it
 * is over (how long it took). A condition is a state, not an event: raising
 * one that is raised only renews its text.
 *
 * The pipeline owns the table; stages get a pointer to it in their options and
 * may be given NULL, which is silence. The agent's thread alone calls this. */
#ifndef BASE_CONDITION_H
#define BASE_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"

/* Names are stable; conditions are only added. See the table in condition.c. */
enum condition {
	CONDITION_LOG_WRITE_FAILING, /* frames are held in memory */
	CONDITION_LOG_SYNC_FAILING,  /* frames are written, a power loss would take them */
	CONDITION_LOG_MEMORY_FULL,   /* wal.memory_max: rings are not drained */
	CONDITION_LOG_OVER_SIZE,     /* wal.max_size: something is given up or refused */
	CONDITION_LOG_READ_FAILING,  /* spans wait to be read back */
	CONDITION_LOG_CLEAN_FAILING, /* segments nobody needs cannot be removed */
	CONDITION_ARCHIVE_FAILING,   /* runs wait in the log */
	CONDITION_RING_DIR_FAILING,  /* rings cannot be found, answered or removed */
	CONDITION_RING_DIR_FULL,     /* no room for new rings or for our answers */
	CONDITION_RECEIVE_FAILING,   /* a port of the receiver cannot be opened */
	CONDITIONS
};

#define CONDITION_TEXT_BYTES 512

struct condition_state {
	bool raised;
	uint64_t since_wall_ns; /* while raised: when it was */
	uint64_t since_mono_ns;
	uint64_t times;			 /* raised, ever */
	char text[CONDITION_TEXT_BYTES]; /* of the newest raise; one line */
};

/* `stage` is a static string. */
typedef void condition_log_fn(void *arg, int priority, const char *stage, const char *line);

struct conditions {
	struct env *env;
	condition_log_fn *log; /* NULL: silent */
	void *log_arg;
	struct condition_state of[CONDITIONS];
};

void conditions_init(struct conditions *conditions, struct env *env, condition_log_fn *log,
		     void *log_arg);

void condition_raise(struct conditions *conditions, enum condition which, const char *format,
		     ...) __attribute__((format(printf, 3, 4)));
/* Nothing if it is not raised. */
void condition_clear(struct conditions *conditions, enum condition which);
bool condition_is_raised(const struct conditions *conditions, enum condition which);

/* "log_write_failing": for status, metrics and alerts. */
const char *condition_name(enum condition which);

/* What helps against this -errno of a disk: "free some space". */
const char *condition_remedy(int error);

#endif
