/* Which failures say nothing about what was asked for. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <errno.h>
#include <stdbool.h>

/* A moment without memory, descriptors or luck: the same may work when it is
 * tried again, so nothing is to be concluded from it. */
static inline bool error_passes(int error)
{
	return error == -ENOMEM || error == -ENOBUFS || error == -EAGAIN || error == -EINTR ||
	       error == -EMFILE || error == -ENFILE;
}

#endif
