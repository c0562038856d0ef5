#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <nghttp2/nghttp2.h>

#include "export/grpc_status.h"

static void rule_21_status_is_decimal_without_leading_zeros(void **state)
{
	static const struct {
		const char *text;
		enum grpc_status status;
	} cases[] = {
		{"0", GRPC_OK},	       {"14", GRPC_UNAVAILABLE}, {"16", GRPC_UNAUTHENTICATED},
		{"17", GRPC_UNKNOWN},  {"99", GRPC_UNKNOWN},	 {"014", GRPC_UNKNOWN},
		{"01", GRPC_UNKNOWN},  {"00", GRPC_UNKNOWN},	 {"-1", GRPC_UNKNOWN},
		{"", GRPC_UNKNOWN},    {"1 ", GRPC_UNKNOWN},	 {" 1", GRPC_UNKNOWN},
		{"0x0", GRPC_UNKNOWN}, {"OK", GRPC_UNKNOWN},	 {"4294967296", GRPC_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(grpc_status_parse(cases[i].text), cases[i].status);
}

static void rule_22_http_stands_in_for_a_missing_status(void **state)
{
	static const struct {
		int http;
		enum grpc_status status;
	} cases[] = {
		{400, GRPC_INTERNAL},	       {401, GRPC_UNAUTHENTICATED},
		{403, GRPC_PERMISSION_DENIED}, {404, GRPC_UNIMPLEMENTED},
		{429, GRPC_UNAVAILABLE},       {431, GRPC_INTERNAL},
		{502, GRPC_UNAVAILABLE},       {503, GRPC_UNAVAILABLE},
		{504, GRPC_UNAVAILABLE},       {200, GRPC_UNKNOWN},
		{500, GRPC_UNKNOWN},	       {301, GRPC_UNKNOWN},
		{418, GRPC_UNKNOWN},	       {0, GRPC_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(grpc_status_of_http(cases[i].http), cases[i].status);
}

static void rule_23_resets_have_a_status(void **state)
{
	(void)state;
	assert_int_equal(grpc_status_of_reset(NGHTTP2_REFUSED_STREAM), GRPC_UNAVAILABLE);
	assert_int_equal(grpc_status_of_reset(NGHTTP2_CANCEL), GRPC_CANCELLED);
	assert_int_equal(grpc_status_of_reset(NGHTTP2_ENHANCE_YOUR_CALM),
			 GRPC_RESOURCE_EXHAUSTED);
	assert_int_equal(grpc_status_of_reset(NGHTTP2_INADEQUATE_SECURITY),
			 GRPC_PERMISSION_DENIED);
	assert_int_equal(grpc_status_of_reset(NGHTTP2_NO_ERROR), GRPC_INTERNAL);
	assert_int_equal(grpc_status_of_reset(NGHTTP2_PROTOCOL_ERROR), GRPC_INTERNAL);
	assert_int_equal(grpc_status_of_reset(0xffffffff), GRPC_INTERNAL);
}

static void names_are_those_of_grpc(void **state)
{
	(void)state;
	assert_string_equal(grpc_status_name(GRPC_OK), "OK");
	assert_string_equal(grpc_status_name(GRPC_UNAUTHENTICATED), "UNAUTHENTICATED");
	assert_string_equal(grpc_status_name((enum grpc_status)17), "UNKNOWN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_21_status_is_decimal_without_leading_zeros),
		cmocka_unit_test(rule_22_http_stands_in_for_a_missing_status),
		cmocka_unit_test(rule_23_resets_have_a_status),
		cmocka_unit_test(names_are_those_of_grpc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
