/* The drain's insides: the table of rings, shared by drain.c (the stage),
 * find.c (what comes and goes in the directory) and recover.c (what the log
 * says). */
#ifndef DRAIN_STAGE_H
#define DRAIN_STAGE_H

#include "base/map.h"
#include "drain/collect.h"
#include "drain/ring_dir.h"
#include "drain/ring.h"

#define IGNORED_SLOTS 8192

/* health.c */
struct health {
	uint64_t due_ns;
	bool listing_failed;
	uint64_t ctl_full_ns, ctl_failed_ns; /* when answers could not be made last */
	uint64_t open_failed_ns;	     /* when a ring could not be opened last */
};

struct drain {
	struct env *env;
	struct drain_options options;
	struct drain_ops ops;
	char *path;
	struct ring_dir *directory; /* what that leads to, as of the last look */
	uint32_t holder; /* the pid of who has the lock of a directory that could not be opened */
	struct health health;
	struct ring **rings; /* by index; NULL: free */
	uint32_t ring_count, ring_cap;
	uint32_t rings_used;
	struct map by_instance; /* the same rings */
	struct map users;	/* how many of them each uid has */
	struct collect collect;
	struct drain_counters counters;
	struct drain_ring_counters gone; /* of rings whose CLOSED frame was appended */
	bool recovered;
	bool listed; /* once, at least */
	uint64_t listed_ns;
	bool list_soon;	      /* a ring is there, and could not be opened */
	uint64_t hear_due_ns; /* while there are no news: when to ask for some again */
	uint32_t listed_names;
	uint32_t locks_asked; /* in this tick */
	bool woken;
	uint64_t wake_due_ns; /* anybody may ring, so not more often than this */

	/* Names that are nothing of ours, so that each is counted once. */
	uint64_t *ignored;
	uint32_t ignored_count;
	uint32_t ignored_said, ignored_unsaid;
};

struct ring *stage_ring_find(struct drain *drain, const uint8_t instance[16]);
/* -ENOMEM, -ENFILE: there are rings_max. */
int stage_ring_add(struct drain *drain, const uint8_t instance[16], struct ring **ret_ring);
/* Closes, frees, forgets. */
void stage_ring_drop(struct drain *drain, struct ring *ring);

static inline struct ring *stage_ring_at(const struct drain *drain, uint32_t index)
{
	return index < drain->ring_count ? drain->rings[index] : NULL;
}

/* counters.c: the log says that this ring is closed, and what it had counted;
 * nothing, if the log is of before that was said. */
void stage_recover_counts(struct drain *drain, struct ring *ring, struct bytes payload);

void stage_log(const struct drain *drain, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The ring breaks the rules: it is not read any more. */
void stage_quarantine(struct drain *drain, struct ring *ring, const char *reason);
/* Its state into the log. -ENOBUFS, -ENOMEM. */
int stage_state_put(struct drain *drain, struct ring *ring);

/* ignore.c: around a listing, and for each name. */
void stage_ignore_begin(struct drain *drain);
void stage_ignore_end(struct drain *drain);
void stage_ignore(struct drain *drain, const char *name, const char *reason);

/* health.c: once a second; after each look for rings; when a ring's answers cannot
 * be made; when a ring cannot be opened, for want of something of ours. */
void health_look(struct drain *drain, uint64_t now_ns);
void health_listed(struct drain *drain, int result);
void health_open_failed(struct drain *drain, const char *name, int error);
void health_ctl_failed(struct drain *drain, const char *name, int error, uint64_t now_ns);

/* follow.c: the directory, its path and the rings in it. */
int follow_begin(struct drain *drain, const char *path);
void follow_end(struct drain *drain);
/* Has the directory tell what comes, if it can. */
void follow_hear(struct drain *drain);
void follow_enter(struct drain *drain, struct ring *ring);
void follow_leave(struct drain *drain, struct ring *ring);
/* Serves what the path leads to. False: it cannot be, which was said. */
bool follow_look(struct drain *drain);

/* find.c */

/* The ring is not its user's any more. */
void find_user_left(struct drain *drain, struct ring *ring);

/* Takes up what is new in the directory; returns how many rings. */
int find_rings(struct drain *drain, uint64_t now_ns);
/* Lists all of it, whatever the time. */
int find_all(struct drain *drain);
/* Introduces a found ring to the pipeline, the log and its client. True when
 * it can be read. */
bool find_attach(struct drain *drain, struct ring *ring, uint64_t now_ns);
/* Opens the ring's answers if they are not, and gives them the positions. */
void find_ctl(struct drain *drain, struct ring *ring, uint64_t now_ns);
/* Removes the ring's files. -errno: they stay. */
int find_remove(struct drain *drain, struct ring *ring);

#endif
