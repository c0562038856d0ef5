#include "archive/spool_sum.h"

#include "base/crc32c.h"
#include "base/hex.h"

static const char digits[] = "0123456789abcdef";

void spool_sum_put(struct buf *out, uint32_t crc)
{
	char text[SPOOL_SUM_BYTES];
	char *at = text;

	at = mempcpy(at, SPOOL_SUM_KEY, sizeof(SPOOL_SUM_KEY) - 1);
	for (int shift = 28; shift >= 0; shift -= 4)
		*at++ = digits[crc >> shift & 0xf];
	memcpy(at, SPOOL_SUM_CLOSE, sizeof(SPOOL_SUM_CLOSE) - 1);
	(void)buf_append(out, text, sizeof(text));
}

/* The eight digits at `at`; false: they are none. */
static bool read_crc(const uint8_t *at, uint32_t *ret_crc)
{
	uint32_t crc = 0;

	for (int i = 0; i < 8; i++) {
		int digit = hex_digit_lower((char)at[i]);

		if (digit < 0)
			return false;
		crc = crc << 4 | (uint32_t)digit;
	}
	*ret_crc = crc;
	return true;
}

static bool has_key(struct bytes line)
{
	return line.len >= SPOOL_SUM_BYTES &&
	       memcmp(line.at + line.len - SPOOL_SUM_BYTES, SPOOL_SUM_KEY,
		      sizeof(SPOOL_SUM_KEY) - 1) == 0;
}

enum spool_sum spool_sum_judge(struct bytes line, struct bytes *ret_body)
{
	const size_t close = sizeof(SPOOL_SUM_CLOSE) - 1;
	struct bytes body = line;
	uint32_t crc;

	if (!has_key(line)) {
		body.len -= line.len < SPOOL_CLOSE_BYTES ? line.len : SPOOL_CLOSE_BYTES;
		*ret_body = body;
		return SPOOL_SUM_NONE;
	}
	body.len -= SPOOL_SUM_BYTES;
	if (!read_crc(line.at + body.len + sizeof(SPOOL_SUM_KEY) - 1, &crc) ||
	    memcmp(line.at + line.len - close, SPOOL_SUM_CLOSE, close) != 0 ||
	    crc != crc32c(0, body.at, body.len))
		return SPOOL_SUM_WRONG;
	*ret_body = body;
	return SPOOL_SUM_GOOD;
}
