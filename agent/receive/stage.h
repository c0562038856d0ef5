/* The inside of the receiver: what its files share. */
#ifndef RECEIVE_STAGE_H
#define RECEIVE_STAGE_H

#include "receive/body.h"
#include "receive/call.h"
#include "receive/receive.h"
#include "receive/recent.h"

#define RECEIVE_READ_BYTES (64u << 10)

struct grpc_port;
struct http_port;

struct receive {
	struct env *env;
	struct receive_options options;
	struct receive_ops ops;
	struct receive_counters counters;
	struct body_memory memory;
	struct list waiting; /* calls, by sequence */
	struct recent recent;
	struct buf scratch; /* of repaired requests */
	struct grpc_port *grpc;
	struct http_port *http;
	bool stopping;
	bool loop_said, strings_said; /* in the log, once */
	uint8_t read[RECEIVE_READ_BYTES];
};

/* The inside without its ports, for tests that speak for the sockets.
 * -ENOMEM. */
int stage_init(struct receive *stage, struct env *env, const struct receive_options *options,
	       const struct receive_ops *ops);
void stage_fini(struct receive *stage);

void stage_say(struct receive *stage, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether a request may begin now; else `answer` says why not. To be asked before its
 * body is taken: nobody should send in vain. */
bool stage_admits(struct receive *stage, struct answer *ret_answer);

/* A whole request. The call is answered at once if it is refused, and else when the
 * log is safe. `message` is borrowed until this returns. */
void stage_take(struct receive *stage, struct receive_call *call, struct bytes message);

/* Whoever waits for the log does so no more; of a call that is initialised. */
void stage_forget(struct receive *stage, struct receive_call *call);

/* What a body's -errno means for its sender; counted. */
void stage_refuse_body(struct receive *stage, int error, struct answer *ret_answer);

/* A batch that this agent sent has come back. */
void stage_refuse_looped(struct receive *stage, struct answer *ret_answer);

/* intake.c: hands every span on. `answer` says what became of them; *ret_spans: how
 * many the log has, also of a request that is refused then, and from before. */
void intake(struct receive *stage, struct bytes message, struct answer *ret_answer,
	    uint64_t *ret_spans);

/* A port that cannot be opened, and that all can. */
void stage_port_failed(struct receive *stage, const struct address *address, int error);
void stage_ports_open(struct receive *stage);

#endif
