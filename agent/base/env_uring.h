/* Writes and background syncs through io_uring. One write is in flight at a
 * time and is waited for: several at once leave holes in the log when the
 * process is killed between them. The agent's thread alone. */
#ifndef BASE_ENV_URING_H
#define BASE_ENV_URING_H

#include <liburing.h>

#include "base/env_job.h"

#define ENV_URING_SYNCS_MAX 16

struct env_uring {
	struct io_uring ring;
	bool open;
	bool usable; /* until the kernel refuses what it once allowed */
	int event_fd;
	unsigned sync_count;
	struct env_job *syncs[ENV_URING_SYNCS_MAX];    /* in the kernel */
	struct env_job *finished[ENV_URING_SYNCS_MAX]; /* callbacks to run */
	unsigned finished_count;
};

/* -EPERM, -ENOSYS: not allowed here. */
int env_uring_init(struct env_uring *uring);
/* Waits for what is in the kernel. A zeroed struct is fine. */
void env_uring_fini(struct env_uring *uring);

/* -EOPNOTSUPP: the kernel would not take it any more, nothing was written and
 * the caller writes some other way, now and from now on. */
ssize_t env_uring_pwritev(struct env_uring *uring, int fd, const struct iovec *iov, int n,
			  off_t offset);
/* Takes the job over, unless it fails: -EAGAIN, too many at once. */
int env_uring_sync(struct env_uring *uring, struct env_job *job);
void env_uring_cancel(struct env_uring *uring, void *arg);
/* An env_watch_fn for event_fd. */
void env_uring_collect(void *uring, uint32_t events);

#endif
