#include "spanring/propagation.h"

#include "baggage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *header, struct spanring_baggage *ret)
{
	return spanring_baggage_parse(header, strlen(header), ret);
}

static void assert_value(const struct spanring_baggage *baggage, const char *name,
			 const char *value)
{
	char text[64];

	assert_int_equal(spanring_baggage_get(baggage, name, text, sizeof text),
			 (int)strlen(value));
	assert_string_equal(text, value);
}

static void rule_61_values_are_encoded_and_decoded(void **state)
{
	struct spanring_baggage baggage = {.length = 0};

	(void)state;
	assert_int_equal(spanring_baggage_set(&baggage, "user", "J\xc3\xbcrgen, 100 %", NULL),
			 0);
	assert_string_equal(baggage.text, "user=J%C3%BCrgen%2C%20100%20%25");
	assert_value(&baggage, "user", "J\xc3\xbcrgen, 100 %");
	assert_int_equal(parse("user=J%c3%bcrgen%2c%20100%20%25", &baggage), 0);
	assert_value(&baggage, "user", "J\xc3\xbcrgen, 100 %");
}

static void rule_61_a_value_that_is_no_utf8_is_repaired(void **state)
{
	struct spanring_baggage baggage;

	(void)state;
	assert_int_equal(
		parse("a=%ffx%C3,b=%ED%A0%80,c=%F0%9F%92%A1,d=1%2,e=%,f=%zz", &baggage), 0);
	assert_value(&baggage, "a", "\xef\xbf\xbdx\xef\xbf\xbd");
	assert_value(&baggage, "b", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_value(&baggage, "c", "\xf0\x9f\x92\xa1");
	assert_value(&baggage, "d", "1%2");
	assert_value(&baggage, "e", "%");
	assert_value(&baggage, "f", "%zz");
}

static void rule_61_names_are_case_sensitive_and_the_last_value_wins(void **state)
{
	struct spanring_baggage baggage;

	(void)state;
	assert_int_equal(parse("a=1,A=2,a=3", &baggage), 0);
	assert_string_equal(baggage.text, "A=2,a=3");
	assert_int_equal(spanring_baggage_set(&baggage, "A", "new", "ttl=30"), 0);
	assert_string_equal(baggage.text, "a=3,A=new;ttl=30");
	assert_int_equal(baggage.members, 2);
}

static void blanks_and_metadata_are_understood(void **state)
{
	struct spanring_baggage_member member = {.next = 0};
	struct spanring_baggage baggage;

	(void)state;
	assert_int_equal(parse(" a = 1 ; ttl = 30;secret\t, ,b=2;", &baggage), 0);
	assert_string_equal(baggage.text, "a=1;ttl = 30;secret,b=2");
	assert_int_equal(spanring_baggage_next(&baggage, &member), 1);
	assert_int_equal(member.metadata_length, strlen("ttl = 30;secret"));
	assert_int_equal(spanring_baggage_next(&baggage, &member), 1);
	assert_memory_equal(member.name, "b", 1);
	assert_int_equal(member.metadata_length, 0);
	assert_int_equal(spanring_baggage_next(&baggage, &member), 0);
	assert_int_equal(spanring_baggage_next(&baggage, &member), 0);
}

static void what_is_no_member_is_left_out_alone(void **state)
{
	struct spanring_baggage baggage;

	(void)state;
	assert_int_equal(
		parse("a=1,noequals,=2,b c=3,d=\"4\",e=\\,\xc3\xa9=5,f=6;\x01,g=7", &baggage),
		7);
	assert_string_equal(baggage.text, "a=1,g=7");
	assert_int_equal(parse("", &baggage), 0);
	assert_int_equal(baggage.length, 0);
	assert_string_equal(baggage.text, "");
}

static void members_are_removed_first_middle_and_last(void **state)
{
	struct spanring_baggage baggage;

	(void)state;
	parse("a=1,b=2;m,c=3", &baggage);
	assert_int_equal(spanring_baggage_remove(&baggage, "x"), -ENOENT);
	assert_int_equal(spanring_baggage_remove(&baggage, "b"), 0);
	assert_string_equal(baggage.text, "a=1,c=3");
	assert_int_equal(spanring_baggage_remove(&baggage, "c"), 0);
	assert_string_equal(baggage.text, "a=1");
	assert_int_equal(spanring_baggage_remove(&baggage, "a"), 0);
	assert_string_equal(baggage.text, "");
	assert_int_equal(baggage.members, 0);
	assert_int_equal(spanring_baggage_set(&baggage, "d", "4", ""), 0);
	assert_string_equal(baggage.text, "d=4");
}

static void rule_61_at_least_64_members_and_8192_bytes_are_kept_whole(void **state)
{
	static char header[3 * SPANRING_BAGGAGE_MAX];
	struct spanring_baggage baggage;
	size_t length = 0;

	(void)state;
	for (int i = 0; i < 64; i++)
		length += (size_t)sprintf(header + length, "%skey%02d=%0*d", i ? "," : "", i,
					  i == 63 ? 121 : 121, i);
	assert_int_equal(spanring_baggage_parse(header, length, &baggage), 0);
	assert_int_equal(baggage.members, 64);
	assert_int_equal(baggage.length, length);

	/* Exactly the limit, and one more. */
	memset(header, 'v', sizeof header);
	memcpy(header, "k=", 2);
	assert_int_equal(spanring_baggage_parse(header, 8192, &baggage), 0);
	assert_int_equal(baggage.length, 8192);
	assert_int_equal(spanring_baggage_parse(header, 8193, &baggage), 1);
	assert_int_equal(baggage.length, 0);
}

static void above_the_limits_nothing_is_changed(void **state)
{
	static char value[SPANRING_BAGGAGE_MAX + 1];
	struct spanring_baggage baggage = {.length = 0}, before;
	char name[16];

	(void)state;
	memset(value, 'v', SPANRING_BAGGAGE_MAX - 8);
	assert_int_equal(spanring_baggage_set(&baggage, "k", value, NULL), 0);
	before = baggage;
	assert_int_equal(spanring_baggage_set(&baggage, "long", "12", NULL), -ENOSPC);
	assert_memory_equal(&baggage, &before, sizeof baggage);
	memset(value, 'v', SPANRING_BAGGAGE_MAX);
	assert_int_equal(spanring_baggage_set(&baggage, "k", value, NULL), -ENOSPC);
	assert_memory_equal(&baggage, &before, sizeof baggage);
	assert_int_equal(spanring_baggage_set(&baggage, "k", "short", NULL), 0);

	for (int i = 1; i < SPANRING_BAGGAGE_MEMBERS_MAX; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(spanring_baggage_set(&baggage, name, "", NULL), 0);
	}
	assert_int_equal(spanring_baggage_set(&baggage, "more", "", NULL), -ENOSPC);
	assert_int_equal(spanring_baggage_set(&baggage, "n1", "again", NULL), 0);
	assert_int_equal(baggage.members, SPANRING_BAGGAGE_MEMBERS_MAX);
}

static void what_could_not_be_sent_is_refused(void **state)
{
	struct spanring_baggage baggage = {.length = 0};
	char small[4];

	(void)state;
	assert_int_equal(spanring_baggage_set(&baggage, NULL, "1", NULL), -EINVAL);
	assert_int_equal(spanring_baggage_set(&baggage, "", "1", NULL), -EINVAL);
	assert_int_equal(spanring_baggage_set(&baggage, "a b", "1", NULL), -EINVAL);
	assert_int_equal(spanring_baggage_set(&baggage, "a", NULL, NULL), -EINVAL);
	assert_int_equal(spanring_baggage_set(&baggage, "a", "1", "x,b=2"), -EINVAL);
	assert_int_equal(spanring_baggage_set(&baggage, "a", "1", "x\r\nb: 2"), -EINVAL);
	assert_int_equal(baggage.length, 0);
	assert_int_equal(spanring_baggage_set(&baggage, "a", "1\r\nx", NULL), 0);
	assert_string_equal(baggage.text, "a=1%0D%0Ax");
	assert_int_equal(spanring_baggage_get(&baggage, "a", small, sizeof small), -ENOSPC);
	assert_int_equal(spanring_baggage_get(&baggage, "a", small, 0), -ENOSPC);
	assert_int_equal(spanring_baggage_get(&baggage, "b", small, sizeof small), -ENOENT);
}

static void a_thread_has_the_inherited_one_until_it_attaches_its_own(void **state)
{
	struct spanring_baggage own = {.length = 0}, from_outside;
	const struct spanring_baggage *before;

	(void)state;
	parse("run=7", &from_outside);
	baggage_inherit(&from_outside);
	assert_string_equal(spanring_baggage_current()->text, "run=7");
	own = *spanring_baggage_current();
	spanring_baggage_set(&own, "turn", "1", NULL);
	before = spanring_baggage_attach(&own);
	assert_string_equal(spanring_baggage_current()->text, "run=7,turn=1");
	assert_ptr_equal(spanring_baggage_attach(before), &own);
	assert_string_equal(spanring_baggage_current()->text, "run=7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_61_values_are_encoded_and_decoded),
		cmocka_unit_test(rule_61_a_value_that_is_no_utf8_is_repaired),
		cmocka_unit_test(rule_61_names_are_case_sensitive_and_the_last_value_wins),
		cmocka_unit_test(blanks_and_metadata_are_understood),
		cmocka_unit_test(what_is_no_member_is_left_out_alone),
		cmocka_unit_test(members_are_removed_first_middle_and_last),
		cmocka_unit_test(rule_61_at_least_64_members_and_8192_bytes_are_kept_whole),
		cmocka_unit_test(above_the_limits_nothing_is_changed),
		cmocka_unit_test(what_could_not_be_sent_is_refused),
		cmocka_unit_test(a_thread_has_the_inherited_one_until_it_attaches_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
