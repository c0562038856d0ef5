/* The sockets one port listens on, those that could not be opened included: they are
 * tried again. */
#ifndef RECEIVE_LISTENER_H
#define RECEIVE_LISTENER_H

#include "receive/stage.h"

struct listener {
	struct receive *stage;
	const struct address *address;
	int fd; /* -1: closed */
	uint64_t retry_ns;
};

void listener_init(struct listener *listener, struct receive *stage,
		   const struct address *address);

/* Opens it if it is time. 1: it was opened; 0. */
int listener_tick(struct listener *listener, uint64_t now_ns);

/* It is of no use as it is: closed, said, and tried again after a while. */
void listener_failed(struct listener *listener, uint64_t now_ns, int error);

/* Also takes a unix socket's name away. */
void listener_close(struct listener *listener);

/* It was closed by somebody else. */
void listener_forget(struct listener *listener);

#endif
