/* Values that travel in pieces. A chain is followed by the heads of its pieces
 * alone; its bytes are read once it is whole. See wire/record.h. */
#ifndef DRAIN_CHAIN_H
#define DRAIN_CHAIN_H

#include "drain/collect.h"

/* Longer values are dropped: the agent's memory must not follow a peer's wish. */
#define CHAIN_BYTES_MAX (UINT32_C(64) << 20)

/* The cursor stands at a first piece. Returns an enum collect_step: STEP_DONE
 * when the chain is not whole yet, or -errno as collect_thread(). */
int chain_read(struct collect *collect, struct cursor *cursor, const char **ret_reason);

#endif
