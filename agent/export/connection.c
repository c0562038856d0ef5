#include "export/connection.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/un.h>

#define VECTORS_MAX (2 * OUT_SEGMENTS)
/* Reads of one wake-up: a peer that talks without end must not keep us. */
#define READS_MAX 16
/* Of encrypted bytes that wait for the socket. */
#define ENCRYPTED_BYTES_MAX ((size_t)64 << 10)

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
	if (connection->secure)
		tls_fini(&connection->tls);
	connection->secure = false;
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
	connection->address++;
	connection->retry_ns =
		now(connection) + backoff_next(&connection->backoff, random_bits(connection));
	(void)snprintf(why, sizeof(why), "%s %s: %s", what,
		       connection->options->endpoint.authority, reason);
	connection->ops->changed(connection->arg, false, why);
}

static void securing_failed(struct connection *connection, const char *why)
{
	attempt_failed(connection, "no TLS with", why);
}

/* Nobody is there, at none of the addresses. */
static void no_address_left(struct connection *connection, int error)
{
	if (try_other_loopback(connection)) {
		connection->state = CONNECTION_DOWN;
		connection->retry_ns = now(connection);
		return;
	}
	attempt_failed(connection, "cannot connect to", strerror(-error));
}

static void next_address(struct connection *connection)
{
	connection->tried++;
	connection->address++;
}

static void connect_somewhere(struct connection *connection, int error);

static void connect_failed(struct connection *connection, int error)
{
	descriptor_close(connection);
	next_address(connection);
	connect_somewhere(connection, error);
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
	connection->address += !connection->answered;
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

/* False, so that callers can say it as their own result. */
static bool fail(struct connection *connection, const char *why)
{
	char text[TLS_ERROR_BYTES];

	/* It may stand in what is freed now. */
	(void)snprintf(text, sizeof(text), "%s", why);
	if (connection->state == CONNECTION_UP)
		connection_lost(connection, text);
	else
		securing_failed(connection, text);
	return false;
}

/* Encrypts what the protocol wants sent, but not far ahead of the socket. */
static int encrypt(struct connection *connection)
{
	struct iovec iov[VECTORS_MAX];
	int count = 1, r = 0;

	while (connection->state == CONNECTION_UP && count > 0 && r == 0 &&
	       connection->tls.output.len < ENCRYPTED_BYTES_MAX) {
		size_t len = 0;

		count = grpc_client_output(&connection->client, iov, VECTORS_MAX);
		for (int i = 0; i < count && r == 0; i++) {
			r = tls_write(&connection->tls, iov[i].iov_base, iov[i].iov_len);
			len += iov[i].iov_len;
		}
		if (count > 0)
			grpc_client_sent(&connection->client, len);
	}
	return r < 0 ? r : count < 0 ? count : 0;
}

/* As grpc_client_output(), for the socket. */
static int output(struct connection *connection, struct iovec *iov, int max)
{
	struct buf *encrypted = &connection->tls.output;
	int r;

	if (!connection->secure)
		return grpc_client_output(&connection->client, iov, max);
	r = encrypt(connection);
	if (r < 0)
		return r;
	iov[0] = (struct iovec){encrypted->at, encrypted->len};
	return encrypted->len > 0;
}

static void sent(struct connection *connection, size_t len)
{
	if (connection->secure)
		buf_consume(&connection->tls.output, len);
	else
		grpc_client_sent(&connection->client, len);
}

static const char *what_went_wrong(const struct connection *connection)
{
	return connection->secure && connection->tls.error[0] ? connection->tls.error
							      : "protocol error";
}

/* Writes until the socket is full. False: the connection is gone. */
static bool write_out(struct connection *connection)
{
	const struct env_ops *ops = connection->env->ops;
	struct iovec iov[VECTORS_MAX];
	ssize_t n;
	int count;

	for (;;) {
		count = output(connection, iov, VECTORS_MAX);
		if (count == 0)
			break;
		if (count < 0)
			return fail(connection, what_went_wrong(connection));
		n = ops->send(connection->env, connection->fd, iov, count);
		if (n == -EAGAIN)
			break;
		if (n < 0)
			return fail(connection, strerror((int)-n));
		sent(connection, (size_t)n);
	}
	watch(connection, count ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return true;
}

static bool came_up(struct connection *connection);

/* Goes on with TLS. False: the connection is gone. */
static bool agree(struct connection *connection)
{
	int r = tls_agree(&connection->tls);

	if (r < 0) {
		struct iovec alert = {connection->tls.output.at, connection->tls.output.len};

		/* So that the peer's log says it too; it may not listen. */
		if (alert.iov_len > 0)
			(void)connection->env->ops->send(connection->env, connection->fd,
							 &alert, 1);
		return fail(connection, connection->tls.error);
	}
	return r == 0 || came_up(connection);
}

/* What came is in `read`, which is used again for what it says. */
static bool decrypt(struct connection *connection, size_t len)
{
	ssize_t n;

	if (tls_received(&connection->tls, connection->read, len) < 0)
		return fail(connection, connection->tls.error);
	if (!connection->tls.agreed && !agree(connection))
		return false;
	while (connection->tls.agreed) {
		n = tls_read(&connection->tls, connection->read, sizeof(connection->read));
		if (n == 0)
			break;
		if (n == -ECONNRESET)
			return fail(connection, "the peer closed the connection");
		if (n < 0)
			return fail(connection, connection->tls.error);
		if (grpc_client_recv(&connection->client, connection->read, (size_t)n) < 0)
			return fail(connection, "protocol error");
	}
	return true;
}

static bool take(struct connection *connection, size_t len)
{
	if (connection->secure)
		return decrypt(connection, len);
	if (grpc_client_recv(&connection->client, connection->read, len) < 0)
		return fail(connection, "protocol error");
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
		if (n <= 0)
			return fail(connection,
				    n ? strerror((int)-n) : "the peer closed the connection");
		connection->heard_ns = now(connection);
		connection->pinged = false;
		if (!take(connection, (size_t)n))
			return false;
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
	if (write_out(connection) && connection->state == CONNECTION_UP)
		close_if_over(connection);
}

/* --- connecting ----------------------------------------------------------- */

/* False: it did not. */
static bool came_up(struct connection *connection)
{
	int r = grpc_client_init(&connection->client, connection->options, call_done,
				 connection);

	if (r < 0) {
		attempt_failed(connection, "cannot connect to", strerror(-r));
		return false;
	}
	connection->state = CONNECTION_UP;
	connection->answered = false;
	connection->pinged = false;
	connection->ping_next_ns = 0;
	connection->heard_ns = now(connection);
	connection->ops->changed(connection->arg, true, "");
	return true;
}

/* The first words are ours. */
static bool begin_tls(struct connection *connection)
{
	const struct export_options *options = connection->options;

	connection->state = CONNECTION_SECURING;
	connection->connect_due_ns = now(connection) + CONNECT_TIMEOUT_NS;
	if (tls_init(&connection->tls, &options->tls, options->endpoint.host) < 0)
		return fail(connection, connection->tls.error);
	connection->secure = true;
	return agree(connection);
}

static void on_connected(void *arg, uint32_t events)
{
	struct connection *connection = arg;
	int r;

	(void)events;
	r = connection->env->ops->connected(connection->env, connection->fd);
	if (r == -EINPROGRESS || r == -EAGAIN)
		return;
	if (r < 0) {
		connect_failed(connection, r);
		return;
	}
	if (export_options_secure(connection->options) ? !begin_tls(connection)
						       : !came_up(connection))
		return;
	connection->watched = 0; /* by another function: watch anew */
	(void)write_out(connection);
}

static void watch(struct connection *connection, uint32_t events)
{
	env_watch_fn *fn =
		connection->state == CONNECTION_CONNECTING ? on_connected : on_socket;
	int r;

	if (connection->watched == events)
		return;
	r = connection->env->ops->watch(connection->env, connection->fd, events, fn,
					connection);
	/* Unwatched, the deadlines of tick still end what is going on. */
	connection->watched = r < 0 ? 0 : events;
}

/* The last address has all the time: nobody waits for it. */
static void connect_begun(struct connection *connection, int fd)
{
	bool last = connection->tried + 1 >= connection->address_count;

	connection->fd = fd;
	connection->state = CONNECTION_CONNECTING;
	connection->connect_due_ns =
		now(connection) + (last ? CONNECT_TIMEOUT_NS : CONNECT_ADDRESS_TIMEOUT_NS);
	connection->watched = 0;
	watch(connection, EPOLLOUT);
}

/* At the next of the addresses that were not tried yet; `error` is that of the last. */
static void connect_somewhere(struct connection *connection, int error)
{
	const struct env_address *address;
	int fd;

	for (; connection->tried < connection->address_count; next_address(connection)) {
		address =
			&connection->addresses[connection->address % connection->address_count];
		fd = connection->env->ops->connect(
			connection->env, (const struct sockaddr *)&address->at, address->len);
		if (fd >= 0) {
			connect_begun(connection, fd);
			return;
		}
		error = fd;
	}
	no_address_left(connection, error);
}

static void on_resolved(void *arg, int result, const struct env_address *addresses)
{
	struct connection *connection = arg;

	if (result < 0) {
		resolve_failed(connection, result);
		return;
	}
	memcpy(connection->addresses, addresses, (size_t)result * sizeof *addresses);
	connection->address_count = (unsigned)result;
	connect_somewhere(connection, -ENOENT);
}

static void connect_socket(struct connection *connection)
{
	const char *path = connection->options->endpoint.host;
	struct sockaddr_un socket = {.sun_family = AF_UNIX};
	struct env_address address = {.len = sizeof(socket)};

	/* endpoint_parse() saw to it that it fits. */
	memcpy(socket.sun_path, path, strnlen(path, sizeof(socket.sun_path) - 1));
	memcpy(&address.at, &socket, sizeof(socket));
	on_resolved(connection, 1, &address);
}

static void attempt_begin(struct connection *connection, uint64_t now_ns)
{
	const char *host = connection->options->endpoint.host;
	int r;

	connection->address_count = 0;
	connection->tried = 0;
	if (connection->options->endpoint.scheme == ENDPOINT_UNIX) {
		connect_socket(connection);
		return;
	}
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
	connection->ping_next_ns = 0;
	connection->wanted = false;
	connection->other_loopback = false;
	connection->address_count = 0;
	connection->tried = 0;
	connection->address = 0;
	connection->backoff = BACKOFF_CONNECT;
	connection->secure = false;
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
	case CONNECTION_SECURING:
		if (now_ns < connection->connect_due_ns)
			return 0;
		securing_failed(connection, "it does not answer");
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

uint64_t connection_next_due(const struct connection *connection, bool wanted)
{
	switch (connection->state) {
	case CONNECTION_DOWN:
		return wanted ? connection->retry_ns : UINT64_MAX;
	case CONNECTION_RESOLVING:
	case CONNECTION_CONNECTING:
	case CONNECTION_SECURING:
		return connection->connect_due_ns;
	default:
		return connection->pinged ? connection->ping_due_ns : UINT64_MAX;
	}
}

bool connection_ready(const struct connection *connection)
{
	return connection->state == CONNECTION_UP && !connection->client.going_away;
}

int connection_call(struct connection *connection, void *tag,
		    const struct transport_request *request)
{
	if (!connection_ready(connection))
		return -EAGAIN;
	return grpc_client_call(&connection->client, tag, request);
}

void connection_cancel(struct connection *connection, void *tag, uint64_t sent_ns,
		       uint64_t now_ns)
{
	if (connection->state != CONNECTION_UP)
		return;
	grpc_client_cancel(&connection->client, tag);
	if (connection->heard_ns > sent_ns || connection->pinged ||
	    now_ns < connection->ping_next_ns)
		return;
	connection->ping_next_ns = now_ns + PING_INTERVAL_NS;
	grpc_client_ping(&connection->client);
	connection->pinged = true;
	connection->ping_due_ns = now_ns + PING_TIMEOUT_NS;
}
