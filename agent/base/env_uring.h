/* Background syncs through io_uring, without a thread of ours. Writes do not
 * go this way: a buffered write that extends its file is handed to a kernel
 * worker, which costs two switches and made a span 1.3 times as dear; and
 * several in flight leave holes in the log when the process is killed between
 * them. The agent's thread alone. */
#ifndef BASE_ENV_URING_H
#define BASE_ENV_URING_H

#include <liburing.h>

#include "base/env_job.h"

#define ENV_URING_SYNCS_MAX 16

/* Takes over a job that the kernel gave back without doing it. */
typedef void env_uring_refused_fn(void *arg, struct env_job *job);

struct env_uring {
	struct io_uring ring;
	bool open;
	bool usable; /* until the kernel refuses what it once allowed */
	int event_fd;
	unsigned sync_count;
	struct env_job *syncs[ENV_URING_SYNCS_MAX];    /* in the kernel */
	struct env_job *finished[ENV_URING_SYNCS_MAX]; /* callbacks to run */
	unsigned finished_count;
	env_uring_refused_fn *refused;
	void *refused_arg;
};

/* `refused` is called from wait(). -EPERM, -ENOSYS: not allowed here. */
int env_uring_init(struct env_uring *uring, env_uring_refused_fn *refused, void *arg);
/* Waits for what is in the kernel. A zeroed struct is fine. */
void env_uring_fini(struct env_uring *uring);

/* Takes the job over, unless it fails: -EAGAIN, too many at once. */
int env_uring_sync(struct env_uring *uring, struct env_job *job);
void env_uring_cancel(struct env_uring *uring, void *arg);
/* An env_watch_fn for event_fd. */
void env_uring_collect(void *uring, uint32_t events);

#endif
