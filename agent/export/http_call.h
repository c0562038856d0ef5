/* One POST and its answer, as libcurl is told of it. Between http_transport.c, which
 * decides when, and http_call.c. */
#ifndef EXPORT_HTTP_CALL_H
#define EXPORT_HTTP_CALL_H

#include "export/http_reply.h"
#include "export/http_transport.h"

/* Hands it to libcurl. -ENOMEM, -EIO. */
int http_call_begin(struct http_call *call, void *tag, const struct transport_request *request,
		    uint64_t now_ns);
/* Takes it away from libcurl, which closes an HTTP/1.1 connection in the middle of
 * an answer. It rests. */
void http_call_end(struct http_call *call);
void http_call_free(struct http_call *call);

/* Whether a connection was to be made and was not: nothing of the request left. */
bool http_call_unconnected(CURLcode result);
/* What libcurl says of it, once it is over. */
void http_call_reply(const struct http_call *call, CURLcode result,
		     struct http_reply *ret_reply);
/* Why it failed, in libcurl's words. */
const char *http_call_trouble(const struct http_call *call, CURLcode result);

#endif
