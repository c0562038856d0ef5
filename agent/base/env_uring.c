#include "base/env_uring.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define URING_ENTRIES 32
#define URING_SUBMIT_TRIES 100

/* user_data of the one write; a sync's is its job. */
#define URING_WRITE 1

int env_uring_init(struct env_uring *uring)
{
	int r;

	*uring = (struct env_uring){.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
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

/* A sync is over: its callback waits for the loop, because nobody expects to
 * be called back from inside a write. */
static void sync_over(struct env_uring *uring, struct env_job *job, int result)
{
	job->result = result;
	for (unsigned i = 0; i < uring->sync_count; i++)
		if (uring->syncs[i] == job)
			uring->syncs[i] = uring->syncs[uring->sync_count - 1];
	uring->sync_count--;
	uring->finished[uring->finished_count++] = job;
}

/* Takes what the kernel has completed; 1 if the write was among it. */
static int completions_take(struct env_uring *uring, ssize_t *ret_written)
{
	struct io_uring_cqe *cqe;
	int seen = 0;

	while (io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
		uint64_t who = cqe->user_data;
		int result = cqe->res;

		io_uring_cqe_seen(&uring->ring, cqe);
		if (who == URING_WRITE) {
			*ret_written = result;
			seen = 1;
		} else {
			sync_over(uring, (struct env_job *)(uintptr_t)who, result);
		}
	}
	return seen;
}

static void tell(struct env_uring *uring)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(uring->event_fd, &one, sizeof one);
	while (n < 0 && errno == EINTR);
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

/* Waits until the write is over: only its completion says that the kernel no
 * longer reads the caller's bytes. */
static ssize_t write_wait(struct env_uring *uring)
{
	struct io_uring_cqe *cqe;
	ssize_t written = -EIO;

	while (!completions_take(uring, &written))
		(void)io_uring_wait_cqe(&uring->ring, &cqe); /* -EINTR: again */
	return written;
}

ssize_t env_uring_pwritev(struct env_uring *uring, int fd, const struct iovec *iov, int n,
			  off_t offset)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
	ssize_t written = -EOPNOTSUPP;

	/* Every entry is submitted at once, so the queue is never full. */
	if (!sqe)
		return -EOPNOTSUPP;
	io_uring_prep_writev(sqe, fd, iov, (unsigned)n, (uint64_t)offset);
	io_uring_sqe_set_data64(sqe, URING_WRITE);

	/* The write is waited for here and needs no wake of the loop; a sync
	 * that completes meanwhile is told by hand. */
	(void)io_uring_cq_eventfd_toggle(&uring->ring, false);
	if (submit(uring))
		written = write_wait(uring);
	(void)io_uring_cq_eventfd_toggle(&uring->ring, true);
	if (uring->finished_count > 0 || io_uring_cq_ready(&uring->ring) > 0)
		tell(uring);
	return written == -EINTR ? -EAGAIN : written;
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

void env_uring_collect(void *arg, uint32_t events)
{
	struct env_uring *uring = arg;
	ssize_t written, n;
	uint64_t count;

	(void)events;
	/* EAGAIN: the completions of this telling were taken by a write. */
	do
		n = read(uring->event_fd, &count, sizeof count);
	while (n < 0 && errno == EINTR);
	(void)completions_take(uring, &written);
	while (uring->finished_count > 0) {
		struct env_job *job = uring->finished[0];

		uring->finished_count--;
		memmove(uring->finished, uring->finished + 1,
			uring->finished_count * sizeof uring->finished[0]);
		env_job_finish(job);
	}
}

void env_uring_fini(struct env_uring *uring)
{
	struct io_uring_cqe *cqe;
	ssize_t written;
	int r;

	if (!uring->open)
		return;
	while (uring->sync_count > 0) {
		r = io_uring_wait_cqe(&uring->ring, &cqe);
		if (r < 0 && r != -EINTR)
			break;
		(void)completions_take(uring, &written);
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
