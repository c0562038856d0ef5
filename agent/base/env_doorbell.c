#include "base/env_doorbell.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/env_helper.h"

#define DOORBELL_PAUSE_NS 100000

/* Not FUTEX_PRIVATE: the wakes come from other processes. */
static int futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	return syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0) < 0 ? -errno : 0;
}

static void *doorbell_main(void *arg)
{
	const struct timespec pause = {.tv_nsec = DOORBELL_PAUSE_NS};
	struct env_doorbell *doorbell = arg;
	uint64_t one = 1;
	uint32_t value;
	ssize_t n;
	int r;

	for (;;) {
		/* D1 pairs with D2 in env_doorbell_stop(): the word is read
		 * before `stop`, so a stop that is not seen here has not yet
		 * changed the word and the wait below returns at once. */
		value = atomic_load_explicit(doorbell->word, memory_order_acquire);
		if (atomic_load_explicit(&doorbell->stop, memory_order_acquire))
			return NULL;
		r = futex_wait(doorbell->word, value);
		if (r == -EAGAIN || r == -EINTR)
			continue;
		if (r < 0)
			return NULL; /* the file was cut under us: the poll remains */
		n = write(doorbell->event_fd, &one, sizeof one);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return NULL;
		/* Anybody may ring in a loop; that must not become our loop. */
		nanosleep(&pause, NULL);
	}
}

int env_doorbell_start(struct env_doorbell *doorbell, _Atomic uint32_t *word, env_watch_fn *fn,
		       void *arg)
{
	int r;

	*doorbell = (struct env_doorbell){
		.word = word,
		.fn = fn,
		.arg = arg,
		.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	if (doorbell->event_fd < 0)
		return -errno;
	r = env_thread_start(&doorbell->thread, doorbell_main, doorbell);
	if (r < 0) {
		close(doorbell->event_fd);
		return r;
	}
	doorbell->running = true;
	return 0;
}

void env_doorbell_stop(struct env_doorbell *doorbell)
{
	if (!doorbell->running)
		return;
	/* D2 pairs with D1: `stop` is visible to whoever sees the new value.
	 * The word's value means nothing to the clients. */
	atomic_store_explicit(&doorbell->stop, 1, memory_order_release);
	atomic_fetch_add_explicit(doorbell->word, 1, memory_order_release);
	(void)syscall(SYS_futex, doorbell->word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	pthread_join(doorbell->thread, NULL);
	close(doorbell->event_fd);
	doorbell->running = false;
}

void env_doorbell_rung(void *arg, uint32_t events)
{
	struct env_doorbell *doorbell = arg;
	uint64_t count;
	ssize_t n;

	do
		n = read(doorbell->event_fd, &count, sizeof count);
	while (n < 0 && errno == EINTR);
	doorbell->fn(doorbell->arg, events);
}
