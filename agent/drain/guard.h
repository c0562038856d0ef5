/* Mappings of files that others may cut. A load behind the new end of such a
 * file is SIGBUS; the guard then puts zero pages in the mapping's place and
 * notes it, so the load gives zero, nothing jumps, and whoever reads asks
 * guard_hit() before it believes what it read.
 *
 * A signal has one handler in a process, so the list of guards is the one
 * global thing of the drain. Guards come, go and fault on the agent's thread;
 * SIGBUS from anywhere else goes to the handler that was there before. */
#ifndef DRAIN_GUARD_H
#define DRAIN_GUARD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct guard {
	struct guard *next;
	struct guard **link; /* what points here; NULL: not in the list */
	void *at;
	size_t len;
	volatile sig_atomic_t hit;
};

/* Installs the handler when it is not. `at` is page-aligned; the mapping is not
 * inherited through fork from now on. The guard must stay where it is. On failure it
 * is one that was never added. */
int guard_add(struct guard *guard, void *at, size_t len);
/* Before the mapping goes. A guard that was never added is fine. */
void guard_remove(struct guard *guard);

static inline bool guard_hit(const struct guard *guard)
{
	return guard->hit != 0;
}

#endif
