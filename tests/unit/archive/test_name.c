#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "archive/name.h"

static void assert_service(const char *service, const char *expect)
{
	char text[NAME_SERVICE_MAX + 1];

	name_service(text, bytes_of(service));
	assert_string_equal(text, expect);
}

static void a_service_is_reduced_to_what_is_safe_in_a_name(void **state)
{
	(void)state;
	assert_service("agento", "agento");
	assert_service("My-Service_1.2", "My-Service_1.2");
	assert_service("", "unknown_service");
	assert_service("../../etc/passwd", "_._.._etc_passwd");
	assert_service(".hidden", "_hidden");
	assert_service("a b\n", "a_b_");
	assert_service("\xc3\xbc" "ber", "_ber");
	assert_service("1234567890123456789012345678901234567890123456789012345678901234567890",
		       "1234567890123456789012345678901234567890123456789012345678901234");
}

static void a_name_has_the_time_in_utc_with_microseconds(void **state)
{
	const uint8_t trace_id[16] = {0xab, 0xcd};
	struct name name;

	(void)state;
	name_make(&name, bytes_of("agento"), UINT64_C(1753647306821077999), NULL);
	assert_string_equal(name.text, "agento_run_20250727T201506821077.otlp.json");
	name_make(&name, bytes_of("a"), 0, trace_id);
	assert_string_equal(name.text, "a_run_19700101T000000000000_"
				       "abcd0000000000000000000000000000.otlp.json");
	name_make(&name, bytes_of("a"), UINT64_MAX, NULL);
	assert_string_equal(name.text, "a_run_25540721T233433709551.otlp.json");
}

static void names_of_a_run_are_told_from_others(void **state)
{
	char text[NAME_FULL_BYTES];
	struct name name, found;

	(void)state;
	name_make(&name, bytes_of("a"), 1, NULL);
	assert_int_equal(name_kind(name.text, &found), NAME_SEALED);
	assert_string_equal(found.text, name.text);
	name_spool(text, &name);
	assert_int_equal(name_kind(text, &found), NAME_SPOOL);
	assert_string_equal(found.text, name.text);
	name_temporary(text, &name);
	assert_int_equal(name_kind(text, &found), NAME_TEMPORARY);
	assert_string_equal(found.text, name.text);
	name_spool_temporary(text, &name);
	assert_int_equal(name_kind(text, &found), NAME_TEMPORARY);
	assert_string_equal(found.text, name.text);
	name_kept(text, &name, 3);
	assert_int_equal(name_kind(text, &found), NAME_OTHER);
	assert_int_equal(name_kind("notes.txt", &found), NAME_OTHER);
	assert_int_equal(name_kind(".otlp.json", &found), NAME_OTHER);
	assert_int_equal(name_kind("x.otlp.json", &found), NAME_OTHER);
	assert_int_equal(name_kind("", &found), NAME_OTHER);
}

static void a_name_from_a_file_is_one_safe_component(void **state)
{
	char longest[NAME_MAX_BYTES + 1];

	(void)state;
	assert_true(name_is_safe(bytes_of("a_run_1.otlp.json")));
	assert_false(name_is_safe(bytes_of("")));
	assert_false(name_is_safe(bytes_of(".x")));
	assert_false(name_is_safe(bytes_of("a/b")));
	memset(longest, 'x', sizeof(longest));
	longest[NAME_MAX_BYTES - 1] = '\0';
	assert_true(name_is_safe(bytes_of(longest)));
	longest[NAME_MAX_BYTES - 1] = 'x';
	longest[NAME_MAX_BYTES] = '\0';
	assert_false(name_is_safe(bytes_of(longest)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_is_reduced_to_what_is_safe_in_a_name),
		cmocka_unit_test(a_name_has_the_time_in_utc_with_microseconds),
		cmocka_unit_test(names_of_a_run_are_told_from_others),
		cmocka_unit_test(a_name_from_a_file_is_one_safe_component),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
