#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "archive/name_template.h"

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

static const uint8_t trace_id[16] = {0xab, 0xcd};

static const char *made(const char *text, const char *service, const char *span, uint64_t ns)
{
	static struct name name;
	struct name_parts parts = {{bytes_of(service), bytes_of(span)}, ns, trace_id};

	name_make(&name, text, &parts);
	return name.text;
}

static void a_name_has_the_time_in_utc_with_microseconds(void **state)
{
	(void)state;
	assert_string_equal(made(NULL, "agento", "", UINT64_C(1753647306821077999)),
			    "agento_run_20250727T201506821077.otlp.json");
	assert_string_equal(made(NULL, "a", "", 0), "a_run_19700101T000000000000.otlp.json");
	assert_string_equal(made(NULL, "a", "", UINT64_MAX),
			    "a_run_25540721T233433709551.otlp.json");
}

static void a_template_says_what_a_name_is_made_of(void **state)
{
	(void)state;
	assert_string_equal(made("%Y-%m-%d_%H.%M.%S_{name}", "s", "agento.pipeline",
				 UINT64_C(1753647306821077999)),
			    "2025-07-27_20.15.06_agento.pipeline.otlp.json");
	assert_string_equal(made("{trace_id}.otlp.json", "s", "n", 0),
			    "abcd0000000000000000000000000000.otlp.json");
	assert_string_equal(made("%j-%f-{service}", "a/b", "n", 1000000000),
			    "001-000000-a_b.otlp.json");
	/* Nobody said a name. */
	assert_string_equal(made("{name}", "service", "", 0), "service.otlp.json");
}

static void texts_are_cut_so_that_all_of_them_have_room(void **state)
{
	static const char longest[] =
		"0123456789012345678901234567890123456789012345678901234567890123456789";
	const char *name;

	(void)state;
	name = made("{service}-{name}-{time}", longest, longest, 0);
	assert_true(strlen(name) < NAME_MAX_BYTES - 33);
	assert_non_null(strstr(name, "-19700101T000000000000.otlp.json"));
	assert_int_equal(strcspn(name, "-"), (NAME_STEM_MAX - 23) / 2);
	assert_int_equal(strcspn(made(NULL, longest, "", 0), "_"), NAME_SERVICE_MAX);
}

static void what_is_no_template_is_refused_with_its_reason(void **state)
{
	static const char *const wrong[][2] = {
		{"", "not empty"},
		{".otlp.json", "not empty"},
		{".{service}", "no dot"},
		{"a/{service}", "'/' may not stand"},
		{"a b", "' ' may not stand"},
		{"{servise}", "not of '{servise}'"},
		{"{service", "not of '{service'"},
		{"%Y%q", "not of '%q'"},
		{"100%", "not of '%'"},
		{"\xc3\xbc", "may not stand"},
		{"{trace_id}_{trace_id}_{time}_{service}", "shorter"},
	};
	static const char *const good[] = {"{service}_run_{time}", "x", "%Y%m%d_{trace_id}",
					   "{service}.{name}.{time}.otlp.json"};
	char reason[NAME_REASON_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_ptr_equal(name_template_check(wrong[i][0], reason), reason);
		if (!strstr(reason, wrong[i][1]))
			fail_msg("%s: %s", wrong[i][0], reason);
	}
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_null(name_template_check(good[i], reason));
}

static void names_of_a_template_are_told_from_others(void **state)
{
	static const char text[] = "%Y-%m-%d_{name}";
	struct name found;

	(void)state;
	assert_int_equal(name_kind("2025-07-27_plan.otlp.json", text, &found), NAME_SEALED);
	assert_int_equal(name_kind("2025-07-27_plan_0123.otlp.json.partial", text, &found),
			 NAME_SPOOL);
	assert_string_equal(found.text, "2025-07-27_plan_0123.otlp.json");
	assert_int_equal(name_kind("july_plan.otlp.json", text, &found), NAME_OTHER);
	assert_int_equal(name_kind("2025-07-27_plan.otlp.json", NULL, &found), NAME_OTHER);
	/* From before the template was changed. */
	assert_int_equal(name_kind("a_run_19700101T000000000000.otlp.json", text, &found),
			 NAME_SEALED);
}

static void names_of_a_run_are_told_from_others(void **state)
{
	char text[NAME_FULL_BYTES];
	struct name name, found;

	(void)state;
	(void)snprintf(name.text, sizeof name.text, "%s", made(NULL, "a", "", 1));
	assert_int_equal(name_kind(name.text, NULL, &found), NAME_SEALED);
	assert_string_equal(found.text, name.text);
	name_spool(text, &name);
	assert_int_equal(name_kind(text, NULL, &found), NAME_SPOOL);
	assert_string_equal(found.text, name.text);
	name_temporary(text, &name);
	assert_int_equal(name_kind(text, NULL, &found), NAME_TEMPORARY);
	assert_string_equal(found.text, name.text);
	name_spool_temporary(text, &name);
	assert_int_equal(name_kind(text, NULL, &found), NAME_TEMPORARY);
	assert_string_equal(found.text, name.text);
	name_kept(text, &name, 3);
	assert_int_equal(name_kind(text, NULL, &found), NAME_OTHER);
	assert_int_equal(name_kind("notes.txt", NULL, &found), NAME_OTHER);
	assert_int_equal(name_kind(".otlp.json", NULL, &found), NAME_OTHER);
	assert_int_equal(name_kind("x.otlp.json", NULL, &found), NAME_OTHER);
	assert_int_equal(name_kind("", NULL, &found), NAME_OTHER);
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
		cmocka_unit_test(a_template_says_what_a_name_is_made_of),
		cmocka_unit_test(texts_are_cut_so_that_all_of_them_have_room),
		cmocka_unit_test(what_is_no_template_is_refused_with_its_reason),
		cmocka_unit_test(names_of_a_template_are_told_from_others),
		cmocka_unit_test(names_of_a_run_are_told_from_others),
		cmocka_unit_test(a_name_from_a_file_is_one_safe_component),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
