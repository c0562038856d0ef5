/* Turns wakes of a futex into wakes of an eventfd, in a thread. */
#ifndef BASE_ENV_DOORBELL_H
#define BASE_ENV_DOORBELL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/env.h"

struct env_doorbell {
	pthread_t thread;
	_Atomic uint32_t *word; /* shared with other processes */
	_Atomic uint32_t stop;
	int event_fd;
	bool running;
	env_watch_fn *fn;
	void *arg;
};

int env_doorbell_start(struct env_doorbell *doorbell, _Atomic uint32_t *word, env_watch_fn *fn,
		       void *arg);
void env_doorbell_stop(struct env_doorbell *doorbell);
/* An env_watch_fn for event_fd. */
void env_doorbell_rung(void *doorbell, uint32_t events);

#endif
