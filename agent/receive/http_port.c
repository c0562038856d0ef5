#include "receive/http_port.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/http_daemon.h"
#include "receive/http_request.h"
#include "receive/listener.h"

/* libmicrohttpd's memory of a connection besides its headers: what of a body is read
 * at a time. */
#define PIECE_BYTES (32u << 10)
/* Its work comes in pieces; the rings are not to wait for all of it. */
#define RUNS_MAX 8
#define TICK_NS UINT64_C(50000000)

/* A connection, for its deadline: of the request under way, or of the silence. */
struct http_connection {
	struct list link; /* the server's */
	struct http_server *server;
	int fd;
	bool busy;
	uint64_t deadline_ns;
};

/* One address and the daemon that serves it. */
struct http_server {
	struct http_port *port;
	struct listener listener;
	struct http_daemon http;
	struct list connections;
};

struct http_port {
	struct receive *stage;
	struct http_server servers[ADDRESSES_MAX];
	uint32_t server_count;
	struct list requests;
	bool resumed; /* a suspended request was answered */
	uint64_t tick_ns;
};

/* ---- requests ------------------------------------------------------------------- */

static uint64_t now(const struct http_port *port)
{
	return port->stage->env->ops->mono_ns(port->stage->env);
}

static struct http_connection *connection_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void connection_busy(struct MHD_Connection *connection, struct http_port *port,
			    bool busy)
{
	const struct receive_options *options = &port->stage->options;
	struct http_connection *of = connection_of(connection);

	if (!of)
		return;
	of->busy = busy;
	of->deadline_ns =
		now(port) + (busy ? options->request_timeout_ns : options->idle_timeout_ns);
}

/* The time of a request is its sender's, not that of our disk. */
static void connection_waits(struct MHD_Connection *connection)
{
	struct http_connection *of = connection_of(connection);

	if (of)
		of->deadline_ns = UINT64_MAX;
}

static enum MHD_Result request_begin(struct http_server *server,
				     struct MHD_Connection *connection, const char *path,
				     const char *method, void **state)
{
	struct http_port *port = server->port;
	struct http_request *request;

	connection_busy(connection, port, true);
	if (http_request_new(&request, port->stage, connection, path, method, &port->resumed) <
	    0)
		return MHD_NO;
	list_append(&port->requests, &request->link);
	*state = request;
	/* Who waits for our word sends no body in vain. */
	return request->answered && request->expects ? http_request_answer(request) : MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *upload, size_t *upload_size, void **state)
{
	struct http_request *request = *state;
	struct http_server *server = arg;

	(void)version;
	if (!request)
		return request_begin(arg, connection, path, method, state);
	if (*upload_size > 0) {
		if (!http_request_push(request,
				       (struct bytes){(const uint8_t *)upload, *upload_size}))
			return MHD_NO;
		*upload_size = 0;
		return MHD_YES;
	}
	if (!request->whole)
		http_request_end(request);
	if (request->suspended) {
		connection_waits(connection);
		return MHD_YES;
	}
	connection_busy(connection, server->port, true); /* to take the answer */
	return http_request_answer(request);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct http_server *server = arg;

	(void)code;
	if (!*state)
		return;
	http_request_free(*state);
	*state = NULL;
	connection_busy(connection, server->port, false);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **state,
			  enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_server *server = arg;
	struct receive *stage = server->port->stage;
	struct http_connection *of = *state;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		/* Without memory for it only libmicrohttpd's own timeout holds. */
		of = calloc(1, sizeof *of);
		if (!of || !info) {
			free(of);
			return;
		}
		*of = (struct http_connection){
			.server = server,
			.fd = info->connect_fd,
			.deadline_ns = now(server->port) + stage->options.request_timeout_ns};
		list_init(&of->link);
		list_append(&server->connections, &of->link);
		stage->counters.connections++;
		stage->counters.connections_http++;
		*state = of;
	} else if (of) {
		list_unlink(&of->link);
		stage->counters.connections--;
		free(of);
		*state = NULL;
	}
}

/* ---- the daemon ------------------------------------------------------------------ */

/* The socket is the daemon's from then on. */
static int daemon_start(struct http_server *server)
{
	const struct receive_options *options = &server->port->stage->options;

	return http_daemon_watch(
		&server->http,
		MHD_start_daemon(
			MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
			server, MHD_OPTION_LISTEN_SOCKET, server->listener.fd,
			MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->connections_max,
			MHD_OPTION_CONNECTION_TIMEOUT,
			(unsigned)(options->idle_timeout_ns / 1000000000 + 1),
			MHD_OPTION_CONNECTION_MEMORY_LIMIT,
			(size_t)(options->header_bytes_max + PIECE_BYTES),
			MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
			MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END));
}

static void daemon_stop(struct http_server *server)
{
	if (!server->http.daemon)
		return;
	http_daemon_stop(&server->http);
	listener_forget(&server->listener);
}

static int server_tick(struct http_server *server, uint64_t now_ns)
{
	int r;

	if (!listener_tick(&server->listener, now_ns))
		return 0;
	r = daemon_start(server);
	if (r == 0)
		return 1;
	daemon_stop(server);
	listener_failed(&server->listener, now_ns, r);
	return 0;
}

/* ---- interface ------------------------------------------------------------------- */

int http_port_new(struct http_port **ret_port, struct receive *stage)
{
	const struct addresses *addresses = &stage->options.http;
	struct http_port *port = calloc(1, sizeof *port);

	if (!port)
		return -ENOMEM;
	port->stage = stage;
	port->server_count = addresses->count;
	list_init(&port->requests);
	for (uint32_t i = 0; i < addresses->count; i++) {
		struct http_server *server = &port->servers[i];

		*server = (struct http_server){.port = port};
		http_daemon_init(&server->http, stage->env, RUNS_MAX);
		listener_init(&server->listener, stage, &stage->options.http.at[i]);
		list_init(&server->connections);
	}
	*ret_port = port;
	return 0;
}

/* libmicrohttpd does not stop while something is suspended. */
static void answer_all(struct http_port *port)
{
	struct list *node;

	for (node = port->requests.next; node != &port->requests; node = node->next) {
		struct http_request *request = list_entry(node, struct http_request, link);

		if (!request->suspended)
			continue;
		stage_forget(port->stage, &request->call);
		port->stage->counters.refused_stopping++;
		answer_fill(&request->call.answer, ANSWER_UNAVAILABLE, true,
			    "the agent is stopping");
		request->call.say(&request->call);
	}
	http_port_flush(port);
}

void http_port_free(struct http_port *port)
{
	if (!port)
		return;
	answer_all(port);
	for (uint32_t i = 0; i < port->server_count; i++)
		daemon_stop(&port->servers[i]);
	free(port);
}

void http_port_flush(struct http_port *port)
{
	if (!port || !port->resumed)
		return;
	port->resumed = false;
	for (uint32_t i = 0; i < port->server_count; i++)
		http_daemon_run(&port->servers[i].http);
}

static void count_late(struct receive *stage, const struct http_connection *connection)
{
	if (connection->busy)
		stage->counters.refused_late++;
	else
		stage->counters.closed_idle++;
}

/* Whoever dawdles only loses its own connection. */
static void end_late(struct http_server *server, uint64_t now_ns)
{
	struct receive *stage = server->port->stage;

	for (struct list *node = server->connections.next; node != &server->connections;
	     node = node->next) {
		struct http_connection *connection =
			list_entry(node, struct http_connection, link);

		if (now_ns < connection->deadline_ns)
			continue;
		connection->deadline_ns = UINT64_MAX;
		count_late(stage, connection);
		(void)shutdown(connection->fd, SHUT_RDWR);
	}
}

int http_port_tick(struct http_port *port, uint64_t now_ns)
{
	int work = 0;

	if (!port)
		return 0;
	for (uint32_t i = 0; i < port->server_count; i++) {
		if (!port->servers[i].http.unfinished)
			continue;
		http_daemon_run(&port->servers[i].http);
		work++;
	}
	if (now_ns < port->tick_ns)
		return work;
	port->tick_ns = now_ns + TICK_NS;
	for (uint32_t i = 0; i < port->server_count; i++) {
		struct http_server *server = &port->servers[i];

		work += server_tick(server, now_ns);
		end_late(server, now_ns);
		/* At its limit libmicrohttpd stops to listen, and only looks
		 * whether it may again when it is run. */
		http_daemon_run(&server->http);
	}
	return work;
}

void http_port_stop(struct http_port *port)
{
	struct env *env;
	int fd;

	if (!port)
		return;
	env = port->stage->env;
	for (uint32_t i = 0; i < port->server_count; i++) {
		struct http_server *server = &port->servers[i];

		if (!server->http.daemon)
			continue;
		fd = MHD_quiesce_daemon(server->http.daemon);
		listener_forget(&server->listener);
		if (fd >= 0)
			(void)env->ops->close(env, fd);
	}
}

bool http_port_busy(const struct http_port *port)
{
	return port && !list_empty(&port->requests);
}

bool http_port_open(const struct http_port *port)
{
	for (uint32_t i = 0; port && i < port->server_count; i++)
		if (!port->servers[i].http.daemon)
			return false;
	return true;
}
