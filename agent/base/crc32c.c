#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

/* The polynomial with its bits reversed, as the instruction has it. */
#define CRC32C_POLYNOMIAL UINT32_C(0x82f63b78)

/* table[k][b]: what byte b becomes after k further zero bytes. Eight of them
 * let one step take eight bytes. */
static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

/* The instruction takes eight bytes every cycle but answers after three, so
 * three lanes side by side are three times as fast. shift[s][k][b] is what byte
 * k of a lane's result, being b, becomes after lane_bytes[s] zero bytes: with it
 * the lanes are put together. */
#define LANE_SIZES 2
static const size_t lane_bytes[LANE_SIZES] = {1024, 96};
static uint32_t shift[LANE_SIZES][4][256];

static void shift_fill(int s)
{
	uint32_t crc;
	int b, k;
	size_t n;

	for (k = 0; k < 4; k++) {
		for (b = 0; b < 256; b++) {
			crc = (uint32_t)b << 8 * k;
			for (n = 0; n < lane_bytes[s]; n++)
				crc = table[0][crc & 0xff] ^ crc >> 8;
			shift[s][k][b] = crc;
		}
	}
}

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
	for (k = 0; k < LANE_SIZES; k++)
		shift_fill(k);
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

static uint32_t shifted(int s, uint64_t crc)
{
	return shift[s][0][crc & 0xff] ^ shift[s][1][crc >> 8 & 0xff] ^
	       shift[s][2][crc >> 16 & 0xff] ^ shift[s][3][crc >> 24 & 0xff];
}

static uint64_t word_at(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

/* Three lanes of lane_bytes[s] each. */
__attribute__((target("sse4.2"))) static uint64_t lanes(int s, uint64_t crc, const uint8_t *at)
{
	uint64_t second = 0, third = 0;
	size_t n = lane_bytes[s], i;

	for (i = 0; i < n; i += 8) {
		crc = _mm_crc32_u64(crc, word_at(at + i));
		second = _mm_crc32_u64(second, word_at(at + n + i));
		third = _mm_crc32_u64(third, word_at(at + 2 * n + i));
	}
	return shifted(s, shifted(s, crc) ^ second) ^ third;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *at,
							       size_t len)
{
	const uint8_t *p = at;
	uint64_t wide = (uint32_t)~crc;
	int s;

	if (len >= 3 * lane_bytes[LANE_SIZES - 1])
		(void)pthread_once(&table_once, table_fill); /* fails only for our mistakes */
	for (s = 0; s < LANE_SIZES; s++)
		for (; len >= 3 * lane_bytes[s];
		     len -= 3 * lane_bytes[s], p += 3 * lane_bytes[s])
			wide = lanes(s, wide, p);
	for (; len >= 8; len -= 8, p += 8)
		wide = _mm_crc32_u64(wide, word_at(p));
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
