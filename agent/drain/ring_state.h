/* A ring's identity and positions as the log keeps them: the RING frame's
 * payload, laid out in drain.h, and what RECORD frames add to it. */
#ifndef DRAIN_RING_STATE_H
#define DRAIN_RING_STATE_H

#include "drain/ring.h"

/* -ENOMEM. */
int ring_state_write(const struct ring *ring, struct buf *to);

/* Replaces everything known of the ring. -EBADMSG: not such a payload; the
 * ring is as it was. -ENOMEM. */
int ring_state_read(struct ring *ring, struct bytes state);

/* Adds logged slices. -EBADMSG, -ENOMEM. */
int ring_state_add(struct ring *ring, const struct slice *slices, uint32_t n);

#endif
