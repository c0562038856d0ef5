#include "receive/grpc_port.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "receive/grpc_session.h"
#include "receive/listener.h"

/* Of one wake-up: senders that talk without end must not keep the rings. */
#define READS_MAX 4
#define ACCEPTS_MAX 64
/* How long a port rests that has no descriptors for connections. */
#define REST_NS UINT64_C(100000000)
#define TICK_NS UINT64_C(50000000)

struct grpc_connection {
	struct list link; /* port->connections */
	struct grpc_port *port;
	int fd;
	uint32_t watched;
	uint64_t stall_due_ns; /* the socket takes nothing, until then; 0: it does */
	struct grpc_session session;
};

struct grpc_port {
	struct receive *stage;
	struct listener listeners[ADDRESSES_MAX];
	uint32_t listener_count;
	struct list connections;
	uint32_t connection_count;
	uint64_t rest_until_ns; /* 0: it does not rest */
	uint64_t tick_ns;
};

/* ---- connections ------------------------------------------------------------ */

static void watch(struct grpc_connection *connection, uint32_t events);

static void connection_free(struct grpc_connection *connection)
{
	struct grpc_port *port = connection->port;
	struct env *env = port->stage->env;

	watch(connection, 0);
	(void)env->ops->close(env, connection->fd);
	grpc_session_fini(&connection->session);
	list_unlink(&connection->link);
	port->connection_count--;
	port->stage->counters.connections--;
	free(connection);
}

static void note_stall(struct grpc_connection *connection, bool stalled)
{
	struct receive *stage = connection->port->stage;

	if (!stalled)
		connection->stall_due_ns = 0;
	else if (!connection->stall_due_ns)
		connection->stall_due_ns = stage->env->ops->mono_ns(stage->env) +
					   stage->options.request_timeout_ns;
}

/* Writes until the socket is full. False: the connection is gone. */
static bool write_out(struct grpc_connection *connection)
{
	struct env *env = connection->port->stage->env;
	struct bytes out = {NULL, 0};
	ssize_t n = 0;

	for (;;) {
		struct iovec iov;

		if (grpc_session_output(&connection->session, &out) < 0)
			n = -EPROTO;
		if (n < 0 || out.len == 0)
			break;
		iov = (struct iovec){(void *)out.at, out.len};
		n = env->ops->send(env, connection->fd, &iov, 1);
		if (n < 0)
			break;
		grpc_session_sent(&connection->session, (size_t)n);
	}
	if ((n < 0 && n != -EAGAIN) || grpc_session_over(&connection->session)) {
		connection_free(connection);
		return false;
	}
	note_stall(connection, n == -EAGAIN);
	watch(connection, n == -EAGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return true;
}

/* False: there is nothing more to read, ever. */
static bool read_in(struct grpc_connection *connection)
{
	struct receive *stage = connection->port->stage;
	struct env *env = stage->env;
	ssize_t n = sizeof stage->read;

	for (int i = 0; i < READS_MAX && n == (ssize_t)sizeof stage->read; i++) {
		n = env->ops->recv(env, connection->fd, stage->read, sizeof stage->read);
		if (n == -EAGAIN)
			break;
		if (n <= 0)
			return false;
		stage->counters.bytes += (uint64_t)n;
		if (grpc_session_recv(&connection->session,
				      (struct bytes){stage->read, (size_t)n},
				      env->ops->mono_ns(env)) < 0)
			break; /* write_out() says why, and ends it */
	}
	return true;
}

static void on_socket(void *arg, uint32_t events)
{
	struct grpc_connection *connection = arg;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !read_in(connection))
		connection_free(connection);
	else
		(void)write_out(connection);
}

static void watch(struct grpc_connection *connection, uint32_t events)
{
	struct env *env = connection->port->stage->env;

	if (connection->watched == events)
		return;
	/* Unwatched, its deadlines still end what is going on. */
	connection->watched =
		env->ops->watch(env, connection->fd, events, on_socket, connection) < 0
			? 0
			: events;
}

/* ---- accepting --------------------------------------------------------------- */

static int connection_new(struct grpc_port *port, int fd)
{
	struct receive *stage = port->stage;
	struct grpc_connection *connection = calloc(1, sizeof *connection);

	if (!connection)
		return -ENOMEM;
	*connection = (struct grpc_connection){.port = port, .fd = fd};
	if (grpc_session_init(&connection->session, stage,
			      stage->env->ops->mono_ns(stage->env)) < 0) {
		free(connection);
		return -ENOMEM;
	}
	list_init(&connection->link);
	list_append(&port->connections, &connection->link);
	port->connection_count++;
	stage->counters.connections++;
	stage->counters.connections_grpc++;
	(void)write_out(connection); /* our settings */
	return 0;
}

/* A listener that cannot accept would wake us without end. */
static void port_rest(struct grpc_port *port)
{
	struct env *env = port->stage->env;

	for (uint32_t i = 0; i < port->listener_count; i++)
		if (port->listeners[i].fd >= 0)
			(void)env->ops->watch(env, port->listeners[i].fd, 0, NULL, NULL);
	port->rest_until_ns = env->ops->mono_ns(env) + REST_NS;
}

static void on_listener(void *arg, uint32_t events)
{
	struct listener *listener = arg;
	struct receive *stage = listener->stage;
	struct grpc_port *port = stage->grpc;
	struct env *env = stage->env;
	int fd;

	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		fd = env->ops->accept(env, listener->fd);
		if (fd == -EAGAIN)
			return;
		if (fd < 0) {
			port_rest(port);
			return;
		}
		if (port->connection_count < stage->options.connections_max &&
		    connection_new(port, fd) == 0)
			continue;
		stage->counters.closed_limit++;
		(void)env->ops->close(env, fd);
	}
}

static void listener_watch(struct listener *listener, uint64_t now_ns)
{
	struct env *env = listener->stage->env;
	int r = 0;

	if (listener->fd >= 0)
		r = env->ops->watch(env, listener->fd, EPOLLIN, on_listener, listener);
	if (r < 0)
		listener_failed(listener, now_ns, r);
}

/* ---- interface ---------------------------------------------------------------- */

int grpc_port_new(struct grpc_port **ret_port, struct receive *stage)
{
	const struct addresses *addresses = &stage->options.grpc;
	struct grpc_port *port = calloc(1, sizeof *port);

	if (!port)
		return -ENOMEM;
	port->stage = stage;
	port->listener_count = addresses->count;
	for (uint32_t i = 0; i < addresses->count; i++)
		listener_init(&port->listeners[i], stage, &addresses->at[i]);
	list_init(&port->connections);
	*ret_port = port;
	return 0;
}

static void close_listeners(struct grpc_port *port)
{
	for (uint32_t i = 0; i < port->listener_count; i++)
		listener_close(&port->listeners[i]);
}

void grpc_port_free(struct grpc_port *port)
{
	struct list *node;

	if (!port)
		return;
	close_listeners(port);
	while ((node = list_first(&port->connections)))
		connection_free(list_entry(node, struct grpc_connection, link));
	free(port);
}

void grpc_port_flush(struct grpc_port *port)
{
	struct list *node, *next;

	if (!port)
		return;
	for (node = port->connections.next; node != &port->connections; node = next) {
		struct grpc_connection *connection =
			list_entry(node, struct grpc_connection, link);

		next = node->next;
		/* A full socket says by EPOLLOUT when it takes more. */
		if (!(connection->watched & EPOLLOUT))
			(void)write_out(connection);
	}
}

static void connection_tick(struct grpc_connection *connection, uint64_t now_ns)
{
	struct receive *stage = connection->port->stage;

	if (connection->stall_due_ns && now_ns >= connection->stall_due_ns) {
		stage->counters.closed_stalled++;
		connection_free(connection);
		return;
	}
	grpc_session_tick(&connection->session, now_ns);
	if (!(connection->watched & EPOLLOUT))
		(void)write_out(connection);
}

int grpc_port_tick(struct grpc_port *port, uint64_t now_ns)
{
	struct list *node, *next;
	int work = 0;

	if (!port || now_ns < port->tick_ns)
		return 0;
	port->tick_ns = now_ns + TICK_NS;
	for (uint32_t i = 0; i < port->listener_count; i++) {
		if (listener_tick(&port->listeners[i], now_ns)) {
			listener_watch(&port->listeners[i], now_ns);
			work++;
		}
	}
	if (port->rest_until_ns && now_ns >= port->rest_until_ns) {
		port->rest_until_ns = 0;
		for (uint32_t i = 0; i < port->listener_count; i++)
			listener_watch(&port->listeners[i], now_ns);
	}
	for (node = port->connections.next; node != &port->connections; node = next) {
		next = node->next;
		connection_tick(list_entry(node, struct grpc_connection, link), now_ns);
	}
	return work;
}

void grpc_port_stop(struct grpc_port *port)
{
	struct list *node, *next;

	if (!port)
		return;
	close_listeners(port);
	for (node = port->connections.next; node != &port->connections; node = next) {
		struct grpc_connection *connection =
			list_entry(node, struct grpc_connection, link);

		next = node->next;
		grpc_session_leave(&connection->session);
		(void)write_out(connection);
	}
}

bool grpc_port_busy(const struct grpc_port *port)
{
	return port && !list_empty(&port->connections);
}

bool grpc_port_open(const struct grpc_port *port)
{
	for (uint32_t i = 0; port && i < port->listener_count; i++)
		if (port->listeners[i].fd < 0)
			return false;
	return true;
}
