/* How requests reach a destination: the one thing in which OTLP/gRPC, OTLP/HTTP
 * and a terminal differ. The stage (export.c) decides what is in a request, when
 * it goes, how often it is tried and what is counted; a transport carries one
 * encoded request there and says in the stage's words what became of it.
 *
 * A new protocol is a struct that begins with a struct transport, its seven
 * operations, its `_init`, and its line in export.c's transport_begin(). It may
 * keep descriptors, timers and libraries of its own, all through `struct env` and
 * all on the agent's one thread. It never blocks: what cannot be done now is done
 * in tick() or in a callback of env->wait().
 *
 * The bytes of a request are the stage's and stay where they are until the
 * answer is given or the request is cancelled. News may be told from within
 * tick() and from within env->wait(), never from within the other operations. */
#ifndef EXPORT_TRANSPORT_H
#define EXPORT_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compress.h"
#include "base/grpc_frame.h"

/* In front of every encoded request stand as many bytes for a frame's head, so
 * that gRPC sends it as it lies there. */
#define TRANSPORT_FRAMING GRPC_FRAME_BYTES

/* What stands behind it. */
static inline struct bytes framed_message(struct bytes framed)
{
	return (struct bytes){framed.at + TRANSPORT_FRAMING, framed.len - TRANSPORT_FRAMING};
}

struct transport_request {
	struct bytes framed; /* TRANSPORT_FRAMING bytes, the ExportTraceServiceRequest */
	enum compression compression; /* of the latter */
	uint64_t timeout_ns;	      /* told to the peer; 0: for ever. The stage cancels */
};

enum transport_verdict {
	TRANSPORT_ACCEPTED, /* the peer has it; `rejected` spans of it refused for good */
	TRANSPORT_RETRY,    /* the same bytes may be sent again, after `delay_ns` */
	TRANSPORT_REFUSED,  /* they must not */
	/* Nothing of them left, for want of a connection; changed() has said why. They
	 * go as soon as the transport is ready again. */
	TRANSPORT_UNSENT,
};

struct transport_answer {
	enum transport_verdict verdict;
	uint64_t rejected; /* of an accepted request, by its partial success */
	uint64_t delay_ns; /* the whole destination is to be left alone so long; 0: not said */
	bool content_refused; /* REFUSED for what is in it: a part may be taken */
	bool form_refused;    /* perhaps only because the peer does not know the compression */
	/* What it says it knows, in bits 1 << enum compression; 0: it does not say. */
	unsigned compressions_known;
	const char *status;  /* the protocol's own word: "UNAVAILABLE", "HTTP 503" */
	const char *message; /* never NULL, "": none; the peer's words, not trusted */
};

struct transport_news {
	/* One request is over. Its bytes may be freed in here; the transport must
	 * not be called in here. */
	void (*done)(void *arg, void *tag, const struct transport_answer *answer);
	/* It came up, could not be made, or was lost; `why` is "" when it came up
	 * and when an idle connection ended in good order. */
	void (*changed)(void *arg, bool up, const char *why);
};

struct transport {
	const struct transport_ops *ops;
	const struct transport_news *news;
	void *arg; /* of the news */
};

struct transport_ops {
	/* What is under way is forgotten without an answer. */
	void (*fini)(struct transport *transport);

	/* Whether to be connected. False does not close what is open. */
	void (*want)(struct transport *transport, bool wanted);
	bool (*connected)(const struct transport *transport);
	/* A request may be begun now. */
	bool (*ready)(const struct transport *transport);

	/* Begins a request, known as `tag` from now on. -EAGAIN: not now, see
	 * ready(). -ENOBUFS: too many are under way. -ENOMEM. */
	int (*begin)(struct transport *transport, void *tag,
		     const struct transport_request *request);
	/* Forgets a request that was begun at `sent_ns` and got no answer in time,
	 * and finds out whether the peer is there at all. No news of it comes. */
	void (*cancel)(struct transport *transport, void *tag, uint64_t sent_ns,
		       uint64_t now_ns);

	/* Connects, writes, gives up what is overdue. Returns the work done. */
	int (*tick)(struct transport *transport, uint64_t now_ns);
	/* When tick has to be called at the latest, if it is wanted or not;
	 * UINT64_MAX: a callback comes first. */
	uint64_t (*next_due)(const struct transport *transport, bool wanted);
};

#endif
