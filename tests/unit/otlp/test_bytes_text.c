#include "otlp/bytes_text.h"

#include "random_message.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_base64(const char *bytes, const char *text)
{
	struct buf out = BUF_INIT;

	assert_int_equal(bytes_text_base64(&out, bytes_of(bytes)), 0);
	assert_true(bytes_equal(buf_bytes(&out), bytes_of(text)));
	buf_reset(&out);
	assert_int_equal(bytes_text_unbase64(&out, bytes_of(text)), 0);
	assert_true(bytes_equal(buf_bytes(&out), bytes_of(bytes)));
	buf_fini(&out);
}

/* RFC 4648, section 10. */
static void base64_is_that_of_the_rfc(void **state)
{
	(void)state;
	assert_base64("", "");
	assert_base64("f", "Zg==");
	assert_base64("fo", "Zm8=");
	assert_base64("foo", "Zm9v");
	assert_base64("foob", "Zm9vYg==");
	assert_base64("fooba", "Zm9vYmE=");
	assert_base64("foobar", "Zm9vYmFy");
	assert_base64("\xfb\xff", "+/8=");
}

static int unbase64(const char *text, const char *expected)
{
	struct buf out = BUF_INIT;
	int r = bytes_text_unbase64(&out, bytes_of(text));

	if (r == 0)
		assert_true(bytes_equal(buf_bytes(&out), bytes_of(expected)));
	else
		assert_int_equal(out.len, 0);
	buf_fini(&out);
	return r;
}

static void both_alphabets_with_or_without_padding_are_read(void **state)
{
	(void)state;
	assert_int_equal(unbase64("-_8", "\xfb\xff"), 0);
	assert_int_equal(unbase64("Zg", "f"), 0);
	assert_int_equal(unbase64("Z", ""), -EINVAL);
	assert_int_equal(unbase64("Zg=", ""), -EINVAL);
	assert_int_equal(unbase64("Z===", ""), -EINVAL);
	assert_int_equal(unbase64("Zm9v====", ""), -EINVAL);
	assert_int_equal(unbase64("Zm 9", ""), -EINVAL);
	assert_int_equal(unbase64("=Zg=", ""), -EINVAL);
}

static void hexadecimal_is_lower_case_and_read_in_either(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(bytes_text_hex(&out, bytes_of("\x01\xab\xff")), 0);
	assert_true(bytes_equal(buf_bytes(&out), bytes_of("01abff")));
	buf_reset(&out);
	assert_int_equal(bytes_text_unhex(&out, bytes_of("01aBFf")), 0);
	assert_true(bytes_equal(buf_bytes(&out), bytes_of("\x01\xab\xff")));
	assert_int_equal(bytes_text_unhex(&out, bytes_of("012")), -EINVAL);
	assert_int_equal(bytes_text_unhex(&out, bytes_of("0g")), -EINVAL);
	assert_int_equal(bytes_text_unhex(&out, bytes_of("0\x10")), -EINVAL);
	assert_int_equal(out.len, 3);
	buf_fini(&out);
}

static void every_length_comes_back(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (size_t len = 0; len < 100; len++) {
		struct buf text = BUF_INIT, back = BUF_INIT;
		uint8_t bytes[100];

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)random_next(&seed);
		assert_int_equal(bytes_text_base64(&text, (struct bytes){bytes, len}), 0);
		assert_int_equal(bytes_text_unbase64(&back, buf_bytes(&text)), 0);
		assert_true(bytes_equal(buf_bytes(&back), (struct bytes){bytes, len}));
		buf_fini(&text);
		buf_fini(&back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_is_that_of_the_rfc),
		cmocka_unit_test(both_alphabets_with_or_without_padding_are_read),
		cmocka_unit_test(hexadecimal_is_lower_case_and_read_in_either),
		cmocka_unit_test(every_length_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
