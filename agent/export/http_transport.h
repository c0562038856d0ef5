/* OTLP/HTTP as a transport (rules 28 to 32), by libcurl: one POST a request, over
 * connections that are kept, HTTP/2 where TLS agrees on it and HTTP/1.1 elsewhere.
 *
 * Names are resolved by env, not by libcurl, whose threads would be waited for; anew
 * before a connection is made and nothing is under way, at most once a minute. A
 * proxy the environment names is not used, and no redirection followed: spans and
 * credentials go where the configuration says. */
#ifndef EXPORT_HTTP_TRANSPORT_H
#define EXPORT_HTTP_TRANSPORT_H

#include "base/buf.h"
#include "export/curl_loop.h"
#include "export/retry.h"
#include "export/transport.h"

#define HTTP_CONNECT_TIMEOUT_MS 20000
/* Of an answer's headers together. */
#define HTTP_HEADER_BYTES_MAX (64u << 10)

struct http_call {
	struct http_transport *http;
	CURL *easy; /* NULL: never used */
	void *tag;  /* NULL: it rests */
	uint64_t begun_ns;
	struct buf body; /* of the answer */
	size_t header_bytes;
	bool too_large;
	char error[CURL_ERROR_SIZE];
};

enum http_state {
	HTTP_DOWN, /* the peer's address is not known, or it could not be reached */
	HTTP_RESOLVING,
	HTTP_READY, /* requests may be made; there need be no connection */
};

struct http_transport {
	struct transport transport;
	struct env *env;
	const struct export_options *options;
	struct curl_loop loop;
	enum http_state state;
	bool wanted;
	bool up;		 /* the newest request was answered */
	uint64_t retry_ns;	 /* DOWN: not before */
	uint64_t resolve_due_ns; /* RESOLVING: give up */
	uint64_t resolved_ns;
	uint64_t failed_ns; /* requests begun before belong to that failure */
	unsigned address;   /* which of the name's is tried first */
	struct backoff backoff;

	char url[448];
	char resolve[1400];	     /* host:port:addresses; "": nothing to resolve */
	struct curl_slist *resolved; /* the same, as libcurl wants it */
	struct curl_slist *headers[COMPRESSIONS]; /* by the request's compression */
	struct http_call calls[EXPORT_STREAMS_LIMIT];
	size_t calls_n;
};

/* `options` must outlive it. Connects only when wanted. */
void http_transport_init(struct http_transport *http, struct env *env,
			 const struct export_options *options,
			 const struct transport_news *news, void *arg);

#endif
