#include "drain/guard.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

static struct guard *guards;
static struct sigaction before;

static struct guard *guard_find(const void *at)
{
	for (struct guard *guard = guards; guard; guard = guard->next)
		if ((uintptr_t)at - (uintptr_t)guard->at < guard->len)
			return guard;
	return NULL;
}

/* Not ours: as if we had never been here. Returning runs the faulting
 * instruction again, which then meets the default action. */
static void hand_on(int signal, siginfo_t *info, void *context)
{
	if (before.sa_flags & SA_SIGINFO)
		before.sa_sigaction(signal, info, context);
	else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
		before.sa_handler(signal);
	else
		(void)sigaction(SIGBUS, &before, NULL);
}

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
	struct guard *guard = info->si_code > 0 ? guard_find(info->si_addr) : NULL;
	int saved = errno;
	void *zeros;

	if (!guard) {
		hand_on(signal, info, context);
		return;
	}
	zeros = mmap(guard->at, guard->len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	guard->hit = 1;
	if (zeros == MAP_FAILED)
		hand_on(signal, info, context);
	errno = saved;
}

/* Asked each time, because somebody else may have taken the signal since. */
static int handler_install(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO}, now;

	if (sigaction(SIGBUS, NULL, &now) < 0)
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigbus)
		return 0;
	before = now;
	sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

int guard_add(struct guard *guard, void *at, size_t len)
{
	int r = handler_install();

	*guard = (struct guard){0};
	if (r < 0)
		return r;
	/* A mapping pins its file's description, and with it agent.page's lock:
	 * a forked child must not keep either. */
	(void)madvise(at, len, MADV_DONTFORK);
	*guard = (struct guard){.next = guards, .link = &guards, .at = at, .len = len};
	if (guards)
		guards->link = &guard->next;
	guards = guard;
	return 0;
}

void guard_remove(struct guard *guard)
{
	if (guard->link) {
		*guard->link = guard->next;
		if (guard->next)
			guard->next->link = guard->link;
	}
	*guard = (struct guard){0};
}
