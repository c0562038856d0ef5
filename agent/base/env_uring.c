#include "base/env_uring.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define URING_ENTRIES 32
#define URING_SUBMIT_TRIES 100

int env_uring_init(struct env_uring *uring, env_uring_refused_fn *refused, void *arg)
{
	int r;

	*uring = (struct env_uring){
		.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.refused = refused,
		.refused_arg = arg,
	};
	if (uring->event_fd < 0)
		return -errno;
	r = io_uring_queue_init(URING_ENTRIES, &uring->ring, 0);
	if (r < 0)
		goto close;
	r = io_uring_register_eventfd(&uring->ring, uring->event_fd);
	if (r < 0)
		goto exit;
	uring->open = true;
	uring->usable = true;
	return 0;

exit:
	io_uring_queue_exit(&uring->ring);
close:
	close(uring->event_fd);
	uring->event_fd = -1;
	return r;
}

/* A sync is over: its callback comes when all completions are taken. */
static void sync_over(struct env_uring *uring, struct env_job *job, int result)
{
	job->result = result;
	for (unsigned i = 0; i < uring->sync_count; i++)
		if (uring->syncs[i] == job)
			uring->syncs[i] = uring->syncs[uring->sync_count - 1];
	uring->sync_count--;
	uring->finished[uring->finished_count++] = job;
}

/* Takes what the kernel has completed. */
static void completions_take(struct env_uring *uring)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
		struct env_job *job = (struct env_job *)(uintptr_t)cqe->user_data;
		int result = cqe->res;

		io_uring_cqe_seen(&uring->ring, cqe);
		sync_over(uring, job, result);
	}
}

/* Submits the one prepared entry. False: the kernel refuses, and the ring is
 * left alone from now on, because what was prepared cannot be taken back. */
static bool submit(struct env_uring *uring)
{
	for (int tries = 0; tries < URING_SUBMIT_TRIES; tries++) {
		int r = io_uring_submit(&uring->ring);

		if (r == 1)
			return true;
		if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY)
			break;
	}
	uring->usable = false;
	return false;
}

int env_uring_sync(struct env_uring *uring, struct env_job *job)
{
	struct io_uring_sqe *sqe;

	if (uring->sync_count + uring->finished_count == ENV_URING_SYNCS_MAX)
		return -EAGAIN;
	sqe = io_uring_get_sqe(&uring->ring);
	if (!sqe)
		return -EAGAIN;
	io_uring_prep_fsync(sqe, job->fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)job);
	/* Never in this thread: the kernel runs it in a worker of its own. */
	io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	if (!submit(uring))
		return -EAGAIN;
	uring->syncs[uring->sync_count++] = job;
	return 0;
}

void env_uring_cancel(struct env_uring *uring, void *arg)
{
	for (unsigned i = 0; i < uring->sync_count; i++)
		if (uring->syncs[i]->arg == arg)
			uring->syncs[i]->cancelled = true;
	for (unsigned i = 0; i < uring->finished_count; i++)
		if (uring->finished[i]->arg == arg)
			uring->finished[i]->cancelled = true;
}

/* Whether the answer is the disk's. Cancelled, interrupted, without memory or not
 * allowed says that nothing was synced, and nothing of whether it could be. */
static bool was_done(int result)
{
	switch (result) {
	case -ECANCELED:
	case -EINTR:
	case -EAGAIN:
	case -ENOMEM:
	case -EINVAL:
	case -ENOSYS:
	case -EPERM:
	case -EACCES:
	case -EOPNOTSUPP:
		return false;
	default:
		return result <= 0;
	}
}

void env_uring_collect(void *arg, uint32_t events)
{
	struct env_uring *uring = arg;
	uint64_t count;
	ssize_t n;

	(void)events;
	do
		n = read(uring->event_fd, &count, sizeof count);
	while (n < 0 && errno == EINTR);
	completions_take(uring);
	while (uring->finished_count > 0) {
		struct env_job *job = uring->finished[0];

		uring->finished_count--;
		memmove(uring->finished, uring->finished + 1,
			uring->finished_count * sizeof uring->finished[0]);
		if (job->cancelled || was_done(job->result))
			env_job_finish(job);
		else
			uring->refused(uring->refused_arg, job);
	}
}

void env_uring_fini(struct env_uring *uring)
{
	struct io_uring_cqe *cqe;
	int r;

	if (!uring->open)
		return;
	while (uring->sync_count > 0) {
		r = io_uring_wait_cqe(&uring->ring, &cqe);
		if (r < 0 && r != -EINTR)
			break;
		completions_take(uring);
	}
	for (unsigned i = 0; i < uring->finished_count; i++)
		env_job_free(uring->finished[i]);
	io_uring_queue_exit(&uring->ring);
	/* Only now does no completion name them any more. */
	for (unsigned i = 0; i < uring->sync_count; i++)
		env_job_free(uring->syncs[i]);
	close(uring->event_fd);
	*uring = (struct env_uring){.event_fd = -1};
}
