/* Signals as news: they come through a descriptor, so that nothing runs in a
 * handler, and are counted here until the agent's loop looks at them.
 *
 *   TERM, INT   drain, seal, leave; a second one leaves at once
 *   HUP         read the configuration again
 *   USR1        open the log file again: it was renamed by a rotation
 *   USR2        write the state of everything into a file
 *
 * The kernel merges equal signals that wait, so a flood of them is one. */
#ifndef AGENT_SIGNALS_H
#define AGENT_SIGNALS_H

#include <stdbool.h>

#include "base/env.h"

struct signals {
	struct env *env;
	int fd;
	unsigned stops; /* TERM and INT so far */
	bool reload, reopen, dump;
	/* Called when `stops` rises, wherever the agent happens to wait. */
	void (*on_stop)(void *arg, unsigned stops);
	void *arg;
};

/* Blocks the signals for this thread, and for those it makes later. Others
 * keep their disposition; SIGPIPE is ignored. -errno. */
int signals_open(struct signals *signals, struct env *env,
		 void (*on_stop)(void *arg, unsigned stops), void *arg);
void signals_close(struct signals *signals);

/* True once for each time the flag was raised. */
bool signals_take(bool *flag);

#endif
