#include "serve/server.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/error.h"
#include "base/http_daemon.h"

/* libmicrohttpd gives a connection up after this silence; ours is for the whole. */
#define SILENCE_S 5
#define BACKLOG 16
/* Without a descriptor for whoever calls, the call waits in the kernel: answering
 * it with a spin would help nobody. */
#define ACCEPT_RETRY_NS UINT64_C(1000000000)
/* Its work comes in pieces; the rings are not to wait for all of it. */
#define RUNS_MAX 64

struct connection {
	int fd; /* -1: free */
	uint64_t deadline_ns;
};

/* A socket we listen on. */
struct listener {
	struct server *server;
	int fd; /* -1: none */
	struct http_daemon http;
	uint16_t port; /* 0: the unix socket, where no Host is asked for */
	struct connection connections[SERVER_CONNECTIONS];
	bool listening;	       /* fd is watched, too */
	uint64_t retry_due_ns; /* 0: or not listening for want of a descriptor */
};

struct server {
	struct env *env;
	char socket_path[PATH_MAX];
	const struct server_page *pages;
	uint32_t page_count;
	void *arg;
	void (*log)(void *arg, int priority, const char *line);
	void *log_arg;
	struct listener unix_listener, port_listener;
	uint64_t socket_due_ns; /* the socket is not there: to be tried again; or 0 */
};

#define SOCKET_RETRY_NS UINT64_C(1000000000)

/* ---- answering ------------------------------------------------------------- */

static const char *const headers[][2] = {
	{"Connection", "close"},
	{"Cache-Control", "no-store"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Referrer-Policy", "no-referrer"},
};

/* The content is libmicrohttpd's from then on. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
			      const char *content_type, struct buf *content)
{
	struct MHD_Response *response = http_daemon_response(content);
	enum MHD_Result done;

	if (!response)
		return MHD_NO; /* closes the connection */
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		(void)MHD_add_response_header(response, headers[i][0], headers[i][1]);
	(void)MHD_add_response_header(response, "Content-Type", content_type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, "Allow", "GET, HEAD");
	done = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return done;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
				   const char *text)
{
	struct buf content = BUF_INIT;

	(void)buf_append_text(&content, text);
	return answer(connection, status, "text/plain; charset=utf-8", &content);
}

static enum MHD_Result answer_list(const struct server *server,
				   struct MHD_Connection *connection)
{
	struct buf content = BUF_INIT;

	(void)buf_append_text(&content, "spanringd " SPANRING_VERSION "\n\n");
	for (uint32_t i = 0; i < server->page_count; i++)
		(void)buf_printf(&content, "%-10s %s\n", server->pages[i].path,
				 server->pages[i].help);
	return answer(connection, MHD_HTTP_OK, "text/plain; charset=utf-8", &content);
}

static enum MHD_Result answer_page(const struct server *server,
				   struct MHD_Connection *connection,
				   const struct server_page *page)
{
	struct buf content = BUF_INIT;
	int status = page->write(server->arg, &content);

	if (status >= 0)
		return answer(connection, (unsigned)status, page->content_type, &content);
	buf_fini(&content);
	return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			   "the page could not be made; ask again\n");
}

/* Two Host headers mean that somebody tries to be read two ways. */
struct hosts {
	const char *host;
	unsigned count;
};

static enum MHD_Result see_header(void *arg, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	struct hosts *hosts = arg;

	(void)kind;
	if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
		hosts->host = value;
		hosts->count++;
	}
	return MHD_YES;
}

static bool host_is_ours(struct MHD_Connection *connection, uint16_t port)
{
	struct hosts hosts = {NULL, 0};

	(void)MHD_get_connection_values(connection, MHD_HEADER_KIND, see_header, &hosts);
	return hosts.count == 1 && loopback_host_is_ours(hosts.host, port);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *upload, size_t *upload_size, void **state)
{
	const struct listener *listener = arg;
	const struct server *server = listener->server;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)state;
	if (listener->port && !host_is_ours(connection, listener->port))
		return answer_text(connection, MHD_HTTP_FORBIDDEN,
				   "the Host header must be localhost, 127.0.0.1 or [::1]\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				   "this is read-only: GET or HEAD\n");
	for (uint32_t i = 0; i < server->page_count; i++)
		if (strcmp(path, server->pages[i].path) == 0)
			return answer_page(server, connection, &server->pages[i]);
	if (strcmp(path, "/") == 0)
		return answer_list(server, connection);
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "no such page; see /\n");
}

/* ---- connections ------------------------------------------------------------ */

static void say(const struct server *server, int priority, const char *what, const char *where,
		int error)
{
	char line[256];

	(void)snprintf(line, sizeof line, "%s %s: %s", what, where, strerror(-error));
	if (server->log)
		server->log(server->log_arg, priority, line);
}

static void listen_to(struct listener *listener, bool listening);

static struct connection *connection_find(struct listener *listener, int fd)
{
	for (int i = 0; i < SERVER_CONNECTIONS; i++)
		if (listener->connections[i].fd == fd)
			return &listener->connections[i];
	return NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **state,
			  enum MHD_ConnectionNotificationCode what)
{
	struct listener *listener = arg;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct env *env = listener->server->env;
	struct connection *slot;

	(void)state;
	if (!info)
		return;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		slot = connection_find(listener, -1);
		if (slot)
			*slot = (struct connection){
				info->connect_fd, env->ops->mono_ns(env) + SERVER_DEADLINE_NS};
	} else {
		slot = connection_find(listener, info->connect_fd);
		if (slot)
			slot->fd = -1;
		/* For one that waits; what wants a descriptor has its time. */
		if (!listener->retry_due_ns)
			listen_to(listener, true);
	}
}

/* To libmicrohttpd, which owns the descriptor from then on, whatever becomes of it. */
static void hand_over(struct listener *listener, int fd)
{
	struct sockaddr_storage address = {.ss_family = listener->port ? AF_INET : AF_UNIX};

	(void)MHD_add_connection(listener->http.daemon, fd, (struct sockaddr *)&address,
				 sizeof address);
}

static void out_of_descriptors(struct listener *listener, int error)
{
	const struct server *server = listener->server;

	if (!listener->retry_due_ns)
		say(server, LOG_WARNING, "who asks waits: no connection can be taken on",
		    listener->port ? "the port" : server->socket_path, error);
	listener->retry_due_ns = server->env->ops->mono_ns(server->env) + ACCEPT_RETRY_NS;
	listen_to(listener, false);
}

static void on_call(void *arg, uint32_t events)
{
	struct listener *listener = arg;
	struct env *env = listener->server->env;
	int fd;

	(void)events;
	for (int i = 0; i < SERVER_CONNECTIONS; i++) {
		if (!connection_find(listener, -1)) {
			listen_to(listener, false); /* until one ends */
			break;
		}
		fd = env->ops->accept(env, listener->fd);
		if (fd >= 0) {
			listener->retry_due_ns = 0;
			hand_over(listener, fd);
		} else if (fd == -EAGAIN) {
			listener->retry_due_ns = 0;
			break;
		} else if (error_passes(fd)) {
			out_of_descriptors(listener, fd);
			break;
		} /* else: that caller is gone, there may be others */
	}
	http_daemon_run(&listener->http);
}

static void listen_to(struct listener *listener, bool listening)
{
	struct env *env = listener->server->env;

	if (listener->listening == listening || listener->fd < 0)
		return;
	if (env->ops->watch(env, listener->fd, listening ? EPOLLIN : 0, on_call, listener) == 0)
		listener->listening = listening;
}

static void listener_tick(struct listener *listener, uint64_t now_ns)
{
	bool any = false;

	if (!listener->http.daemon)
		return;
	if (listener->retry_due_ns && now_ns >= listener->retry_due_ns)
		listen_to(listener, true);
	for (int i = 0; i < SERVER_CONNECTIONS; i++) {
		const struct connection *connection = &listener->connections[i];

		if (connection->fd < 0)
			continue;
		any = true;
		if (now_ns >= connection->deadline_ns)
			(void)shutdown(connection->fd, SHUT_RDWR);
	}
	if (any)
		http_daemon_run(&listener->http);
}

static void serve_socket_again(struct server *server, uint64_t now_ns);

void server_tick(struct server *server, uint64_t now_ns)
{
	if (!server)
		return;
	if (server->socket_due_ns && now_ns >= server->socket_due_ns)
		serve_socket_again(server, now_ns);
	listener_tick(&server->unix_listener, now_ns);
	listener_tick(&server->port_listener, now_ns);
}

/* ---- life ------------------------------------------------------------------- */

/* An earlier life's socket, or what somebody planted under its name; a directory
 * is not ours to empty, so it goes out of the way. */
static void clear_name(const char *path)
{
	char aside[PATH_MAX];

	if (unlink(path) == 0 || errno != EISDIR)
		return;
	(void)snprintf(aside, sizeof aside, "%s.planted-%ld", path, (long)getpid());
	(void)rename(path, aside); /* bind() says if it is still there */
}

static int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	(void)strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	clear_name(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
	    chmod(path, 0660) < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* Starts libmicrohttpd, which gets the connections of this socket. */
static int listener_start(struct listener *listener, int fd)
{
	struct env *env = listener->server->env;
	int r;

	listener->fd = fd;
	r = http_daemon_watch(
		&listener->http,
		MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
				 on_request, listener, MHD_OPTION_CONNECTION_LIMIT,
				 (unsigned)SERVER_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
				 (unsigned)SILENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				 (size_t)SERVER_HEAD_BYTES, MHD_OPTION_NOTIFY_CONNECTION,
				 on_connection, listener, MHD_OPTION_END));
	if (r == 0) {
		r = env->ops->watch(env, listener->fd, EPOLLIN, on_call, listener);
		listener->listening = r == 0;
	}
	return r;
}

static void listener_stop(struct listener *listener)
{
	listen_to(listener, false);
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
	listener->listening = false;
	listener->retry_due_ns = 0;
	/* Its connections end, which must not open our ears again. */
	http_daemon_stop(&listener->http);
}

static void listener_init(struct listener *listener, struct server *server, uint16_t port)
{
	*listener = (struct listener){.server = server, .fd = -1, .port = port};
	http_daemon_init(&listener->http, server->env, RUNS_MAX);
	for (int i = 0; i < SERVER_CONNECTIONS; i++)
		listener->connections[i].fd = -1;
}

static int listen_in_directory(struct server *server)
{
	int r = listen_unix(server->socket_path);

	if (r >= 0)
		r = listener_start(&server->unix_listener, r);
	if (r < 0)
		listener_stop(&server->unix_listener);
	return r;
}

/* Said once: memory and descriptors come back, and so may the directory. */
static void serve_socket(struct server *server)
{
	int r = listen_in_directory(server);

	server->socket_due_ns = 0;
	if (r == 0)
		return;
	server->socket_due_ns = server->env->ops->mono_ns(server->env) + SOCKET_RETRY_NS;
	say(server, LOG_WARNING, "cannot serve, trying again, on", server->socket_path, r);
}

static void serve_socket_again(struct server *server, uint64_t now_ns)
{
	int r = listen_in_directory(server);

	server->socket_due_ns = r < 0 ? now_ns + SOCKET_RETRY_NS : 0;
	if (r == 0 && server->log)
		server->log(server->log_arg, LOG_NOTICE, "the socket is served now");
}

void server_follow(struct server *server)
{
	if (!server)
		return;
	listener_stop(&server->unix_listener);
	serve_socket(server);
}

int server_new(struct server **ret_server, struct env *env,
	       const struct server_options *options)
{
	struct server *server = calloc(1, sizeof *server);
	char port[16];
	int r;

	if (!server)
		return -ENOMEM;
	server->env = env;
	server->pages = options->pages;
	server->page_count = options->page_count;
	server->arg = options->arg;
	server->log = options->log;
	server->log_arg = options->log_arg;
	listener_init(&server->unix_listener, server, 0);
	listener_init(&server->port_listener, server,
		      options->loopback ? options->loopback->port : 0);
	(void)snprintf(server->socket_path, sizeof server->socket_path, "%s",
		       options->socket_path);
	serve_socket(server);
	if (options->loopback) {
		r = env->ops->listen(env, &options->loopback->address.any,
				     options->loopback->len);
		if (r >= 0)
			r = listener_start(&server->port_listener, r);
		if (r < 0) {
			listener_stop(&server->port_listener);
			(void)snprintf(port, sizeof port, "port %u", options->loopback->port);
			say(server, LOG_ERR, "cannot serve on", port, r);
		}
	}
	*ret_server = server;
	return 0;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	if (server->unix_listener.http.daemon)
		(void)unlink(server->socket_path);
	listener_stop(&server->unix_listener);
	listener_stop(&server->port_listener);
	free(server);
}
