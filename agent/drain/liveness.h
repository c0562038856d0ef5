/* Whether a ring's process lives, and how it died.
 *
 * Life is the lock on the ring's first byte, which the kernel drops when the
 * process's memory is gone; nothing else decides. The cause comes from what the
 * process said itself (shutdown), then from the kernel: pidfd exit information
 * (Linux 6.15 and later, once it was reaped), /proc while it is a zombie, and
 * a process that goes on without its ring has replaced itself by exec. /proc is
 * asked also where the process was gone before a pidfd could be had. What cannot
 * be known is said to be unknown, never guessed. */
#ifndef DRAIN_LIVENESS_H
#define DRAIN_LIVENESS_H

#include "drain/ring.h"

/* How long a cause is waited for after the lock was free. */
#define LIVENESS_CAUSE_NS UINT64_C(500000000)

/* Opens a pidfd when the header's pid is visible here, is the process that
 * started at the header's time, and the ring's lock is still held. pid_seen: it also
 * runs as the ring's owner. Who holds the lock the kernel does not say, so among the
 * processes of one user a ring may still claim another's number. */
void liveness_begin(struct ring *ring, struct env *env);
void liveness_end(struct ring *ring, struct env *env);

/* 1 the lock is held, 0 it is free, -errno. */
int liveness_locked(const struct ring *ring, struct env *env);

/* Fills ring->death as far as it can be known by now. True when that is final:
 * ask again later otherwise, at most LIVENESS_CAUSE_NS long. */
bool liveness_cause(struct ring *ring);

#endif
