/* A call that may raise a signal in this thread whose default is death (SIGXFSZ
 * of a file beyond its limit, SIGPIPE of a pipe nobody reads) must not end the
 * module: the signal is blocked around the call and, when it came by it, taken
 * out of the queue. */
#ifndef LIBCLIENT_QUIET_H
#define LIBCLIENT_QUIET_H

#include <signal.h>
#include <stdbool.h>

struct quiet {
	sigset_t signal;
	sigset_t before;
	bool was_pending;
};

void quiet_begin(struct quiet *quiet, int signal_number);

/* `came`: the call failed, so the signal may have been raised. */
void quiet_end(const struct quiet *quiet, bool came);

#endif
