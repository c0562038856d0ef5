#include "base/env_helper.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void env_job_free(struct env_job *job)
{
	free(job->host);
	free(job->port);
	free(job);
}

int env_job_finish(struct env_job *job)
{
	bool run = !job->cancelled;

	if (run && job->done)
		job->done(job->arg, job->result);
	else if (run)
		job->resolved(job->arg, job->result, job->addresses);
	env_job_free(job);
	return run;
}

static int resolve_errno(int code)
{
	switch (code) {
	case EAI_SYSTEM:
		return -errno;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_SERVICE:
		return -EINVAL;
	default:
		return -ENOENT;
	}
}

static int take_addresses(struct env_job *job, const struct addrinfo *found)
{
	int count = 0;

	for (; found && count < ENV_ADDRESSES_MAX; found = found->ai_next) {
		struct env_address *address = &job->addresses[count++];

		memcpy(&address->at, found->ai_addr, found->ai_addrlen);
		address->len = found->ai_addrlen;
	}
	return count;
}

static int resolve(struct env_job *job)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *found;
	int r;

	r = getaddrinfo(job->host, job->port, &hints, &found);
	/* AI_ADDRCONFIG hides loopback literals on a host without a network. */
	if (r != 0) {
		hints.ai_flags = 0;
		r = getaddrinfo(job->host, job->port, &hints, &found);
	}
	if (r != 0)
		return resolve_errno(r);
	r = take_addresses(job, found);
	freeaddrinfo(found);
	return r;
}

static int job_work(struct env_job *job)
{
	int r;

	if (!job->done)
		return resolve(job);
	do
		r = fdatasync(job->fd);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static void tell(struct env_helper *helper)
{
	uint64_t one = 1;
	ssize_t n;

	/* EAGAIN would mean 2^64 - 2 untaken tellings: it is told already. */
	do
		n = write(helper->event_fd, &one, sizeof one);
	while (n < 0 && errno == EINTR);
}

static void *helper_main(void *arg)
{
	struct env_helper *helper = arg;
	struct env_job *job;

	pthread_mutex_lock(&helper->lock);
	while (!helper->stop) {
		job = helper->queued;
		if (!job) {
			pthread_cond_wait(&helper->work, &helper->lock);
			continue;
		}
		helper->queued = job->next;
		if (!helper->queued)
			helper->queued_end = &helper->queued;
		helper->running = job;
		pthread_mutex_unlock(&helper->lock);

		job->result = job_work(job);

		pthread_mutex_lock(&helper->lock);
		helper->running = NULL;
		job->next = NULL;
		*helper->finished_end = job;
		helper->finished_end = &job->next;
		tell(helper);
	}
	pthread_mutex_unlock(&helper->lock);
	return NULL;
}

int env_thread_start(pthread_t *ret_thread, void *(*main)(void *), void *arg)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(ret_thread, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

int env_helper_init(struct env_helper *helper)
{
	*helper = (struct env_helper){.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (helper->event_fd < 0)
		return -errno;
	helper->queued_end = &helper->queued;
	helper->finished_end = &helper->finished;
	pthread_mutex_init(&helper->lock, NULL);
	pthread_cond_init(&helper->work, NULL);
	return 0;
}

static void list_free(struct env_job *job)
{
	while (job) {
		struct env_job *next = job->next;

		env_job_free(job);
		job = next;
	}
}

void env_helper_fini(struct env_helper *helper)
{
	if (helper->started) {
		pthread_mutex_lock(&helper->lock);
		helper->stop = true;
		pthread_cond_signal(&helper->work);
		pthread_mutex_unlock(&helper->lock);
		pthread_join(helper->thread, NULL);
	}
	list_free(helper->queued);
	list_free(helper->finished);
	pthread_mutex_destroy(&helper->lock);
	pthread_cond_destroy(&helper->work);
	close(helper->event_fd);
}

int env_helper_push(struct env_helper *helper, struct env_job *job)
{
	int r;

	if (!helper->started) {
		r = env_thread_start(&helper->thread, helper_main, helper);
		if (r < 0) {
			env_job_free(job);
			return r;
		}
		helper->started = true;
	}
	job->next = NULL;
	pthread_mutex_lock(&helper->lock);
	*helper->queued_end = job;
	helper->queued_end = &job->next;
	pthread_cond_signal(&helper->work);
	pthread_mutex_unlock(&helper->lock);
	return 0;
}

static void list_cancel(struct env_job *job, void *arg)
{
	for (; job; job = job->next)
		if (job->arg == arg)
			job->cancelled = true;
}

bool env_helper_idle(struct env_helper *helper)
{
	bool idle;

	pthread_mutex_lock(&helper->lock);
	idle = !helper->queued && !helper->running;
	pthread_mutex_unlock(&helper->lock);
	return idle;
}

void env_helper_cancel(struct env_helper *helper, void *arg)
{
	pthread_mutex_lock(&helper->lock);
	list_cancel(helper->queued, arg);
	list_cancel(helper->finished, arg);
	if (helper->running && helper->running->arg == arg)
		helper->running->cancelled = true;
	pthread_mutex_unlock(&helper->lock);
}

void env_helper_collect(void *arg, uint32_t events)
{
	struct env_helper *helper = arg;
	struct env_job *job;
	uint64_t count;
	ssize_t n;

	(void)events;
	/* EAGAIN: an earlier collect took the jobs of this telling as well. */
	do
		n = read(helper->event_fd, &count, sizeof count);
	while (n < 0 && errno == EINTR);

	/* One at a time, because a callback may cancel those behind it. */
	for (;;) {
		pthread_mutex_lock(&helper->lock);
		job = helper->finished;
		if (job) {
			helper->finished = job->next;
			if (!helper->finished)
				helper->finished_end = &helper->finished;
		}
		pthread_mutex_unlock(&helper->lock);
		if (!job)
			return;
		env_job_finish(job);
	}
}
