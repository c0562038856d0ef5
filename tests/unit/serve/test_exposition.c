/* The Prometheus text format. tests/e2e/test_serve has it read by others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "serve/exposition.h"

static const struct counter rows[] = {
	{"sent", 0, COUNTER_TOTAL, LEDGER_NONE, NULL, "sent_spans", NULL, "Sent."},
	{"late", 8, COUNTER_TOTAL, LEDGER_NONE, NULL, "dropped", "reason=\"late\"", "Dropped."},
	{"odd", 16, COUNTER_TOTAL, LEDGER_NONE, NULL, "dropped", "reason=\"odd\"", "Dropped."},
	{"hidden", 0, COUNTER_NOW, LEDGER_NONE, NULL, NULL, NULL, NULL},
	{"age", 24, COUNTER_AGE, LEDGER_NONE, NULL, "oldest", NULL, "Oldest."},
};
static const struct counter_table table = {rows, sizeof rows / sizeof rows[0]};

static void rule_72_families_have_help_type_and_suffixes(void **state)
{
	const uint64_t one[] = {5, 1, 2, 1500000000}, two[] = {6, 0, 0, 7};
	const struct exposition_source sources[] = {{one, "to=\"a\""}, {two, "to=\"b\""}};
	struct buf out = BUF_INIT;

	(void)state;
	exposition_table(&out, &table, sources, 2);
	(void)buf_append_byte(&out, 0);
	assert_string_equal((char *)out.at, "# HELP sent_spans_total Sent.\n"
					    "# TYPE sent_spans_total counter\n"
					    "sent_spans_total{to=\"a\"} 5\n"
					    "sent_spans_total{to=\"b\"} 6\n"
					    "# HELP dropped_total Dropped.\n"
					    "# TYPE dropped_total counter\n"
					    "dropped_total{to=\"a\",reason=\"late\"} 1\n"
					    "dropped_total{to=\"a\",reason=\"odd\"} 2\n"
					    "dropped_total{to=\"b\",reason=\"late\"} 0\n"
					    "dropped_total{to=\"b\",reason=\"odd\"} 0\n"
					    "# HELP oldest_seconds Oldest.\n"
					    "# TYPE oldest_seconds gauge\n"
					    "oldest_seconds{to=\"a\"} 1.500000000\n"
					    "oldest_seconds{to=\"b\"} 0.000000007\n");
	buf_fini(&out);
}

static void values_of_labels_are_escaped(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	exposition_label(&out, "dir", "a\"b\\c\nd");
	(void)buf_append_byte(&out, 0);
	assert_string_equal((char *)out.at, "dir=\"a\\\"b\\\\c\\nd\"");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_72_families_have_help_type_and_suffixes),
		cmocka_unit_test(values_of_labels_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
