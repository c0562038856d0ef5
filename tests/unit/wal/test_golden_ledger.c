/* The payloads in which ledgers lie in the log, member by member: whoever
 * shifts one would count the past wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden.h"
#include "pipeline.h"

#define AT(type, member)                                         \
	{                                                        \
#type "." #member, offsetof(struct type, member) \
	}

static const struct {
	const char *name;
	size_t offset;
} members[] = {
	AT(assemble_ledger, records),
	AT(assemble_ledger, parked),
	AT(assemble_ledger, dropped_late),
	AT(assemble_ledger, dropped_duplicate_start),
	AT(assemble_ledger, started),
	AT(assemble_ledger, finished),
	AT(assemble_ledger, lost_in_log),
	AT(assemble_ledger, end_lost),
	AT(assemble_ledger, after_stale),
	AT(run_ledger, started),
	AT(run_ledger, finished),
	AT(run_ledger, archived),
	AT(run_ledger, corrected),
	AT(run_ledger, dropped_starts),
	AT(run_ledger, dropped_records),
	AT(run_ledger, dropped_archive),
	AT(drain_ledger, written),
	AT(drain_ledger, dropped_too_large),
	AT(drain_ledger, bytes),
	AT(drain_ledger, refused),
	AT(destination_ledger, number),
	AT(destination_ledger, sent),
	AT(destination_ledger, dropped_too_large),
	AT(destination_ledger, dropped_lost),
	AT(destination_ledger, uncounted),
	AT(destination_ledger, unsettled),
	AT(destination_ledger, ahead_after),
	AT(destination_ledger, ahead_number),
	AT(destination_ledger, ahead_sent),
	AT(destination_ledger, ahead_dropped_lost),
	AT(archive_ledger, kept),
	AT(archive_ledger, uncounted),
	AT(archive_ledger, dropped_lost),
	AT(pipeline_ledger, began_wall_ns),
	AT(pipeline_ledger, starts),
};
#define MEMBERS (sizeof members / sizeof members[0])

static void ledgers_lie_in_the_log_as_they_ever_did(void **state)
{
	uint8_t offsets[MEMBERS];

	(void)state;
	for (size_t i = 0; i < MEMBERS; i++)
		offsets[i] = (uint8_t)members[i].offset;
	golden_compare(__FILE__, "ledger.hex", offsets, sizeof offsets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ledgers_lie_in_the_log_as_they_ever_did),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
