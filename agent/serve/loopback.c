#include "serve/loopback.h"

#include <string.h>
#include <strings.h>

#include "base/port.h"

#define RIGHT "127.0.0.1:PORT, [::1]:PORT or localhost:PORT; it is served on this machine alone"

static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
#define NAMES (sizeof names / sizeof names[0])

/* The name in front, or NAMES; `ret_rest` is what stands behind it. */
static size_t split(const char *text, const char **ret_rest)
{
	for (size_t i = 0; i < NAMES; i++) {
		size_t len = strlen(names[i]);

		if (strncasecmp(text, names[i], len) == 0) {
			*ret_rest = text + len;
			return i;
		}
	}
	return NAMES;
}

/* Behind a name. 0: it is not one. */
static uint16_t port_of(const char *text)
{
	return *text == ':' ? port_parse(text + 1) : 0;
}

const char *loopback_parse(struct loopback *ret_loopback, const char *text)
{
	struct loopback loopback;
	const char *rest = "";
	size_t name = split(text, &rest);

	memset(&loopback, 0, sizeof loopback);
	loopback.port = name < NAMES ? port_of(rest) : 0;
	if (!loopback.port)
		return RIGHT;
	if (names[name][0] == '[') {
		loopback.address.v6.sin6_family = AF_INET6;
		loopback.address.v6.sin6_addr = in6addr_loopback;
		loopback.address.v6.sin6_port = htons(loopback.port);
		loopback.len = sizeof loopback.address.v6;
	} else {
		loopback.address.v4.sin_family = AF_INET;
		loopback.address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		loopback.address.v4.sin_port = htons(loopback.port);
		loopback.len = sizeof loopback.address.v4;
	}
	*ret_loopback = loopback;
	return NULL;
}

bool loopback_host_is_ours(const char *host, uint16_t port)
{
	const char *rest = "";

	if (!host || split(host, &rest) == NAMES)
		return false;
	return *rest == '\0' || port_of(rest) == port;
}
