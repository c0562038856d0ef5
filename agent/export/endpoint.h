/* Where to send: what OTEL_EXPORTER_OTLP_ENDPOINT and the configuration name,
 * taken apart. Accepted: `https://host[:port][/prefix]`, the same with
 * `http://` or without a scheme, `[::1]` as a host, each with or without a
 * trailing slash; and `unix:/path` or `unix:///path`. */
#ifndef EXPORT_ENDPOINT_H
#define EXPORT_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#define ENDPOINT_PORT_DEFAULT "4317"
#define ENDPOINT_TEXT_DEFAULT "http://localhost:4317"
#define ENDPOINT_URL_DEFAULT "http://localhost:4318/v1/traces"
#define ENDPOINT_URL_PATH "/v1/traces"

enum endpoint_scheme {
	ENDPOINT_NO_SCHEME, /* whether TLS is spoken is another setting's choice */
	ENDPOINT_HTTP,
	ENDPOINT_HTTPS,
	ENDPOINT_UNIX,
};

struct endpoint {
	enum endpoint_scheme scheme;
	char host[256];	     /* name or address, without brackets; a socket's path */
	char port[6];	     /* decimal, 1 to 65535; "" for a socket */
	char authority[272]; /* host:port as `:authority` wants it */
	char path[128];	     /* of gRPC the request path's prefix: "" or "/prefix"; of HTTP
			      * the whole path */
};

/* Takes `text` apart. On failure `error` (at most `len` bytes, may be NULL)
 * says in one sentence what is wrong and what would be right.
 * -EINVAL: not understood. -ENAMETOOLONG: host, prefix or socket too long. */
int endpoint_parse(struct endpoint *ret_endpoint, const char *text, char *error, size_t len);

/* Takes the URL of OTLP/HTTP apart, where requests go as it says: the path is the
 * whole one ("/" where none is given, ENDPOINT_URL_PATH at a socket), the port of
 * none is the scheme's own, and there must be a scheme. Errors as above. */
int endpoint_parse_url(struct endpoint *ret_endpoint, const char *text, char *error,
		       size_t len);

/* The URL that a base URL means: ENDPOINT_URL_PATH behind it. -ENAMETOOLONG. */
int endpoint_url_of_base(const char *base, char *ret_url, size_t len);

/* Whether what is sent there stays on this machine. */
bool endpoint_is_local(const struct endpoint *endpoint);

#endif
