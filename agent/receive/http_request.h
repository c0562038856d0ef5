/* One OTLP/HTTP request, from its headers to its answer. */
#ifndef RECEIVE_HTTP_REQUEST_H
#define RECEIVE_HTTP_REQUEST_H

#include <microhttpd.h>

#include "receive/stage.h"

struct http_request {
	struct list link; /* the port's */
	struct receive_call call;
	struct receive *stage;
	struct MHD_Connection *connection;
	struct body body;
	bool json;
	bool gzip;
	bool plain;	      /* its content type is none of ours: it is answered in JSON */
	bool expects;	      /* Expect: 100-continue: it waits before it sends its body */
	bool whole;	      /* its body was taken */
	bool answered;	      /* `call.answer` is what to say */
	bool suspended;	      /* it waits for the log */
	uint64_t passed_over; /* bytes that came after it was refused */
	bool *resumed;	      /* of the port: the daemon has something to do */
};

/* Judges what is known before the body: -ENOMEM, or 0 also when it is refused. */
int http_request_new(struct http_request **ret_request, struct receive *stage,
		     struct MHD_Connection *connection, const char *path, const char *method,
		     bool *resumed);
void http_request_free(struct http_request *request);

/* False: it goes on and on although it was refused; the connection is to end. */
bool http_request_push(struct http_request *request, struct bytes piece);
/* The body is whole: it is answered now, or suspended until it is. */
void http_request_end(struct http_request *request);
/* Queues the answer. */
enum MHD_Result http_request_answer(struct http_request *request);

#endif
