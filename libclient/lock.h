/* A lock for the rare calls: init, a new ring, a scope. Its word is the pid of
 * who holds it, so that a child does not wait for a thread that fork() left
 * behind. Never on a recording call's common way. */
#ifndef LIBCLIENT_LOCK_H
#define LIBCLIENT_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct lock {
	_Atomic uint32_t holder;
	int cancel_state; /* of the holder, to be restored */
};

/* The holder cannot be cancelled. -EBUSY: held for longer than a second. */
int lock_take(struct lock *lock);
void lock_give(struct lock *lock);

#endif
