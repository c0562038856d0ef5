#include "base/env_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define LOOP_EVENTS 64

int env_loop_init(struct env_loop *loop)
{
	*loop = (struct env_loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	return loop->epoll_fd < 0 ? -errno : 0;
}

void env_loop_fini(struct env_loop *loop)
{
	free(loop->slots);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	*loop = (struct env_loop){.epoll_fd = -1};
}

static int loop_grow(struct env_loop *loop, size_t need)
{
	size_t count = loop->slot_count ? loop->slot_count : 64;
	struct env_loop_slot *slots;

	if (need <= loop->slot_count)
		return 0;
	while (count < need)
		count *= 2;
	slots = reallocarray(loop->slots, count, sizeof *slots);
	if (!slots)
		return -ENOMEM;
	for (size_t i = loop->slot_count; i < count; i++)
		slots[i] = (struct env_loop_slot){0};
	loop->slots = slots;
	loop->slot_count = count;
	return 0;
}

static int loop_unwatch(struct env_loop *loop, int fd)
{
	if ((size_t)fd >= loop->slot_count || !loop->slots[fd].fn)
		return 0;
	loop->slots[fd].fn = NULL;
	loop->slots[fd].generation++;
	/* ENOENT and EBADF: closed before it was unwatched, which is the same. */
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	return 0;
}

int env_loop_watch(struct env_loop *loop, int fd, uint32_t events, env_watch_fn *fn, void *arg)
{
	struct epoll_event event = {.events = events};
	struct env_loop_slot *slot;
	int r;

	if (fd < 0)
		return -EBADF;
	if (events == 0)
		return loop_unwatch(loop, fd);
	r = loop_grow(loop, (size_t)fd + 1);
	if (r < 0)
		return r;
	slot = &loop->slots[fd];
	event.data.u64 = (uint64_t)(slot->generation + 1) << 32 | (uint32_t)fd;
	/* The slot may speak of a descriptor that was closed unwatched and whose
	 * number came again, so neither ADD nor MOD can be known to be right. */
	r = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event);
	if (r < 0 && errno == ENOENT)
		r = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	if (r < 0)
		return -errno;
	slot->fn = fn;
	slot->arg = arg;
	slot->generation++;
	return 0;
}

static int wait_coarse(struct env_loop *loop, struct epoll_event *events, uint64_t timeout_ns)
{
	uint64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
	int timeout = timeout_ns == UINT64_MAX ? -1 : ms > 1000000 ? 1000000 : (int)ms;
	int n = epoll_wait(loop->epoll_fd, events, LOOP_EVENTS, timeout);

	return n < 0 ? -errno : n;
}

static int wait_fine(struct env_loop *loop, struct epoll_event *events, uint64_t timeout_ns)
{
	struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ns / 1000000000),
		.tv_nsec = (long)(timeout_ns % 1000000000),
	};
	int n;

	if (loop->coarse)
		return wait_coarse(loop, events, timeout_ns);
	n = epoll_pwait2(loop->epoll_fd, events, LOOP_EVENTS,
			 timeout_ns == UINT64_MAX ? NULL : &timeout, NULL);
	if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
		loop->coarse = true;
		return wait_coarse(loop, events, timeout_ns);
	}
	return n < 0 ? -errno : n;
}

static uint64_t now_ns(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Signals are watched by signalfd; what interrupts here is a stop and
 * continue, or io_uring's own work for this thread. */
static int wait_whole(struct env_loop *loop, struct epoll_event *events, uint64_t timeout_ns)
{
	uint64_t begin = now_ns(), past = 0;
	int n;

	do {
		n = wait_fine(loop, events,
			      timeout_ns == UINT64_MAX ? UINT64_MAX : timeout_ns - past);
		if (n != -EINTR)
			return n;
		past = now_ns() - begin;
	} while (past < timeout_ns);
	return 0;
}

int env_loop_wait(struct env_loop *loop, uint64_t timeout_ns)
{
	struct epoll_event events[LOOP_EVENTS];
	int n, ran = 0;

	n = wait_whole(loop, events, timeout_ns);
	for (int i = 0; i < n; i++) {
		size_t fd = (uint32_t)events[i].data.u64;
		struct env_loop_slot *slot = &loop->slots[fd];

		/* A callback before this one may have removed or replaced the watch. */
		if (!slot->fn || slot->generation != (uint32_t)(events[i].data.u64 >> 32))
			continue;
		slot->fn(slot->arg, events[i].events);
		ran++;
	}
	return n < 0 ? n : ran;
}
