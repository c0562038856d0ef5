#include "sim_net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/grpc_frame.h"

static const struct grpc_peer_reply unavailable = {
	.headers = {":status", "200", "content-type", "application/grpc", "grpc-status", "14"},
	.trailers_only = true,
};

static const struct grpc_peer_reply silence = {.silent = true};

static void on_request(void *arg, struct bytes body, struct grpc_peer_reply *reply)
{
	struct sim_net *net = arg;

	net->requests++;
	if (net->mood == SIM_UNAVAILABLE)
		*reply = unavailable;
	if (net->mood == SIM_SILENT)
		*reply = silence;
	if (net->mood == SIM_CUTTING)
		net->cut_at = 3; /* in the middle of a frame's head */
	/* Who refuses connections still serves the one it has. */
	if (net->mood != SIM_UNAVAILABLE && net->mood != SIM_SILENT &&
	    body.len >= GRPC_FRAME_BYTES && net->accepted)
		net->accepted(net->arg, (struct bytes){body.at + GRPC_FRAME_BYTES,
						       body.len - GRPC_FRAME_BYTES});
}

void sim_net_init(struct sim_net *net)
{
	*net = (struct sim_net){.fd = -1, .cut_at = SIZE_MAX};
}

int sim_net_connect(struct sim_net *net)
{
	net->connects++;
	if (net->mood == SIM_REFUSING)
		return -ECONNREFUSED;
	if (net->fd >= 0)
		return -EMFILE;
	net->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (net->fd < 0)
		return -errno;
	grpc_peer_init(&net->peer, 0, 100);
	net->peer.request = on_request;
	net->peer.request_arg = net;
	net->out = (struct buf)BUF_INIT;
	net->out_at = 0;
	net->cut_at = SIZE_MAX;
	net->watched = 0;
	return net->fd;
}

int sim_net_connected(const struct sim_net *net, int fd)
{
	return fd == net->fd ? 0 : -ENOTCONN;
}

void sim_net_closing(struct sim_net *net, int fd)
{
	if (fd != net->fd || fd < 0)
		return;
	grpc_peer_fini(&net->peer);
	buf_fini(&net->out);
	net->fd = -1;
}

static size_t readable(const struct sim_net *net)
{
	size_t end = net->out.len < net->cut_at ? net->out.len : net->cut_at;

	return end > net->out_at ? end - net->out_at : 0;
}

static bool is_cut(const struct sim_net *net)
{
	return net->cut_at != SIZE_MAX && net->out.len >= net->cut_at;
}

ssize_t sim_net_recv(struct sim_net *net, int fd, void *at, size_t len)
{
	size_t n = readable(net);

	if (fd != net->fd)
		return -ENOTCONN;
	if (n == 0)
		return is_cut(net) ? 0 : -EAGAIN;
	if (n > len)
		n = len;
	memcpy(at, net->out.at + net->out_at, n);
	net->out_at += n;
	return (ssize_t)n;
}

ssize_t sim_net_send(struct sim_net *net, int fd, const struct iovec *iov, int n)
{
	ssize_t sent = 0;

	if (fd != net->fd)
		return -ENOTCONN;
	if (is_cut(net))
		return -EPIPE;
	for (int i = 0; i < n; i++) {
		size_t before = net->out.len;
		bool cutting = net->cut_at != SIZE_MAX;

		if (grpc_peer_recv(&net->peer, iov[i].iov_base, iov[i].iov_len) < 0)
			return -ECONNRESET;
		grpc_peer_send(&net->peer, &net->out);
		/* The request just answered says where, from here on. */
		if (!cutting && net->cut_at != SIZE_MAX)
			net->cut_at += before;
		sent += (ssize_t)iov[i].iov_len;
	}
	return sent;
}

int sim_net_resolve(struct sim_net *net, env_resolved_fn *done, void *arg)
{
	if (net->resolve_count == SIM_RESOLVES_MAX)
		return -EAGAIN;
	net->resolves[net->resolve_count].done = done;
	net->resolves[net->resolve_count++].arg = arg;
	return 0;
}

int sim_net_watch(struct sim_net *net, int fd, uint32_t events, env_watch_fn *fn, void *arg)
{
	if (fd != net->fd || fd < 0)
		return -EPERM; /* rings' pidfds: the locks are asked instead */
	net->watched = events;
	net->watch_fn = fn;
	net->watch_arg = arg;
	return 0;
}

void sim_net_cancel(struct sim_net *net, const void *arg)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < net->resolve_count; i++)
		if (net->resolves[i].arg != arg)
			net->resolves[kept++] = net->resolves[i];
	net->resolve_count = kept;
}

static uint32_t events(const struct sim_net *net)
{
	uint32_t now = EPOLLOUT;

	if (net->fd < 0)
		return 0;
	if (readable(net) > 0 || is_cut(net))
		now |= EPOLLIN;
	return now & net->watched;
}

bool sim_net_ready(const struct sim_net *net)
{
	return net->resolve_count > 0 || events(net) != 0;
}

int sim_net_run(struct sim_net *net)
{
	const struct sockaddr_in loopback = {
		.sin_family = AF_INET,
		.sin_port = htons(4317),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct env_address address = {.len = sizeof loopback};
	uint32_t now = events(net);
	int done = 0;

	if (now) {
		net->watch_fn(net->watch_arg, now);
		done++;
	}
	/* One at a time: it may be cancelled by what the others lead to. */
	if (net->resolve_count > 0) {
		env_resolved_fn *fn = net->resolves[0].done;
		void *arg = net->resolves[0].arg;

		net->resolve_count--;
		memmove(net->resolves, net->resolves + 1,
			net->resolve_count * sizeof net->resolves[0]);
		memcpy(&address.at, &loopback, sizeof loopback);
		fn(arg, 1, &address);
		done++;
	}
	return done;
}
