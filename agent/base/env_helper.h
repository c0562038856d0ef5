/* A thread for calls that block. It owns no state: jobs go in, results come
 * out, both through a locked list, and an eventfd tells the loop. */
#ifndef BASE_ENV_HELPER_H
#define BASE_ENV_HELPER_H

#include <pthread.h>

#include "base/env_job.h"

struct env_helper {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct env_job *queued, **queued_end;
	struct env_job *running;
	struct env_job *finished, **finished_end;
	int event_fd;
	bool started; /* the agent's thread alone */
	bool stop;
};

int env_helper_init(struct env_helper *helper);
void env_helper_fini(struct env_helper *helper);

/* Takes the job over, also when it fails. -EAGAIN: no thread to be had. */
int env_helper_push(struct env_helper *helper, struct env_job *job);
/* It would begin with a job at once. */
bool env_helper_idle(struct env_helper *helper);
void env_helper_cancel(struct env_helper *helper, void *arg);

/* Runs the callbacks of finished jobs: an env_watch_fn for event_fd. */
void env_helper_collect(void *helper, uint32_t events);

/* pthread_create() with every signal blocked: signals are for the agent's
 * thread, which takes them by signalfd. */
int env_thread_start(pthread_t *ret_thread, void *(*main)(void *), void *arg);

#endif
