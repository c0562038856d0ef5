#ifndef BASE_PORT_H
#define BASE_PORT_H

#include <stdint.h>

/* 1 to 65535, digits alone and no zero in front. 0: it is not a port. */
static inline uint16_t port_parse(const char *text)
{
	uint32_t port = 0;

	if (*text == '0')
		return 0;
	for (; *text >= '0' && *text <= '9' && port <= UINT16_MAX; text++)
		port = port * 10 + (uint32_t)(*text - '0');
	return *text == '\0' && port <= UINT16_MAX ? (uint16_t)port : 0;
}

#endif
