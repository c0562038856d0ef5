#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* From RFC 3720, appendix B.4, and the check value of the CRC catalogues. */
static void crc32c_matches_the_published_vectors(void **state)
{
	uint8_t bytes[32];
	int i;

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	memset(bytes, 0, sizeof bytes);
	assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
	memset(bytes, 0xff, sizeof bytes);
	assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
	for (i = 0; i < 32; i++)
		bytes[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46dd794e);
	for (i = 0; i < 32; i++)
		bytes[i] = (uint8_t)(31 - i);
	assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x113fdb5c);
	assert_int_equal(crc32c(0, bytes, 0), 0);
}

static void fill(uint8_t *at, size_t len)
{
	uint32_t x = 2463534242;
	size_t i;

	for (i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		at[i] = (uint8_t)x;
	}
}

static void instruction_and_table_agree_at_every_length_and_alignment(void **state)
{
	uint8_t bytes[600];
	size_t from, len;

	(void)state;
	fill(bytes, sizeof bytes);
	for (from = 0; from < 8; from++)
		for (len = 0; len < 580; len++)
			assert_int_equal(crc32c(7, bytes + from, len),
					 crc32c_portable(7, bytes + from, len));
}

static void instruction_and_table_agree_on_long_blocks(void **state)
{
	static uint8_t bytes[20000];
	size_t len;

	(void)state;
	fill(bytes, sizeof bytes);
	for (len = 0; len < sizeof bytes - 3; len += 37)
		assert_int_equal(crc32c(len, bytes + len % 3, len),
				 crc32c_portable(len, bytes + len % 3, len));
}

static void a_crc_can_be_continued_at_every_place(void **state)
{
	uint8_t bytes[64];
	size_t cut;

	(void)state;
	fill(bytes, sizeof bytes);
	for (cut = 0; cut <= sizeof bytes; cut++)
		assert_int_equal(crc32c(crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut),
				 crc32c(0, bytes, sizeof bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_matches_the_published_vectors),
		cmocka_unit_test(instruction_and_table_agree_at_every_length_and_alignment),
		cmocka_unit_test(instruction_and_table_agree_on_long_blocks),
		cmocka_unit_test(a_crc_can_be_continued_at_every_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
