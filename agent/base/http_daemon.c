#include "base/http_daemon.h"

#include <errno.h>
#include <sys/epoll.h>

void http_daemon_init(struct http_daemon *http, struct env *env, unsigned turns_max)
{
	*http = (struct http_daemon){.env = env, .epoll_fd = -1, .turns_max = turns_max};
}

/* Its epoll is edge-triggered inside, and what it put off is not told by the
 * descriptor: it is asked. */
void http_daemon_run(struct http_daemon *http)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	http->unfinished = false;
	for (unsigned i = 0; http->daemon && i < http->turns_max; i++) {
		(void)MHD_run(http->daemon);
		if (MHD_get_timeout(http->daemon, &timeout_ms) != MHD_YES || timeout_ms > 0)
			return;
	}
	http->unfinished = http->daemon != NULL;
}

static void on_ready(void *arg, uint32_t events)
{
	(void)events;
	http_daemon_run(arg);
}

int http_daemon_watch(struct http_daemon *http, struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info;
	int r;

	if (!daemon)
		return -ENOMEM;
	http->daemon = daemon;
	info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	r = http->env->ops->watch(http->env, info->epoll_fd, EPOLLIN, on_ready, http);
	if (r == 0)
		http->epoll_fd = info->epoll_fd;
	return r;
}

void http_daemon_stop(struct http_daemon *http)
{
	if (http->epoll_fd >= 0)
		(void)http->env->ops->watch(http->env, http->epoll_fd, 0, NULL, NULL);
	http->epoll_fd = -1;
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	http->daemon = NULL;
	http->unfinished = false;
}

struct MHD_Response *http_daemon_response(struct buf *content)
{
	struct MHD_Response *response = NULL;

	if (!buf_failed(content))
		response = MHD_create_response_from_buffer(content->len, content->at,
							   MHD_RESPMEM_MUST_FREE);
	if (!response)
		buf_fini(content);
	return response;
}
