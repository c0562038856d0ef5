#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "export/grpc_text.h"

static void rule_21_message_decoding_never_fails(void **state)
{
	static const struct {
		const char *escaped, *text;
	} cases[] = {
		{"", ""},	  {"plain", "plain"}, {"a%20b%C3%a4", "a b\xc3\xa4"},
		{"100%", "100%"}, {"%2", "%2"},	      {"%zz%41", "%zzA"},
		{"%%41", "%A"},	  {"a%00b", "a?b"},
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		grpc_text_unescape(text, sizeof(text), cases[i].escaped);
		assert_string_equal(text, cases[i].text);
	}
	grpc_text_unescape(text, 4, "abcdef");
	assert_string_equal(text, "abc");
	grpc_text_unescape(text, 1, "abc");
	assert_string_equal(text, "");
}

static void rule_18_timeouts_have_at_most_eight_digits(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "1n"},
		{1, "1n"},
		{99999999, "99999999n"},
		{100000000, "100m"},
		{100000001, "100000u"},
		{10000000000, "10S"},
		{1500000000, "1500m"},
		{60000000000, "1M"},
		{3600000000000, "1H"},
		{360000000000000000, "100000H"},
		{UINT64_MAX, "5124095H"},
	};
	char text[GRPC_TIMEOUT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		grpc_text_timeout(text, cases[i].ns);
		if (i == sizeof(cases) / sizeof(cases[0]) - 1)
			assert_true(strlen(text) <= 9);
		else
			assert_string_equal(text, cases[i].text);
	}
}

/* google.rpc.Status{code 8, details [Any{type_url, RetryInfo{Duration}}]} */
static struct bytes make_status(uint8_t *at, const char *type_url, const char *retry,
				size_t len)
{
	uint8_t *begin = at;
	size_t url = strlen(type_url);

	*at++ = 0x08;
	*at++ = 8;
	*at++ = 0x1a;
	*at++ = (uint8_t)(url + len + 4);
	*at++ = 0x0a;
	*at++ = (uint8_t)url;
	memcpy(at, type_url, url);
	at += url;
	*at++ = 0x12;
	*at++ = (uint8_t)len;
	memcpy(at, retry, len);
	return (struct bytes){begin, (size_t)(at + len - begin)};
}

#define URL "type.googleapis.com/google.rpc.RetryInfo"

static void rule_06_the_delay_is_read_from_the_details(void **state)
{
	static const struct {
		const char *url, *retry;
		size_t len;
		bool found;
		uint64_t ns;
	} cases[] = {
		{URL, "\x0a\x05\x08\x1e\x10\xf4\x03", 7, true, 30000000500},
		{"google.rpc.RetryInfo", "\x0a\x02\x08\x01", 4, true, 1000000000},
		{URL, "", 0, true, 0},
		{URL, "\x0a\x00", 2, true, 0},
		/* -1 s; 2^62 s */
		{URL, "\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13, true, 0},
		{URL, "\x0a\x0a\x08\x80\x80\x80\x80\x80\x80\x80\x80\x40", 12, true, INT64_MAX},
		{URL, "\x0a\x05\x08", 3, false, 0},
		{"type.googleapis.com/google.rpc.Help", "\x0a\x02\x08\x01", 4, false, 0},
		{"", "\x0a\x02\x08\x01", 4, false, 0},
	};
	uint8_t space[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes status =
			make_status(space, cases[i].url, cases[i].retry, cases[i].len);
		uint64_t ns = 0;

		assert_int_equal(grpc_text_retry_delay(status, &ns), cases[i].found);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void details_that_are_garbage_are_no_details(void **state)
{
	uint8_t garbage[64];
	uint64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = (uint8_t)(i * 37 + 11);
	for (size_t len = 1; len < sizeof(garbage); len++)
		assert_false(grpc_text_retry_delay((struct bytes){garbage, len}, &ns));
	assert_false(grpc_text_retry_delay((struct bytes){NULL, 0}, &ns));
	assert_int_equal(ns, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_21_message_decoding_never_fails),
		cmocka_unit_test(rule_18_timeouts_have_at_most_eight_digits),
		cmocka_unit_test(rule_06_the_delay_is_read_from_the_details),
		cmocka_unit_test(details_that_are_garbage_are_no_details),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
