#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "export/header_check.h"

static void headers_that_could_become_others_are_refused(void **state)
{
	static const struct {
		struct export_header header;
		int r;
	} cases[] = {
		{{"x-api-key", "secret ~!"}, 0},
		{{"authorization", "Bearer a.b-c"}, 0},
		{{"trace-bin", "AAEC"}, 0},
		{{"a", ""}, 0},
		{{"", "x"}, -EINVAL},
		{{"X-Key", "x"}, -EINVAL},
		{{":path", "/x"}, -EINVAL},
		{{"grpc-timeout", "1S"}, -EINVAL},
		{{"te", "x"}, -EINVAL},
		{{"content-type", "x"}, -EINVAL},
		{{"connection", "x"}, -EINVAL},
		{{"a b", "x"}, -EINVAL},
		{{"a", "x\r\nb: y"}, -EINVAL},
		{{"a", "x\n"}, -EINVAL},
		{{"a", "\x7f"}, -EINVAL},
		{{"a", "\xc3\xa4"}, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(header_check(&cases[i].header), cases[i].r);
}

static void the_number_of_headers_is_bounded(void **state)
{
	struct export_header headers[EXPORT_HEADERS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < EXPORT_HEADERS_MAX + 1; i++)
		headers[i] = (struct export_header){"a", "b"};
	assert_int_equal(header_check_all(headers, EXPORT_HEADERS_MAX), 0);
	assert_int_equal(header_check_all(headers, EXPORT_HEADERS_MAX + 1), -E2BIG);
	headers[3].name = "B";
	assert_int_equal(header_check_all(headers, EXPORT_HEADERS_MAX), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_that_could_become_others_are_refused),
		cmocka_unit_test(the_number_of_headers_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
