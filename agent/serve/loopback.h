/* The one kind of TCP address the agent's state is served on, and the names a
 * client may call it by.
 *
 * A web page can make the reader's browser ask any port of this machine, under a
 * name of the page's choice that resolves to it; so the name in the Host header
 * is looked at, and only names that mean this machine are answered. */
#ifndef SERVE_LOOPBACK_H
#define SERVE_LOOPBACK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct loopback {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t len;
	uint16_t port;
};

/* "127.0.0.1:9464", "[::1]:9464" or "localhost:9464" (which is 127.0.0.1). NULL, or
 * what would be right. */
const char *loopback_parse(struct loopback *ret_loopback, const char *text);

/* Whether this Host header names us: localhost, 127.0.0.1 or [::1], with our port
 * or none. NULL, as without the header: no. */
bool loopback_host_is_ours(const char *host, uint16_t port);

#endif
