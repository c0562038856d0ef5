/* The pass over a text: every literal is found wherever it stands, whichever way the
 * processor goes over it. */
#include "redact/scan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

static const struct {
	const char *text;
	uint8_t mark;
	bool caseless;
} literals[] = {
	{"sk-", 0, false}, {"sk-ant-", 0, false},     {"bearer", 3, true},
	{"://", 0, false}, {"-----BEGIN ", 5, false}, {"@", 0, false},
	{"en=", 0, true},  {"8Q~", 0, false},
};
#define LITERALS (sizeof literals / sizeof literals[0])

static void fill(struct scan *scan, bool vector, bool shorts)
{
	scan_init(scan);
	scan->vector &= vector;
	for (size_t i = 0; i < LITERALS; i++)
		if (shorts || strlen(literals[i].text) >= SCAN_MARK)
			assert_int_equal(scan_add(scan, bytes_of(literals[i].text),
						  literals[i].mark, literals[i].caseless,
						  (uint8_t)i, 0),
					 0);
}

/* Which literals begin where, as a bit for each literal, by `at`. */
static void find_all(const struct scan *scan, struct bytes text, uint32_t *at)
{
	size_t mark = 0, begin;

	memset(at, 0, text.len * sizeof *at);
	for (; (mark = scan_next(scan, text, mark)) < text.len; mark++) {
		const struct scan_anchor *anchor = NULL;

		while ((anchor = scan_anchor_at(scan, text, mark, anchor, &begin)))
			at[begin] |= 1u << anchor->rule;
	}
}

static void find_plainly(struct bytes text, bool shorts, uint32_t *at)
{
	memset(at, 0, text.len * sizeof *at);
	for (size_t i = 0; i < text.len; i++) {
		for (size_t l = 0; l < LITERALS; l++) {
			size_t len = strlen(literals[l].text);
			const char *here = (const char *)text.at + i;

			if (len > text.len - i || (!shorts && len < SCAN_MARK))
				continue;
			if (literals[l].caseless ? strncasecmp(here, literals[l].text, len) == 0
						 : memcmp(here, literals[l].text, len) == 0)
				at[i] |= 1u << l;
		}
	}
}

static void check(struct bytes text)
{
	static uint32_t wanted[4096], found[4096];

	for (int way = 0; way < 4; way++) {
		struct scan scan;

		fill(&scan, way & 1, way & 2);
		find_all(&scan, text, found);
		find_plainly(text, way & 2, wanted);
		for (size_t i = 0; i < text.len; i++)
			if (found[i] != wanted[i])
				fail_msg("way %d, %zu of %zu bytes: %x, not %x", way, i,
					 text.len, found[i], wanted[i]);
	}
}

/* Exactly as long, so that a read behind its end is seen by the sanitizer. */
static void check_copy(const uint8_t *at, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	if (len)
		memcpy(copy, at, len);
	check((struct bytes){copy, len});
	free(copy);
}

static void every_literal_is_found_at_every_place_of_texts_of_any_length(void **state)
{
	uint8_t text[80];

	(void)state;
	for (size_t l = 0; l < LITERALS; l++) {
		size_t len = strlen(literals[l].text);

		for (size_t total = 0; total < sizeof text; total += 1 + total / 24) {
			for (size_t i = 0; i + len <= total; i++) {
				memset(text, 'x', sizeof text);
				memcpy(text + i, literals[l].text, len);
				check_copy(text, total);
			}
		}
	}
}

static void random_texts_of_the_literals_bytes_are_found_the_same_way(void **state)
{
	static const char bytes[] = "sk-antbearer:/BEGIN @EnR=8Q~x";
	uint8_t text[300] = {0};
	uint32_t random = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		size_t len = (size_t)round;

		for (size_t i = 0; i < len; i++) {
			random = random * 1103515245 + 12345;
			text[i] = (uint8_t)bytes[(random >> 16) % (sizeof bytes - 1)];
		}
		check_copy(text, len);
	}
}

static void more_literals_than_there_is_room_for_are_refused(void **state)
{
	struct scan scan;

	(void)state;
	scan_init(&scan);
	assert_int_equal(scan_add(&scan, bytes_of(""), 0, false, 0, 0), -E2BIG);
	assert_int_equal(
		scan_add(&scan, bytes_of("a text of more than 24 bytes"), 0, false, 0, 0),
		-E2BIG);
	for (int i = 0; i < SCAN_ANCHORS_MAX; i++)
		assert_int_equal(scan_add(&scan, bytes_of("abc"), 0, false, 0, 0), 0);
	assert_int_equal(scan_add(&scan, bytes_of("abc"), 0, false, 0, 0), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_literal_is_found_at_every_place_of_texts_of_any_length),
		cmocka_unit_test(random_texts_of_the_literals_bytes_are_found_the_same_way),
		cmocka_unit_test(more_literals_than_there_is_room_for_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
