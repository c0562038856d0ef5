/* A daemon of libmicrohttpd on the agent's thread: its own epoll descriptor is
 * watched by env, and its work is done in turns. Whoever owns it starts it, with
 * MHD_USE_EPOLL and without a thread. */
#ifndef BASE_HTTP_DAEMON_H
#define BASE_HTTP_DAEMON_H

#include <microhttpd.h>

#include "base/buf.h"
#include "base/env.h"

struct http_daemon {
	struct env *env;
	struct MHD_Daemon *daemon; /* NULL: none */
	int epoll_fd;		   /* -1: not watched */
	unsigned turns_max;	   /* in one run: the rings are not to wait for all of it */
	bool unfinished;	   /* the last run did not do all there was */
};

void http_daemon_init(struct http_daemon *http, struct env *env, unsigned turns_max);

/* Takes over what MHD_start_daemon() gave. -ENOMEM: it gave nothing. -errno: call
 * http_daemon_stop(). */
int http_daemon_watch(struct http_daemon *http, struct MHD_Daemon *daemon);

/* Its connections end within this call, which is told to those who asked for it. */
void http_daemon_stop(struct http_daemon *http);

/* Goes on until nothing is ready any more, or for so many turns. */
void http_daemon_run(struct http_daemon *http);

/* The content as a response, which then owns its bytes. NULL: no memory, or making the
 * content failed; it is freed. */
struct MHD_Response *http_daemon_response(struct buf *content);

#endif
