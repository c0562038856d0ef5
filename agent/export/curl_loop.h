/* libcurl's multi interface on the agent's loop: its sockets are watched and its
 * timer kept through `struct env`, so it never waits itself.
 *
 * One owner, one thread. `ran` is called from env->wait() and from
 * curl_loop_tick() after libcurl has worked, never from within libcurl: transfers
 * may be taken away in there. */
#ifndef EXPORT_CURL_LOOP_H
#define EXPORT_CURL_LOOP_H

#include <curl/curl.h>

#include "base/env.h"
#include "export/options.h"

/* Each transfer has one connection, or tries two addresses at once; some are idle. */
#define CURL_LOOP_SOCKETS_MAX (4 * EXPORT_STREAMS_LIMIT)

struct curl_loop;

struct curl_loop_socket {
	struct curl_loop *loop;
	int fd; /* -1: this place is free */
};

typedef void curl_loop_ran_fn(void *arg);

struct curl_loop {
	struct env *env;
	CURLM *multi;	   /* NULL: not begun, or broken */
	bool broken;	   /* tick says it */
	uint64_t timer_ns; /* when libcurl wants to be called; UINT64_MAX: never */
	struct curl_loop_socket sockets[CURL_LOOP_SOCKETS_MAX];
	curl_loop_ran_fn *ran;
	void *arg;
};

/* Allocates nothing yet. */
void curl_loop_init(struct curl_loop *loop, struct env *env, curl_loop_ran_fn *ran, void *arg);
/* Makes libcurl ready, if it is not: `connections` at most, open or idle. -ENOMEM. */
int curl_loop_begin(struct curl_loop *loop, long connections);
/* Closes all connections. No transfer may be left. May be begun again. */
void curl_loop_fini(struct curl_loop *loop);

/* What is due is done. Returns the work done. -EIO: libcurl cannot go on; take the
 * transfers away and end it. */
int curl_loop_tick(struct curl_loop *loop, uint64_t now_ns);

#endif
