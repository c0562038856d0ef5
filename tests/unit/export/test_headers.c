#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "export/headers.h"

static void pairs_are_taken_apart_and_decoded(void **state)
{
	struct headers headers;
	char error[200];

	(void)state;
	assert_int_equal(headers_parse(&headers, " X-Key = a%20b , ,authorization=Basic dTpw==",
				       error, sizeof(error)),
			 0);
	assert_int_equal(headers.count, 2);
	assert_string_equal(headers.entries[0].name, "x-key");
	assert_string_equal(headers.entries[0].value, "a b");
	assert_string_equal(headers.entries[1].value, "Basic dTpw==");
	headers_fini(&headers);
	assert_int_equal(headers_parse(&headers, NULL, error, sizeof(error)), 0);
	assert_int_equal(headers.count, 0);
	assert_int_equal(headers_parse(&headers, "", error, sizeof(error)), 0);
	assert_int_equal(headers.count, 0);
}

static void bad_pairs_are_refused_without_telling_the_value(void **state)
{
	static const char *const cases[] = {
		"key",		"=v",		"a b=secret",	    "grpc-x=secret",
		":path=secret", "te=secret",	"k=secret%0d%0a",   "k=secret%zz",
		"k=secret%2",	"k=secret%00x", "k=secret\xc3\xa4", "host=secret",
	};
	struct headers headers;
	char error[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		error[0] = '\0';
		assert_int_equal(headers_parse(&headers, cases[i], error, sizeof(error)),
				 -EINVAL);
		assert_int_equal(strncmp(error, "headers: ", 9), 0);
		assert_null(strstr(error, "secret"));
	}
}

static void their_number_is_bounded(void **state)
{
	struct headers headers;
	char text[400] = "", error[200];

	(void)state;
	for (int i = 0; i < EXPORT_HEADERS_MAX; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "k%d=v,", i);
	assert_int_equal(headers_parse(&headers, text, error, sizeof(error)), 0);
	assert_int_equal(headers.count, EXPORT_HEADERS_MAX);
	headers_fini(&headers);
	strcat(text, "more=v");
	assert_int_equal(headers_parse(&headers, text, error, sizeof(error)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_are_taken_apart_and_decoded),
		cmocka_unit_test(bad_pairs_are_refused_without_telling_the_value),
		cmocka_unit_test(their_number_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
