/* A request whose bytes are whole, whichever way it came, until it is answered. It
 * lives in its transport's own struct; the stage keeps it in a list while the log
 * has yet to be safe. */
#ifndef RECEIVE_CALL_H
#define RECEIVE_CALL_H

#include "base/list.h"
#include "receive/answer.h"

struct receive_call {
	struct list waiting; /* unlinked: it is not */
	uint64_t sequence;   /* safe up to here, it is answered */
	uint64_t spans;	     /* of it, in the log */
	struct answer answer;
	/* Tells the sender `answer`; called once, at once or later. */
	void (*say)(struct receive_call *call);
};

static inline void receive_call_init(struct receive_call *call,
				     void (*say)(struct receive_call *call))
{
	*call = (struct receive_call){.say = say};
	list_init(&call->waiting);
}

#endif
