#include "export/curl_loop.h"

#include <errno.h>
#include <sys/epoll.h>

#define NS_PER_MS UINT64_C(1000000)

/* --- sockets ------------------------------------------------------------------ */

static struct curl_loop_socket *socket_find(struct curl_loop *loop, int fd)
{
	for (size_t i = 0; i < CURL_LOOP_SOCKETS_MAX; i++)
		if (loop->sockets[i].fd == fd)
			return &loop->sockets[i];
	return NULL;
}

static void socket_forget(struct curl_loop_socket *socket)
{
	struct env *env = socket->loop->env;

	(void)env->ops->watch(env, socket->fd, 0, NULL, NULL);
	socket->fd = -1;
}

static int mask_of(uint32_t events)
{
	int mask = 0;

	if (events & EPOLLIN)
		mask |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		mask |= CURL_CSELECT_ERR;
	return mask;
}

/* It cannot go on: tick says so, from where transfers may be taken away. */
static void note_result(struct curl_loop *loop, CURLMcode code)
{
	if (code != CURLM_OK) {
		loop->broken = true;
		loop->timer_ns = 0;
	}
}

static void on_event(void *arg, uint32_t events)
{
	struct curl_loop_socket *socket = arg;
	struct curl_loop *loop = socket->loop;
	int running;

	note_result(loop, curl_multi_socket_action(loop->multi, socket->fd, mask_of(events),
						   &running));
	loop->ran(loop->arg);
}

static uint32_t events_of(int what)
{
	switch (what) {
	case CURL_POLL_IN:
		return EPOLLIN;
	case CURL_POLL_OUT:
		return EPOLLOUT;
	case CURL_POLL_INOUT:
		return EPOLLIN | EPOLLOUT;
	default:
		return 0;
	}
}

/* -1 breaks the whole of libcurl's multi handle, so only where nothing else is
 * possible: a transfer whose socket is not watched would hang until its deadline. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct curl_loop *loop = arg;
	struct curl_loop_socket *socket = socket_find(loop, fd);
	uint32_t events = events_of(what);

	(void)easy;
	(void)unused;
	if (!events) {
		if (socket)
			socket_forget(socket);
		return 0;
	}
	if (!socket)
		socket = socket_find(loop, -1);
	if (!socket)
		return -1;
	if (loop->env->ops->watch(loop->env, fd, events, on_event, socket) < 0)
		return -1;
	socket->fd = fd;
	return 0;
}

/* --- time ---------------------------------------------------------------------- */

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct curl_loop *loop = arg;

	(void)multi;
	loop->timer_ns = timeout_ms < 0 ? UINT64_MAX
					: loop->env->ops->mono_ns(loop->env) +
						  (uint64_t)timeout_ms * NS_PER_MS;
	return 0;
}

int curl_loop_tick(struct curl_loop *loop, uint64_t now_ns)
{
	int running;

	if (!loop->multi || now_ns < loop->timer_ns)
		return 0;
	if (!loop->broken) {
		/* It sets the timer anew when it wants another. */
		loop->timer_ns = UINT64_MAX;
		note_result(loop, curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0,
							   &running));
		loop->ran(loop->arg);
	}
	return loop->broken ? -EIO : 1;
}

/* --- life ----------------------------------------------------------------------- */

void curl_loop_init(struct curl_loop *loop, struct env *env, curl_loop_ran_fn *ran, void *arg)
{
	*loop = (struct curl_loop){.env = env, .timer_ns = UINT64_MAX, .ran = ran, .arg = arg};
	for (size_t i = 0; i < CURL_LOOP_SOCKETS_MAX; i++)
		loop->sockets[i] = (struct curl_loop_socket){loop, -1};
}

int curl_loop_begin(struct curl_loop *loop, long connections)
{
	if (loop->multi)
		return 0;
	/* Counted by libcurl: every one needs its cleanup. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	loop->multi = curl_multi_init();
	if (!loop->multi) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	loop->broken = false;
	loop->timer_ns = UINT64_MAX;
	(void)curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	(void)curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
	(void)curl_multi_setopt(loop->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
	(void)curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, connections);
	return 0;
}

void curl_loop_fini(struct curl_loop *loop)
{
	if (!loop->multi)
		return;
	for (size_t i = 0; i < CURL_LOOP_SOCKETS_MAX; i++)
		if (loop->sockets[i].fd >= 0)
			socket_forget(&loop->sockets[i]);
	(void)curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, NULL);
	(void)curl_multi_cleanup(loop->multi);
	curl_global_cleanup();
	loop->multi = NULL;
	loop->timer_ns = UINT64_MAX;
}
