/* Where to listen: what receive.grpc and receive.http name, taken apart. */
#ifndef RECEIVE_ADDRESS_H
#define RECEIVE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#define ADDRESSES_MAX 4

struct address {
	char text[128]; /* as it was written */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	} of;
	socklen_t len;
	uint16_t port; /* 0: a unix socket */
};

struct addresses {
	struct address at[ADDRESSES_MAX];
	uint32_t count;
};

/* `127.0.0.1:4317`, `[::1]:4317`, `localhost:4317` or `unix:/path`, several
 * separated by commas; nothing at all is no address. NULL, or what would be
 * right. */
const char *addresses_parse(struct addresses *ret_addresses, const char *text);

/* Whether others than this machine can reach it. */
bool address_is_open(const struct address *address);

/* Whether a connection to `peer` would come to `address`. */
bool address_is_reached(const struct address *address, const struct sockaddr *peer);

#endif
