/* Where to send: what OTEL_EXPORTER_OTLP_ENDPOINT and the configuration name,
 * taken apart. Accepted: `http://host[:port][/prefix]`, `host[:port]`,
 * `[::1]:port`, each with or without a trailing slash. */
#ifndef EXPORT_ENDPOINT_H
#define EXPORT_ENDPOINT_H

#include <stddef.h>

#define ENDPOINT_PORT_DEFAULT "4317"
#define ENDPOINT_TEXT_DEFAULT "http://localhost:4317"

struct endpoint {
	char host[256];	     /* name or address, without brackets */
	char port[6];	     /* decimal, 1 to 65535 */
	char authority[272]; /* host:port as `:authority` wants it */
	char path[128];	     /* prefix of the request's path: "" or "/prefix" */
};

/* Takes `text` apart. On failure `error` (at most `len` bytes, may be NULL)
 * says in one sentence what is wrong and what would be right.
 * -EINVAL: not understood. -EPROTONOSUPPORT: a kind of endpoint that is not
 * built in (https, unix). -ENAMETOOLONG: host or prefix too long. */
int endpoint_parse(struct endpoint *ret_endpoint, const char *text, char *error, size_t len);

#endif
