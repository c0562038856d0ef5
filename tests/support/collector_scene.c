#include "collector_scene.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void keep_line(void *arg, int priority, const char *line)
{
	struct collector_scene *scene = arg;
	size_t len = strlen(scene->log);

	(void)snprintf(scene->log + len, sizeof(scene->log) - len, "<%d>%s\n", priority, line);
}

static int listen_on(int family, uint16_t *port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				  .sin6_port = htons(*port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(*port)};
	struct sockaddr *addr =
		family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, addr, len) < 0 || listen(fd, 8) < 0 || getsockname(fd, addr, &len) < 0) {
		close(fd);
		return -1;
	}
	*port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
	return fd;
}

struct collector_scene *collector_new_on(int family, const char *host)
{
	struct collector_scene *scene = calloc(1, sizeof(*scene));
	uint16_t port = 0;
	char text[64];

	assert_non_null(scene);
	assert_int_equal(test_env_init(&scene->env), 0);
	scene->socket = -1;
	scene->cut_at = SIZE_MAX;
	scene->listener = listen_on(family, &port);
	if (scene->listener < 0)
		skip();
	(void)snprintf(text, sizeof(text), "http://%s:%d", host, port);
	assert_int_equal(endpoint_parse(&scene->options.endpoint, text, NULL, 0), 0);
	scene->options.log = keep_line;
	scene->options.log_arg = scene;
	return scene;
}

struct collector_scene *collector_new(void)
{
	return collector_new_on(AF_INET, "127.0.0.1");
}

void collector_begin(struct collector_scene *scene)
{
	assert_int_equal(export_init(&scene->export, &scene->env.env, &scene->options, 1), 0);
}

void collector_hang_up(struct collector_scene *scene)
{
	if (scene->socket < 0)
		return;
	close(scene->socket);
	scene->socket = -1;
	grpc_peer_fini(&scene->peer);
}

void collector_end(struct collector_scene *scene)
{
	const struct export_counters *n = &scene->export.counters;

	assert_int_equal(n->pushed, n->sent + export_waiting(&scene->export) +
					    n->rejected_partial + n->rejected_status +
					    n->dropped_too_large);
	collector_hang_up(scene);
	export_fini(&scene->export);
	test_env_fini(&scene->env);
	if (scene->listener >= 0)
		close(scene->listener);
	free(scene);
}

static void peer_accept(struct collector_scene *scene)
{
	struct grpc_peer_reply replies[GRPC_PEER_REPLIES];
	size_t n = scene->peer.replies_n;
	bool forever = scene->peer.forever;
	int fd = scene->listener < 0 ? -1 : accept4(scene->listener, NULL, NULL, SOCK_NONBLOCK);
	int one = 1;

	if (fd < 0)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	collector_hang_up(scene);
	/* A script that was written before the connection came stays. */
	memcpy(replies, scene->peer.replies, sizeof(replies));
	grpc_peer_init(&scene->peer, 0, scene->streams_max ? scene->streams_max : 100);
	memcpy(scene->peer.replies, replies, sizeof(replies));
	scene->peer.replies_n = n;
	scene->peer.forever = forever;
	scene->peer.request = scene->on_request;
	scene->peer.request_arg = scene->on_request_arg;
	scene->socket = fd;
	scene->accepted++;
}

/* Unread input or no time to linger: a reset. */
static void reset(struct collector_scene *scene)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(scene->socket, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void say(struct collector_scene *scene, struct bytes out)
{
	bool cut = scene->cut_at <= out.len;
	size_t len = cut ? scene->cut_at : out.len;

	if (len)
		assert_int_equal(send(scene->socket, out.at, len, MSG_NOSIGNAL), len);
	if (scene->cut_at != SIZE_MAX)
		scene->cut_at -= len;
	if (!cut)
		return;
	if (scene->cut_reset)
		reset(scene);
	collector_hang_up(scene);
	scene->cut_at = SIZE_MAX;
}

static void peer_serve(struct collector_scene *scene)
{
	uint8_t bytes[65536];
	struct buf out = BUF_INIT;
	ssize_t n;

	peer_accept(scene);
	if (scene->socket < 0 || scene->deaf)
		return;
	while ((n = recv(scene->socket, bytes, sizeof(bytes), 0)) > 0)
		assert_int_equal(grpc_peer_recv(&scene->peer, bytes, (size_t)n), 0);
	grpc_peer_send(&scene->peer, &out);
	say(scene, buf_bytes(&out));
	buf_fini(&out);
}

void collector_round(struct collector_scene *scene)
{
	(void)export_tick(&scene->export, scene->env.mono_ns);
	(void)scene->env.env.ops->wait(&scene->env.env, 1000000);
	peer_serve(scene);
}

void collector_rounds(struct collector_scene *scene, int n)
{
	while (n--)
		collector_round(scene);
}

int collector_push_sized(struct collector_scene *scene, size_t len)
{
	static uint8_t bytes[8 << 20];
	const struct finished_span span = {
		.number = scene->number + 1,
		.span = {bytes, len},
	};
	int r = export_push(&scene->export, &span);

	if (r == 0)
		scene->number++;
	return r;
}

void collector_push(struct collector_scene *scene, unsigned n)
{
	while (n--)
		assert_int_equal(collector_push_sized(scene, 100), 0);
}
