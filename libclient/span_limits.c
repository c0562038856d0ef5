#include "span_limits.h"

struct span_limits client_limits = SPAN_LIMITS_INIT;

uint64_t span_limits_cut(const char *text, uint64_t length, uint32_t characters)
{
	uint64_t at = 0;

	/* A character is a byte at least. */
	if (characters == SPAN_LIMITS_NONE || length <= characters)
		return length;
	while (at < length) {
		/* A byte that continues a character begins none. */
		if (((uint8_t)text[at] & 0xc0) != 0x80 && characters-- == 0)
			break;
		at++;
	}
	return at;
}
