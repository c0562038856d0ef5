/* Gives memory back to the system after a burst.
 *
 * A ring's blocks become real when they are first needed, and stay so. When for
 * a whole second more of them were free than a process needs for its pace, half
 * of the surplus is punched out of the file, one block with each block that is
 * taken: the cost is paid by a call that pays for a new block anyway. */
#ifndef LIBCLIENT_SHRINK_H
#define LIBCLIENT_SHRINK_H

#include "ring.h"

/* What stays backed though it is free: 1 MiB. */
#define SHRINK_KEPT_BLOCKS 64u

/* The whole second; a test's is shorter. */
extern uint64_t shrink_period_ns;

/* Called with every block that is taken. Keeps errno. */
void shrink_step(struct ring *ring);

#endif
