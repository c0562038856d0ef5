#include "export/connection.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#define VECTORS_MAX (2 * OUT_SEGMENTS)
/* Reads of one wake-up: a peer that talks without end must not keep us. */
#define READS_MAX 16

static uint32_t random_bits(struct connection *connection)
{
	uint32_t bits = 0;

	/* Without randomness the waits only lose their spread. */
	(void)connection->env->ops->random(connection->env, &bits, sizeof(bits));
	return bits;
}

static uint64_t now(const struct connection *connection)
{
	return connection->env->ops->mono_ns(connection->env);
}

static void watch(struct connection *connection, uint32_t events);

static void descriptor_close(struct connection *connection)
{
	if (connection->fd < 0)
		return;
	watch(connection, 0);
	(void)connection->env->ops->close(connection->env, connection->fd);
	connection->fd = -1;
}

/* The localhost of many systems is ::1 first, while many collectors listen on
 * 127.0.0.1 only, and the other way round: both are tried before waiting. */
static bool try_other_loopback(struct connection *connection)
{
	if (strcmp(connection->options->endpoint.host, "localhost") != 0)
		return false;
	connection->other_loopback = !connection->other_loopback;
	return connection->other_loopback;
}

/* Nothing of this attempt is left; the next one comes by tick. */
static void attempt_failed(struct connection *connection, const char *what, const char *reason)
{
	char why[400];

	descriptor_close(connection);
	connection->state = CONNECTION_DOWN;
	if (try_other_loopback(connection)) {
		connection->retry_ns = now(connection);
		return;
	}
	connection->retry_ns =
		now(connection) + backoff_next(&connection->backoff, random_bits(connection));
	(void)snprintf(why, sizeof(why), "%s %s: %s", what,
		       connection->options->endpoint.authority, reason);
	connection->ops->changed(connection->arg, false, why);
}

static void connect_failed(struct connection *connection, int error)
{
	attempt_failed(connection, "cannot connect to", strerror(-error));
}

static void resolve_failed(struct connection *connection, int error)
{
	/* A name server's "there is none", whatever number carries it. */
	bool unknown = error == -ENOENT || error == -EHOSTUNREACH;

	attempt_failed(connection, "cannot resolve",
		       unknown ? "no such host" : strerror(-error));
}

/* An established connection ends. One that had answered is made again at once;
 * one that never did waits longer each time. */
static void connection_lost(struct connection *connection, const char *why)
{
	struct grpc_client *client = &connection->client;
	bool orderly = connection->answered && !client->calls_n;
	char text[200];

	(void)snprintf(text, sizeof(text), "%s", client->error[0] ? client->error : why);
	descriptor_close(connection);
	connection->state = CONNECTION_DOWN;
	connection->retry_ns = now(connection);
	if (!connection->answered)
		connection->retry_ns +=
			backoff_next(&connection->backoff, random_bits(connection));
	grpc_client_fail_all(client, GRPC_UNAVAILABLE, text);
	grpc_client_fini(client);
	connection->ops->changed(connection->arg, false, orderly ? "" : text);
}

static void call_done(void *arg, void *tag, const struct grpc_result *result)
{
	struct connection *connection = arg;

	if (connection->state == CONNECTION_UP && !connection->answered) {
		connection->answered = true;
		backoff_reset(&connection->backoff);
	}
	connection->ops->done(connection->arg, tag, result);
}

/* --- reading and writing -------------------------------------------------- */

/* Writes until the socket is full. False: the connection is gone. */
static bool write_out(struct connection *connection)
{
	const struct env_ops *ops = connection->env->ops;
	struct iovec iov[VECTORS_MAX];
	ssize_t n;
	int count;

	for (;;) {
		count = grpc_client_output(&connection->client, iov, VECTORS_MAX);
		if (count == 0)
			break;
		if (count < 0) {
			connection_lost(connection, "protocol error");
			return false;
		}
		n = ops->send(connection->env, connection->fd, iov, count);
		if (n == -EAGAIN)
			break;
		if (n < 0) {
			connection_lost(connection, strerror((int)-n));
			return false;
		}
		grpc_client_sent(&connection->client, (size_t)n);
	}
	watch(connection, count ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return true;
}

/* False: the connection is gone. */
static bool read_in(struct connection *connection)
{
	const struct env_ops *ops = connection->env->ops;
	ssize_t n = sizeof(connection->read);

	for (int i = 0; i < READS_MAX && n == (ssize_t)sizeof(connection->read); i++) {
		n = ops->recv(connection->env, connection->fd, connection->read,
			      sizeof(connection->read));
		if (n == -EAGAIN)
			break;
		if (n <= 0) {
			connection_lost(connection, n ? strerror((int)-n)
						      : "the peer closed the connection");
			return false;
		}
		connection->heard_ns = now(connection);
		connection->pinged = false;
		if (grpc_client_recv(&connection->client, connection->read, (size_t)n) < 0) {
			connection_lost(connection, "protocol error");
			return false;
		}
	}
	return true;
}

static void close_if_over(struct connection *connection)
{
	struct grpc_client *client = &connection->client;

	if (grpc_client_over(client) || (client->going_away && !client->calls_n))
		connection_lost(connection, "the connection is closed");
}

static void on_socket(void *arg, uint32_t events)
{
	struct connection *connection = arg;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !read_in(connection))
		return;
	if (write_out(connection))
		close_if_over(connection);
}

/* --- connecting ----------------------------------------------------------- */

static void on_connected(void *arg, uint32_t events)
{
	struct connection *connection = arg;
	int r;

	(void)events;
	r = connection->env->ops->connected(connection->env, connection->fd);
	if (r == -EINPROGRESS || r == -EAGAIN)
		return;
	if (r == 0)
		r = grpc_client_init(&connection->client, connection->options, call_done,
				     connection);
	if (r < 0) {
		connect_failed(connection, r);
		return;
	}
	connection->state = CONNECTION_UP;
	connection->answered = false;
	connection->pinged = false;
	connection->heard_ns = now(connection);
	connection->ops->changed(connection->arg, true, "");
	connection->watched = 0; /* by another function: watch anew */
	(void)write_out(connection);
}

static void watch(struct connection *connection, uint32_t events)
{
	env_watch_fn *fn = connection->state == CONNECTION_UP ? on_socket : on_connected;
	int r;

	if (connection->watched == events)
		return;
	r = connection->env->ops->watch(connection->env, connection->fd, events, fn,
					connection);
	/* Unwatched, the deadlines of tick still end what is going on. */
	connection->watched = r < 0 ? 0 : events;
}

static void on_resolved(void *arg, int result, const struct sockaddr *addr, socklen_t len)
{
	struct connection *connection = arg;
	int fd;

	if (result < 0) {
		resolve_failed(connection, result);
		return;
	}
	fd = connection->env->ops->connect(connection->env, addr, len);
	if (fd < 0) {
		connect_failed(connection, fd);
		return;
	}
	connection->fd = fd;
	connection->state = CONNECTION_CONNECTING;
	connection->watched = 0;
	watch(connection, EPOLLOUT);
}

static void attempt_begin(struct connection *connection, uint64_t now_ns)
{
	const char *host = connection->options->endpoint.host;
	int r;

	if (strcmp(host, "localhost") == 0)
		host = connection->other_loopback ? "::1" : "127.0.0.1";
	connection->state = CONNECTION_RESOLVING;
	connection->connect_due_ns = now_ns + CONNECT_TIMEOUT_NS;
	r = connection->env->ops->resolve_start(connection->env, host,
						connection->options->endpoint.port, on_resolved,
						connection);
	if (r < 0)
		resolve_failed(connection, r);
}

/* --- interface ------------------------------------------------------------ */

void connection_init(struct connection *connection, struct env *env,
		     const struct export_options *options, const struct connection_ops *ops,
		     void *arg)
{
	connection->env = env;
	connection->options = options;
	connection->ops = ops;
	connection->arg = arg;
	connection->state = CONNECTION_DOWN;
	connection->fd = -1;
	connection->watched = 0;
	connection->connect_due_ns = 0;
	connection->retry_ns = 0;
	connection->heard_ns = 0;
	connection->answered = false;
	connection->pinged = false;
	connection->ping_due_ns = 0;
	connection->wanted = false;
	connection->other_loopback = false;
	connection->backoff = BACKOFF_CONNECT;
}

void connection_fini(struct connection *connection)
{
	connection->env->ops->cancel(connection->env, connection);
	descriptor_close(connection);
	if (connection->state == CONNECTION_UP)
		grpc_client_fini(&connection->client);
	connection->state = CONNECTION_DOWN;
}

void connection_want(struct connection *connection, bool wanted)
{
	connection->wanted = wanted;
}

static int up_tick(struct connection *connection, uint64_t now_ns)
{
	if (connection->pinged && now_ns >= connection->ping_due_ns) {
		connection_lost(connection, "the peer does not answer");
		return 1;
	}
	/* A full socket says by EPOLLOUT when it takes more. */
	if (!(connection->watched & EPOLLOUT) && write_out(connection))
		close_if_over(connection);
	return 0;
}

int connection_tick(struct connection *connection, uint64_t now_ns)
{
	switch (connection->state) {
	case CONNECTION_DOWN:
		if (!connection->wanted || now_ns < connection->retry_ns)
			return 0;
		attempt_begin(connection, now_ns);
		return 1;
	case CONNECTION_RESOLVING:
	case CONNECTION_CONNECTING:
		if (now_ns < connection->connect_due_ns)
			return 0;
		connection->env->ops->cancel(connection->env, connection);
		connect_failed(connection, -ETIMEDOUT);
		return 1;
	default:
		return up_tick(connection, now_ns);
	}
}

uint64_t connection_next_due(const struct connection *connection)
{
	switch (connection->state) {
	case CONNECTION_DOWN:
		return connection->wanted ? connection->retry_ns : UINT64_MAX;
	case CONNECTION_RESOLVING:
	case CONNECTION_CONNECTING:
		return connection->connect_due_ns;
	default:
		return connection->pinged ? connection->ping_due_ns : UINT64_MAX;
	}
}

bool connection_ready(const struct connection *connection)
{
	return connection->state == CONNECTION_UP && !connection->client.going_away;
}

int connection_call(struct connection *connection, void *tag, struct bytes body,
		    uint64_t timeout_ns)
{
	if (!connection_ready(connection))
		return -EAGAIN;
	return grpc_client_call(&connection->client, tag, body, timeout_ns);
}

void connection_cancel(struct connection *connection, void *tag, uint64_t sent_ns,
		       uint64_t now_ns)
{
	if (connection->state != CONNECTION_UP)
		return;
	grpc_client_cancel(&connection->client, tag);
	if (connection->heard_ns > sent_ns || connection->pinged)
		return;
	grpc_client_ping(&connection->client);
	connection->pinged = true;
	connection->ping_due_ns = now_ns + PING_TIMEOUT_NS;
}
