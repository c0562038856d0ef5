#include "receive/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/port.h"

#define RIGHT                                                                          \
	"127.0.0.1:PORT, [::1]:PORT, another address of this machine with a port, or " \
	"unix:/path; at most 4, separated by commas"

static bool parse_unix(struct address *address, const char *path)
{
	while (path[0] == '/' && path[1] == '/')
		path++; /* unix:///path */
	if (*path != '/' || strlen(path) >= sizeof address->of.local.sun_path)
		return false;
	address->of.local.sun_family = AF_UNIX;
	memcpy(address->of.local.sun_path, path, strlen(path) + 1);
	address->len = sizeof address->of.local;
	return true;
}

static bool parse_v6(struct address *address, char *host)
{
	size_t len = strlen(host);

	if (len < 2 || host[len - 1] != ']')
		return false;
	host[len - 1] = '\0';
	address->of.v6.sin6_family = AF_INET6;
	address->of.v6.sin6_port = htons(address->port);
	address->len = sizeof address->of.v6;
	return inet_pton(AF_INET6, host + 1, &address->of.v6.sin6_addr) == 1;
}

static bool parse_v4(struct address *address, const char *host)
{
	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	address->of.v4.sin_family = AF_INET;
	address->of.v4.sin_port = htons(address->port);
	address->len = sizeof address->of.v4;
	return inet_pton(AF_INET, host, &address->of.v4.sin_addr) == 1;
}

static bool parse_one(struct address *address, const char *text, size_t len)
{
	char host[sizeof address->text], *colon;

	memset(address, 0, sizeof *address);
	if (len == 0 || len >= sizeof address->text)
		return false;
	memcpy(address->text, text, len);
	if (strncmp(address->text, "unix:", 5) == 0)
		return parse_unix(address, address->text + 5);
	memcpy(host, address->text, len + 1);
	colon = strrchr(host, ':');
	if (!colon)
		return false;
	*colon = '\0';
	address->port = port_parse(colon + 1);
	if (!address->port)
		return false;
	return host[0] == '[' ? parse_v6(address, host) : parse_v4(address, host);
}

const char *addresses_parse(struct addresses *ret_addresses, const char *text)
{
	struct addresses addresses = {.count = 0};

	for (; *text; text += *text == ',') {
		size_t len;

		text += strspn(text, " ");
		len = strcspn(text, ", ");
		if (addresses.count == ADDRESSES_MAX ||
		    !parse_one(&addresses.at[addresses.count], text, len))
			return RIGHT;
		addresses.count++;
		text += len;
		text += strspn(text, " ");
		if (*text && *text != ',')
			return RIGHT;
	}
	*ret_addresses = addresses;
	return NULL;
}

static bool is_loopback(const struct sockaddr *addr)
{
	const struct sockaddr_in *v4 = (const void *)addr;
	const struct sockaddr_in6 *v6 = (const void *)addr;

	if (addr->sa_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return addr->sa_family == AF_UNIX || IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool is_any(const struct sockaddr *addr)
{
	const struct sockaddr_in *v4 = (const void *)addr;
	const struct sockaddr_in6 *v6 = (const void *)addr;

	if (addr->sa_family == AF_INET)
		return v4->sin_addr.s_addr == htonl(INADDR_ANY);
	return addr->sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

bool address_is_open(const struct address *address)
{
	return !is_loopback(&address->of.any);
}

/* An address is this machine's own if a socket can be bound to it. */
static bool is_ours(const struct sockaddr *peer)
{
	struct sockaddr_storage own = {0};
	socklen_t len = peer->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						   : sizeof(struct sockaddr_in6);
	int fd = socket(peer->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ours;

	if (fd < 0)
		return false;
	memcpy(&own, peer, len);
	if (peer->sa_family == AF_INET)
		((struct sockaddr_in *)&own)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&own)->sin6_port = 0;
	ours = bind(fd, (struct sockaddr *)&own, len) == 0;
	(void)close(fd);
	return ours;
}

static bool same_host(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
				  &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr);
}

/* Ports stand at the same place in both families. */
static uint16_t port(const struct sockaddr *addr)
{
	return ntohs(((const struct sockaddr_in *)(const void *)addr)->sin_port);
}

/* ::ffff:127.0.0.1 is 127.0.0.1. */
static const struct sockaddr *unmapped(const struct sockaddr *peer, struct sockaddr_in *room)
{
	const struct sockaddr_in6 *v6 = (const void *)peer;

	if (peer->sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return peer;
	*room = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = v6->sin6_port};
	memcpy(&room->sin_addr, v6->sin6_addr.s6_addr + 12, 4);
	return (const struct sockaddr *)room;
}

bool address_is_reached(const struct address *address, const struct sockaddr *peer)
{
	const struct sockaddr *own = &address->of.any;
	struct sockaddr_in v4;

	peer = unmapped(peer, &v4);
	if (own->sa_family != peer->sa_family)
		return false;
	if (own->sa_family == AF_UNIX)
		return strcmp(address->of.local.sun_path,
			      ((const struct sockaddr_un *)(const void *)peer)->sun_path) == 0;
	if (address->port != port(peer))
		return false;
	if (is_any(own))
		return is_any(peer) || is_ours(peer);
	/* Who connects to "any" comes to the loopback. */
	return same_host(own, peer) || (is_any(peer) && is_loopback(own));
}
