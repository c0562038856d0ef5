/* A collector in memory, on a network in memory: what the exporter reaches
 * through struct env's sockets. It has moods: honest, refusing connections,
 * silent, answering UNAVAILABLE, or closing in the middle of a frame, after it
 * has taken what it was sent.
 *
 * Of the spans it has ACCEPTED (its OK was on the way) it tells `accepted`.
 * Deterministic: nothing here asks the kernel for more than a descriptor's
 * number. Belongs to one life of a simulated agent. */
#ifndef SUPPORT_SIM_NET_H
#define SUPPORT_SIM_NET_H

#include "base/env.h"
#include "grpc_peer.h"

enum sim_mood { SIM_HONEST, SIM_REFUSING, SIM_SILENT, SIM_UNAVAILABLE, SIM_CUTTING, SIM_MOODS };

#define SIM_RESOLVES_MAX 4

struct sim_net {
	enum sim_mood mood;				   /* may change at any time */
	void (*accepted)(void *arg, struct bytes message); /* an ExportTraceServiceRequest */
	void *arg;

	int fd; /* of the one connection, -1: none */
	struct grpc_peer peer;
	struct buf out;	       /* what the agent has still to read */
	size_t out_at, cut_at; /* cut_at: where the connection ends; SIZE_MAX: not */
	uint32_t watched;
	env_watch_fn *watch_fn;
	void *watch_arg;
	struct {
		env_resolved_fn *done;
		void *arg;
	} resolves[SIM_RESOLVES_MAX];
	unsigned resolve_count;
	uint64_t connects, requests;
};

void sim_net_init(struct sim_net *net);

int sim_net_connect(struct sim_net *net);
int sim_net_connected(const struct sim_net *net, int fd);
ssize_t sim_net_recv(struct sim_net *net, int fd, void *at, size_t len);
ssize_t sim_net_send(struct sim_net *net, int fd, const struct iovec *iov, int n);
int sim_net_resolve(struct sim_net *net, env_resolved_fn *done, void *arg);
int sim_net_watch(struct sim_net *net, int fd, uint32_t events, env_watch_fn *fn, void *arg);
void sim_net_cancel(struct sim_net *net, const void *arg);
/* The descriptor is about to be closed. */
void sim_net_closing(struct sim_net *net, int fd);
/* Whether sim_net_run() has something to report; and reports it. */
bool sim_net_ready(const struct sim_net *net);
int sim_net_run(struct sim_net *net);

#endif
