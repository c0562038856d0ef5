#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

/* The polynomial with its bits reversed, as the instruction has it. */
#define CRC32C_POLYNOMIAL UINT32_C(0x82f63b78)

/* table[k][b]: what byte b becomes after k further zero bytes. Eight of them
 * let one step take eight bytes. */
static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_fill(void)
{
	uint32_t crc;
	int b, k;

	for (b = 0; b < 256; b++) {
		crc = (uint32_t)b;
		for (k = 0; k < 8; k++)
			crc = crc & 1 ? crc >> 1 ^ CRC32C_POLYNOMIAL : crc >> 1;
		table[0][b] = crc;
	}
	for (b = 0; b < 256; b++)
		for (k = 1; k < 8; k++)
			table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
}

static uint32_t step_byte(uint32_t crc, uint8_t byte)
{
	return table[0][(crc ^ byte) & 0xff] ^ crc >> 8;
}

uint32_t crc32c_portable(uint32_t crc, const void *at, size_t len)
{
	const uint8_t *p = at;

	(void)pthread_once(&table_once, table_fill); /* fails only for our mistakes */
	crc = ~crc;
	for (; len >= 8; len -= 8, p += 8) {
		/* Byte by byte, so that the result is the same on a
		 * big-endian machine. */
		crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		       (uint32_t)p[3] << 24;
		crc = table[7][crc & 0xff] ^ table[6][crc >> 8 & 0xff] ^
		      table[5][crc >> 16 & 0xff] ^ table[4][crc >> 24] ^ table[3][p[4]] ^
		      table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
	}
	while (len--)
		crc = step_byte(crc, *p++);
	return ~crc;
}

#if defined(__x86_64__)

#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *at,
							       size_t len)
{
	const uint8_t *p = at;
	uint64_t wide = (uint32_t)~crc, word;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, sizeof word);
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	while (len--)
		crc = _mm_crc32_u8(crc, *p++);
	return ~crc;
}

uint32_t crc32c(uint32_t crc, const void *at, size_t len)
{
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, at, len);
	return crc32c_portable(crc, at, len);
}

#else

uint32_t crc32c(uint32_t crc, const void *at, size_t len)
{
	return crc32c_portable(crc, at, len);
}

#endif
