/* A life of the library: from a ring's making to shutdown, or to fork. What
 * client.c decides, this does. */
#ifndef LIBCLIENT_LIFE_H
#define LIBCLIENT_LIFE_H

#include "client.h"
#include "resource.h"

enum life_phase {
	LIFE_NOT_INITIALISED = 0,
	LIFE_ON = 1,	  /* with a ring; in a child that has none yet, too */
	LIFE_LOOKING = 2, /* no directory, descriptor, memory or space yet */
	LIFE_OFF = 3,	  /* disabled, or refused for good */
	LIFE_SHUT_DOWN = 4,
};

/* Why, for spanring_state(). Written under the lock by who changes the phase. */
struct life_report {
	enum spanring_reason reason;
	int error;
	char path[RING_PATH_SIZE];
};
extern struct life_report life_report;

/* What a new ring is made from; constant while a life is on. */
struct life_options {
	const char *directory; /* NULL: the usual places */
	struct ring_options ring;
	struct resource_options resource;
	const char *resource_schema_url;
};
extern struct life_options life_options;

enum life_phase life_phase(void);
void life_set_phase(enum life_phase phase);

/* The lock of all that changes the life; in gate.c. */
int client_lock(void);
void client_unlock(void);

/* The page the epoch lies in. 0 or -errno. */
int life_prepare(void);

/* In LIFE_LOOKING: whether to look again. */
bool life_look_is_due(void);

/* Makes a ring and turns the gate's word, under the lock of client.c. The
 * thread is writing. On failure the phase says what is next. */
int life_begin(struct thread *thread);

/* Notes why there is no life, and what is next: r, or -EPERM for it. */
int life_fail(int r);

/* Shuts the gate, waits for calls that are in the ring, says its end as the last
 * word, and unmaps it. See there for what happens where somebody stays in it. */
void life_end(void);

/* Uses the ring without the gate: NULL or a ring that stays until the release,
 * which must follow in either case. Async-signal-safe. */
struct ring *life_hold(void);
void life_release(void);

/* Makes the thread, which says that it is writing, a writer of the current ring.
 * False: there is none any more. */
bool life_join(struct thread *thread, uint32_t epoch);
/* The same for a ring that need not be the current one any more. */
void life_join_ring(struct thread *thread, struct ring *ring, uint32_t epoch);

#endif
