/* A blocking call on its way: made on the agent's thread, worked on elsewhere
 * (a helper thread or the kernel's ring), finished by its callback on the
 * agent's thread. Owned by the queue it stands in. */
#ifndef BASE_ENV_JOB_H
#define BASE_ENV_JOB_H

#include "base/env.h"

struct env_job {
	struct env_job *next;
	void *arg;
	int result;
	bool cancelled; /* set and read on the agent's thread only */

	/* A sync. */
	env_done_fn *done;
	int fd;

	/* A resolution. */
	env_resolved_fn *resolved;
	char *host, *port;
	struct env_address addresses[ENV_ADDRESSES_MAX];
};

void env_job_free(struct env_job *job);
/* Runs the callback unless cancelled, and frees. Returns callbacks run. */
int env_job_finish(struct env_job *job);

#endif
