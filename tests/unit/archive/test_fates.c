#include "archive/fates.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void note(struct fates *fates, uint64_t first, uint64_t last, enum fate fate)
{
	assert_int_equal(fates_reserve(fates), 0);
	fates_note(fates, first, last, fate);
}

static void what_lies_behind_the_mark_is_not_settled(void **state)
{
	struct fates fates = {0};
	struct archive_ledger ledger;

	(void)state;
	note(&fates, 1, 10, FATE_KEPT);
	note(&fates, 11, 11, FATE_INVALID);
	note(&fates, 12, 14, FATE_MISSING);
	note(&fates, 15, 30, FATE_KEPT);
	ledger = fates_settled(&fates, 12);
	assert_int_equal(ledger.kept, 10);
	assert_int_equal(ledger.dropped_invalid, 1);
	assert_int_equal(ledger.missing, 1);
	assert_int_equal(fates.settled.kept, 0);
	fates_settle(&fates, 12);
	assert_int_equal(fates.settled.kept, 10);
	ledger = fates_settled(&fates, 20);
	assert_int_equal(ledger.kept, 16);
	assert_int_equal(ledger.missing, 3);
	fates_settle(&fates, 20);
	fates_settle(&fates, 20);
	assert_int_equal(fates.settled.kept, 16);
	fates_settle(&fates, 30);
	assert_int_equal(fates.settled.kept, 26);
	assert_int_equal(fates.count, 0);
	fates_fini(&fates);
}

static void spans_that_follow_each_other_are_one_stretch(void **state)
{
	struct fates fates = {0};

	(void)state;
	for (uint64_t number = 1; number <= 100000; number++)
		note(&fates, number, number, FATE_KEPT);
	assert_int_equal(fates.count, 1);
	fates_settle(&fates, 99999);
	assert_int_equal(fates.settled.kept, 99999);
	assert_int_equal(fates.at[0].first, 100000);
	fates_fini(&fates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lies_behind_the_mark_is_not_settled),
		cmocka_unit_test(spans_that_follow_each_other_are_one_stretch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
