/* The waiting half of the real env: which descriptor wakes whom. The agent's
 * thread alone. */
#ifndef BASE_ENV_LOOP_H
#define BASE_ENV_LOOP_H

#include "base/env.h"

struct env_loop_slot {
	env_watch_fn *fn; /* NULL: not watched */
	void *arg;
	uint32_t generation; /* raised by every watch, so that an event of an
			      * earlier watch of the same number is not taken */
};

struct env_loop {
	int epoll_fd;
	bool coarse; /* the kernel has no epoll_pwait2 (before 5.11) */
	struct env_loop_slot *slots; /* by descriptor */
	size_t slot_count;
};

int env_loop_init(struct env_loop *loop);
void env_loop_fini(struct env_loop *loop);
int env_loop_watch(struct env_loop *loop, int fd, uint32_t events, env_watch_fn *fn, void *arg);

/* Waits at most `timeout_ns` (UINT64_MAX: for ever), runs the callbacks of
 * what is ready, returns how many. A signal does not end the wait. */
int env_loop_wait(struct env_loop *loop, uint64_t timeout_ns);

#endif
