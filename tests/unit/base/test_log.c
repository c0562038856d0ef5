#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static uint64_t now_ns;
static int ends[2];
static char said[65536];

static uint64_t fake_clock(void *arg)
{
	(void)arg;
	return now_ns;
}

static void begin(bool journald)
{
	struct log_options options = {
		.level = LOG_INFO,
		.fd = ends[1],
		.journald = journald,
		.burst = 3,
		.interval_ns = 1000000000,
		.mono_ns = fake_clock,
		.wall_ns = fake_clock,
	};

	now_ns = UINT64_C(1700000000123000000);
	log_init(&options);
}

static const char *heard(void)
{
	ssize_t n = read(ends[0], said, sizeof said - 1);

	said[n > 0 ? n : 0] = '\0';
	return said;
}

static int setup(void **state)
{
	(void)state;
	return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
}

static int teardown(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void a_line_is_logfmt_with_time_level_and_stage(void **state)
{
	(void)state;
	begin(false);
	log_line(LOG_WARNING, "export", "retrying in %d ms", 2000);
	assert_string_equal(heard(), "ts=2023-11-14T22:13:20.123Z level=warning stage=export "
				     "msg=\"retrying in 2000 ms\"\n");
}

static void under_journald_the_priority_stands_in_front_and_no_time(void **state)
{
	(void)state;
	begin(true);
	log_line(LOG_ERR, "wal", "disk full");
	assert_string_equal(heard(), "<3>level=error stage=wal msg=\"disk full\"\n");
}

static void what_a_peer_chose_cannot_break_the_line_or_the_terminal(void **state)
{
	(void)state;
	begin(true);
	log_line(LOG_ERR, "drain", "name=%s", "a\"b\\c\n\x1b[31m\xc2\x9b\xff \xc3\xa9");
	assert_string_equal(heard(), "<3>level=error stage=drain msg=\"name=a\\\"b\\\\c\\n"
				     "\\x1b[31m\\xc2\\x9b\\xff \xc3\xa9\"\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	begin(true);
	log_line(LOG_DEBUG, "drain", "nothing");
	assert_string_equal(heard(), "");
}

static void too_many_of_a_kind_are_counted_and_said_later(void **state)
{
	(void)state;
	begin(true);
	for (int i = 0; i < 10; i++)
		log_line(LOG_INFO, "drain", "ring %d", i);
	assert_string_equal(heard(), "<6>level=info stage=drain msg=\"ring 0\"\n"
				     "<6>level=info stage=drain msg=\"ring 1\"\n"
				     "<6>level=info stage=drain msg=\"ring 2\"\n");
	assert_int_equal(log_suppressed(), 7);
	now_ns += 2000000000;
	for (int i = 0; i < 2; i++)
		log_line(LOG_INFO, "drain", "ring %d", i);
	/* What was too much before stays at one line in an interval. */
	assert_string_equal(heard(), "<6>level=info stage=drain suppressed=7 msg=\"ring 0\"\n");
	log_line(LOG_INFO, "drain", "another kind");
	assert_string_equal(heard(), "<6>level=info stage=drain msg=\"another kind\"\n");
}

static void ready_lines_that_differ_in_chosen_names_are_of_one_kind(void **state)
{
	(void)state;
	begin(true);
	log_text(LOG_ERR, "drain", "abcdefabcdefabcdefabcdefabcdefab.ring is bad");
	log_text(LOG_ERR, "drain", "fedcbafedcbafedcbafedcbafedcbafe.ring is bad");
	log_text(LOG_ERR, "drain", "a1b2.ring is bad");
	log_text(LOG_ERR, "drain", "b2a1.ring is bad");
	log_text(LOG_ERR, "drain", "dddddddddddddddddddddddddddddddd.ring is bad");
	assert_int_equal(log_suppressed(), 2);
	(void)heard();
	log_text(LOG_ERR, "drain", "a1b2.ring is worse");
	assert_int_equal(log_suppressed(), 2);
	(void)heard();
}

static void ready_lines_that_differ_in_digits_are_of_one_kind(void **state)
{
	(void)state;
	begin(true);
	for (int i = 0; i < 5; i++) {
		char line[32];

		snprintf(line, sizeof line, "segment %d lost", i);
		log_text(LOG_INFO, "wal", line);
	}
	assert_int_equal(log_suppressed(), 2);
	heard();
	log_text(LOG_INFO, "wal", "something else");
	assert_string_equal(heard(), "<6>level=info stage=wal msg=\"something else\"\n");
}

static void a_line_that_is_too_long_is_cut_and_says_so(void **state)
{
	char *text = malloc(5000);
	const char *line;

	(void)state;
	memset(text, 'x', 4999);
	text[4999] = '\0';
	begin(true);
	log_line(LOG_INFO, "drain", "%s", text);
	line = heard();
	assert_true(strlen(line) <= LOG_LINE_BYTES_MAX);
	assert_string_equal(line + strlen(line) - 6, "x...\"\n");
	free(text);
}

static void the_journal_is_recognised_by_its_stream(void **state)
{
	struct stat st;
	char stream[64];

	(void)state;
	assert_int_equal(fstat(ends[1], &st), 0);
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_true(log_is_journald(ends[1]));
	setenv("JOURNAL_STREAM", "1:2", 1);
	assert_false(log_is_journald(ends[1]));
	unsetenv("JOURNAL_STREAM");
	assert_false(log_is_journald(ends[1]));
}

static void levels_have_names_and_numbers(void **state)
{
	int level = -1;

	(void)state;
	assert_int_equal(log_level_parse("warning", &level), 0);
	assert_int_equal(level, LOG_WARNING);
	assert_int_equal(log_level_parse("7", &level), 0);
	assert_int_equal(level, LOG_DEBUG);
	assert_int_equal(log_level_parse("loud", &level), -22);
	assert_string_equal(log_level_name(LOG_ERR), "error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_logfmt_with_time_level_and_stage),
		cmocka_unit_test(under_journald_the_priority_stands_in_front_and_no_time),
		cmocka_unit_test(what_a_peer_chose_cannot_break_the_line_or_the_terminal),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(too_many_of_a_kind_are_counted_and_said_later),
		cmocka_unit_test(ready_lines_that_differ_in_chosen_names_are_of_one_kind),
		cmocka_unit_test(ready_lines_that_differ_in_digits_are_of_one_kind),
		cmocka_unit_test(a_line_that_is_too_long_is_cut_and_says_so),
		cmocka_unit_test(the_journal_is_recognised_by_its_stream),
		cmocka_unit_test(levels_have_names_and_numbers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
