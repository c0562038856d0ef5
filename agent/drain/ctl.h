/* The agent's answers to one ring: <id>.ctl. Created when missing, opened in
 * place otherwise (clients keep their mapping of it), never replaced while it
 * is ours.
 *
 * Its generations are written from the log. Only where the file, which nobody
 * but the agent writes, is ahead of the log (a damaged frame, a lost log) is
 * the file believed: taking a generation back would give the same block to the
 * client as not free for ever. */
#ifndef DRAIN_CTL_H
#define DRAIN_CTL_H

#include "base/env.h"
#include "drain/guard.h"
#include "wire/abi.h"

/* The mapping alone is kept: descriptors are scarcer. */
struct ctl {
	struct wire_ctl_header *header; /* NULL: not open */
	_Atomic uint32_t *returned;
	uint32_t block_count;
	size_t mapped_bytes;
	bool created;
	struct guard guard;
};

void ctl_init(struct ctl *ctl);

/* -ENOSPC: the mount is full, try again later. -EPERM, -EACCES: a file that is
 * not ours stands there and cannot be removed. */
int ctl_open(struct ctl *ctl, struct env *env, int dirfd, const char *name,
	     const uint8_t instance[16], uint32_t block_count);
bool ctl_is_open(const struct ctl *ctl);
void ctl_close(struct ctl *ctl);

/* Block `block` is free again at `generation`. */
void ctl_return(struct ctl *ctl, uint32_t block, uint32_t generation);
uint32_t ctl_returned(const struct ctl *ctl, uint32_t block);
/* The sum of all generations, anew: after the file was rewritten. */
void ctl_settle(struct ctl *ctl);
/* The ring is not read any more: its process need not write. */
void ctl_please_stop(struct ctl *ctl);
void ctl_flush_ack(struct ctl *ctl, uint32_t request);

#endif
