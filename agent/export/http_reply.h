/* What the answer of an OTLP/HTTP server means (rules 29 and 30): its status, its
 * headers and its body, in the stage's words. No HTTP in here: libcurl has taken it
 * apart. The peer is not trusted. */
#ifndef EXPORT_HTTP_REPLY_H
#define EXPORT_HTTP_REPLY_H

#include "base/buf.h"
#include "export/transport.h"

#define HTTP_REPLY_MESSAGE_MAX 256

struct http_reply {
	long status;		  /* 0: none came */
	const char *content_type; /* or NULL */
	struct bytes body;
	bool too_large;	       /* it had more than export.response_max; `body` is a part */
	bool cut;	       /* the connection ended in the middle of it */
	int64_t retry_after_s; /* by its Retry-After; 0: not said */
	const char *trouble;   /* why there is no status, or it was cut */
};

/* Room for the words of an answer. */
struct http_words {
	char status[24];
	char message[HTTP_REPLY_MESSAGE_MAX];
};

/* `ret_answer` borrows from `words`. */
void http_reply_judge(const struct http_reply *reply, struct http_words *words,
		      struct transport_answer *ret_answer);

#endif
