#include "otlp/json_parse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static unsigned long nth, times;

/* From the nth on, so many allocations fail. */
static void *sometimes(size_t size)
{
	if (nth > 0 && --nth > 0)
		return malloc(size);
	if (times == 0)
		return malloc(size);
	times--;
	nth = 1;
	return NULL;
}

/* Strings that grow over several allocations, keys among them. */
static struct buf text_of_many_kinds(void)
{
	struct buf text = BUF_INIT;

	(void)buf_append_text(&text, "{\"a key that is longer than the first buffer of it\":[");
	for (int i = 0; i < 20; i++) {
		(void)buf_printf(&text, "%s{\"n\":%d,\"text\":\"", i ? "," : "", i);
		for (int c = 0; c < 100 * i; c++)
			(void)buf_append_byte(&text, (uint8_t)('a' + c % 26));
		(void)buf_append_text(&text, "\"}");
	}
	(void)buf_append_text(&text, "]}");
	assert_false(buf_failed(&text));
	return text;
}

static void what_is_read_is_whole_or_not_there_whichever_allocation_fails(void **state)
{
	struct buf text = text_of_many_kinds();
	json_t *whole, *value;
	json_error_t error;
	unsigned long failures = 0;

	(void)state;
	assert_int_equal(otlp_json_parse(&whole, buf_bytes(&text), 0, &error), 0);
	json_set_alloc_funcs(sometimes, free);
	for (unsigned long first = 1; first < 1000; first++) {
		int r;

		nth = first;
		times = 1 + first % 3;
		r = otlp_json_parse(&value, buf_bytes(&text), 0, &error);
		times = 0;
		assert_true(r == 0 || r == -ENOMEM);
		failures += r < 0;
		if (r == 0) {
			assert_true(json_equal(whole, value));
			json_decref(value);
		}
	}
	json_set_alloc_funcs(malloc, free);
	assert_true(failures > 50);
	json_decref(whole);
	buf_fini(&text);
}

static void what_is_no_json_is_told_where(void **state)
{
	json_error_t error;
	json_t *value;

	(void)state;
	assert_int_equal(otlp_json_parse(&value, bytes_of("{\n\"a\": x}"), 0, &error),
			 -EBADMSG);
	assert_int_equal(error.line, 2);
	assert_int_equal(otlp_json_parse(&value, bytes_of(""), 0, &error), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read_is_whole_or_not_there_whichever_allocation_fails),
		cmocka_unit_test(what_is_no_json_is_told_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
