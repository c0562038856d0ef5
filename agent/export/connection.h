/* The one connection to a collector: resolving, connecting, reading, writing,
 * and coming back after it was lost. The only file of the exporter that owns a
 * descriptor; everything goes through `struct env`.
 *
 * One owner, one thread. It connects when somebody wants to send and not
 * before. The name is resolved anew for each attempt, which tries all its addresses
 * until one takes the connection; the next attempt begins with that one. */
#ifndef EXPORT_CONNECTION_H
#define EXPORT_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"
#include "export/grpc_client.h"
#include "export/retry.h"

#define CONNECT_TIMEOUT_NS 20000000000u
/* Of an address, while its name has others: a second SYN has gone out by then. */
#define CONNECT_ADDRESS_TIMEOUT_NS 2000000000u
#define PING_TIMEOUT_NS 20000000000u
/* Rule 26: a server counts what comes more often than every five minutes, and
 * closes with too_many_pings. */
#define PING_INTERVAL_NS UINT64_C(310000000000)
#define CONNECTION_READ_BYTES 16384

enum connection_state {
	CONNECTION_DOWN,
	CONNECTION_RESOLVING,
	CONNECTION_CONNECTING,
	CONNECTION_SECURING, /* TLS is being agreed on */
	CONNECTION_UP,
};

struct connection_ops {
	/* A call is over; may be called from connection_tick() and from
	 * env->wait(). */
	grpc_done_fn *done;
	/* The connection came up, could not be made, or was lost; `why` is ""
	 * when it came up and when an idle connection ended in good order. */
	void (*changed)(void *arg, bool up, const char *why);
};

struct connection {
	struct env *env;
	const struct export_options *options;
	const struct connection_ops *ops;
	void *arg;

	enum connection_state state;
	int fd;
	uint32_t watched;	 /* events */
	uint64_t connect_due_ns; /* give up this attempt */
	uint64_t retry_ns;	 /* not before */
	uint64_t heard_ns;	 /* last bytes from the peer */
	bool answered;		 /* the peer has finished a call */
	bool pinged;		 /* and nothing heard since */
	uint64_t ping_due_ns;	 /* give up waiting for that */
	uint64_t ping_next_ns;	 /* the peer is not asked again before */
	bool wanted;		 /* somebody has something to send */
	/* Of its name, in this attempt. */
	struct env_address addresses[ENV_ADDRESSES_MAX];
	unsigned address_count;
	unsigned tried;	     /* of them */
	unsigned address;    /* the one to try, counted round */
	bool other_loopback; /* the next attempt at localhost tries ::1 */
	struct backoff backoff;
	bool secure;		   /* `tls` is in use */
	struct tls tls;		   /* from CONNECTION_SECURING on */
	struct grpc_client client; /* while CONNECTION_UP */
	uint8_t read[CONNECTION_READ_BYTES];
};

void connection_init(struct connection *connection, struct env *env,
		     const struct export_options *options, const struct connection_ops *ops,
		     void *arg);
void connection_fini(struct connection *connection);

/* Whether to be connected. False does not close what is open. */
void connection_want(struct connection *connection, bool wanted);

/* Begins attempts, gives up overdue ones, closes what is over, writes. */
int connection_tick(struct connection *connection, uint64_t now_ns);
uint64_t connection_next_due(const struct connection *connection, bool wanted);

/* A call may be begun now. */
bool connection_ready(const struct connection *connection);

/* As grpc_client_call(); the bytes leave with the next tick or wait(). */
int connection_call(struct connection *connection, void *tag,
		    const struct transport_request *request);
/* Forgets a call that got no answer in time. A peer that has been silent since
 * `sent_ns` is asked for a sign of life by one PING, and loses the connection
 * with all its calls when it gives none within PING_TIMEOUT_NS; in between, what is
 * sent and not acknowledged ends the connection (TCP_USER_TIMEOUT). */
void connection_cancel(struct connection *connection, void *tag, uint64_t sent_ns,
		       uint64_t now_ns);

#endif
