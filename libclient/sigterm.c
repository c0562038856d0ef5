#include "client.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

/* Where installation stands. `previous` is written while INSTALLING, before
 * the kernel knows the handler, and never again. */
enum state {
	NOT_INSTALLED = 0,
	INSTALLING = 1,
	INSTALLED = 2,
};

static _Atomic int install_state;
static _Atomic unsigned exit_flags; /* SPANRING_SIGTERM_*; relaxed: stands alone */
static struct sigaction previous;

static bool previous_is(void (*handler)(int))
{
	return !(previous.sa_flags & SA_SIGINFO) && previous.sa_handler == handler;
}

static void call_previous(int signal_number, siginfo_t *info, void *machine)
{
	if (previous.sa_flags & SA_SIGINFO)
		previous.sa_sigaction(signal_number, info, machine);
	else
		previous.sa_handler(signal_number);
}

/* Dies here, by the signal: what interrupted code would do next is not done. */
static void die_by(int signal_number)
{
	struct sigaction fallback = {.sa_handler = SIG_DFL};
	sigset_t only;

	(void)sigaction(signal_number, &fallback, NULL); /* cannot fail for SIGTERM */
	(void)raise(signal_number);
	sigemptyset(&only);
	sigaddset(&only, signal_number);
	(void)sigprocmask(SIG_UNBLOCK, &only, NULL); /* was blocked as we run in its handler */
}

enum outcome {
	CALL_PREVIOUS,
	EXIT_0,
	DIE,
	LIVE_ON,
};

static enum outcome outcome(void)
{
	/* Relaxed: a word that stands alone. */
	unsigned flags = atomic_load_explicit(&exit_flags, memory_order_relaxed);

	if (!previous_is(SIG_DFL) && !previous_is(SIG_IGN))
		return CALL_PREVIOUS;
	if (flags & SPANRING_SIGTERM_EXIT_0)
		return EXIT_0;
	/* The first process of a container does not die by signals it has no
	 * handler for. */
	return previous_is(SIG_IGN) || getpid() == 1 ? LIVE_ON : DIE;
}

static void on_sigterm(int signal_number, siginfo_t *info, void *machine)
{
	enum outcome next = outcome();
	int error = errno;

	if (next != LIVE_ON)
		(void)client_say_process_end(WIRE_PROCESS_SIGTERM, signal_number);
	if (next == CALL_PREVIOUS)
		call_previous(signal_number, info, machine);
	else if (next == EXIT_0)
		_exit(0);
	else if (next == DIE)
		die_by(signal_number);
	errno = error;
}

/* Keeps what the module asked of its own handler: which signals wait meanwhile,
 * on which stack, whether calls are restarted, whether it is for once only. */
static int install(void)
{
	struct sigaction ours;

	if (sigaction(SIGTERM, NULL, &previous) < 0)
		return -errno;
	ours = previous;
	ours.sa_flags |= SA_SIGINFO;
	ours.sa_sigaction = on_sigterm;
	if (previous_is(SIG_DFL) || previous_is(SIG_IGN)) {
		sigemptyset(&ours.sa_mask);
		ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	}
	return sigaction(SIGTERM, &ours, NULL) < 0 ? -errno : 0;
}

/* A handler would not be ignored any more in programs this process starts:
 * exec() passes SIG_IGN on. So it is left alone, unless an exit is wanted. */
static bool stays_ignored(unsigned flags)
{
	struct sigaction now;

	return !(flags & SPANRING_SIGTERM_EXIT_0) && sigaction(SIGTERM, NULL, &now) == 0 &&
	       !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN;
}

int spanring_install_sigterm(unsigned flags)
{
	int error = errno, expected = NOT_INSTALLED, r;

	if (flags & ~SPANRING_SIGTERM_EXIT_0)
		return -EINVAL;
	/* Relaxed: a word that stands alone. */
	atomic_store_explicit(&exit_flags, flags, memory_order_relaxed);
	if (stays_ignored(flags))
		return 0;
	/* Relaxed: whoever loses the race does nothing with `previous`; the
	 * handler sees it because the kernel learnt of the handler after it
	 * was written. */
	if (!atomic_compare_exchange_strong_explicit(&install_state, &expected, INSTALLING,
						     memory_order_relaxed,
						     memory_order_relaxed))
		return 0;
	r = install();
	atomic_store_explicit(&install_state, r < 0 ? NOT_INSTALLED : INSTALLED,
			      memory_order_relaxed); /* a word that stands alone */
	errno = error;
	return r;
}
