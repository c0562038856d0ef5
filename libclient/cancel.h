/* Holding off pthread_cancel(): no call of ours is a point of cancellation. The
 * slow paths open files and sleep, which would be; a thread must not go in the
 * middle of a write or with a lock of ours. What was asked for meanwhile waits
 * for the module's own next point. */
#ifndef LIBCLIENT_CANCEL_H
#define LIBCLIENT_CANCEL_H

#include <pthread.h>

/* Returns what cancel_release() wants to know. */
static inline int cancel_hold(void)
{
	int before = PTHREAD_CANCEL_ENABLE;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before); /* a valid state */
	return before;
}

static inline void cancel_release(int before)
{
	(void)pthread_setcancelstate(before, NULL); /* was valid */
}

#endif
