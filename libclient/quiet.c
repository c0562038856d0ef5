#include "quiet.h"

#include <time.h>

/* Nothing here can fail for valid arguments. */
void quiet_begin(struct quiet *quiet, int signal_number)
{
	sigset_t pending;

	(void)sigemptyset(&quiet->signal);
	(void)sigaddset(&quiet->signal, signal_number);
	(void)pthread_sigmask(SIG_BLOCK, &quiet->signal, &quiet->before);
	(void)sigpending(&pending);
	quiet->was_pending = sigismember(&pending, signal_number) == 1;
}

void quiet_end(const struct quiet *quiet, bool came)
{
	const struct timespec at_once = {0};

	if (came && !quiet->was_pending)
		(void)sigtimedwait(&quiet->signal, NULL, &at_once); /* -EAGAIN: none came */
	(void)pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}
