/* A round of a ring: one look at every line, then everything up to those marks
 * is handed on, over as many ticks as it takes. See drain.h. */
#ifndef DRAIN_ROUND_H
#define DRAIN_ROUND_H

#include "drain/collect.h"
#include "drain/ring.h"

/* Whether anything of the ring changed since its last round, by looking at few
 * lines: those of open blocks, and a window that wanders over the others. */
bool round_worthwhile(struct ring *ring);

/* Takes the marks. -EPROTO: the ring broke a rule, *ret_reason says which;
 * -ENOMEM. */
int round_begin(struct ring *ring, struct env *env, bool final, const char **ret_reason);

/* Hands on what the marks allow. 1: the round is over. 0: its budget of this
 * tick is used up. -ENOBUFS: not taken, go on later. -EPROTO as above. */
int round_run(struct ring *ring, struct collect *collect, uint64_t bytes_max,
	      const char **ret_reason);

#endif
