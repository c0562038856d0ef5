/* What the archive counts, by name. */
#include "archive/archive.h"

#include "archive/stage.h"

#define ROW(member, kind, side, word, metric, label, help) \
	COUNTER_ROW(archive_counters, member, kind, side, word, metric, label, help)
#define DROPPED(reason, side)                                                                 \
	ROW(dropped_##reason, COUNTER_TOTAL, side, #reason, "spanring_archive_dropped_spans", \
	    "reason=\"" #reason "\"", "Spans that are in no archive file, by reason.")

static const struct counter rows[] = {
	ROW(spans, COUNTER_TOTAL, LEDGER_IN, "taken", "spanring_archive_spans", NULL,
	    "Spans written into spools."),
	ROW(recovered, COUNTER_TOTAL, LEDGER_IN, NULL, "spanring_archive_recovered_spans", NULL,
	    "Spans found in spools after a restart."),
	ROW(archived, COUNTER_TOTAL, LEDGER_OUT, NULL, "spanring_archive_archived_spans", NULL,
	    "Spans in sealed files."),
	ROW(waiting, COUNTER_NOW, LEDGER_OUT, NULL, "spanring_archive_waiting_spans", NULL,
	    "Spans in spools of runs that are not over."),
	DROPPED(filtered, LEDGER_OUT),
	DROPPED(lost, LEDGER_OUT),
	DROPPED(superseded, LEDGER_OUT),
	/* What could not be printed was never taken. */
	DROPPED(invalid, LEDGER_NONE),
	ROW(repeated, COUNTER_TOTAL, LEDGER_NONE, NULL, "spanring_archive_repeated_spans", NULL,
	    "Spans pushed again after a restart that were in a file already."),
	ROW(damaged_lines, COUNTER_TOTAL, LEDGER_NONE, "damaged lines",
	    "spanring_archive_damaged_lines", NULL,
	    "Lines of spools whose checksum was wrong, or that were cut off."),
	ROW(restored, COUNTER_TOTAL, LEDGER_NONE, "restored from the log",
	    "spanring_archive_restored_spans", NULL,
	    "Spans that a damaged spool lost and the log still had."),
	ROW(open_runs, COUNTER_NOW, LEDGER_NONE, "open runs", "spanring_archive_open_runs",
	    NULL, "Runs that are not sealed."),
	ROW(sealed, COUNTER_TOTAL, LEDGER_NONE, NULL, "spanring_archive_sealed_runs", NULL,
	    "Runs sealed into a file."),
	ROW(reopened, COUNTER_TOTAL, LEDGER_NONE, NULL, "spanring_archive_reopened_runs", NULL,
	    "Sealed runs that got a late span."),
	ROW(kept_aside, COUNTER_TOTAL, LEDGER_NONE, "kept aside",
	    "spanring_archive_kept_aside_files", NULL,
	    "Sealed files that were not what had been sealed, and were kept."),
	ROW(retired, COUNTER_TOTAL, LEDGER_NONE, "removed by retention",
	    "spanring_archive_retired_files", NULL, "Files that archive.retention removed."),
	ROW(retired_bytes, COUNTER_TOTAL, LEDGER_NONE, NULL, "spanring_archive_retired_bytes",
	    NULL, "Bytes of the files that archive.retention removed."),
	ROW(retire_waiting, COUNTER_NOW, LEDGER_NONE, "kept from retention",
	    "spanring_archive_retire_waiting_files", NULL,
	    "Files that archive.retention would remove, but their runs are open or not sent."),
	ROW(retire_failures, COUNTER_TOTAL, LEDGER_NONE, "could not be removed",
	    "spanring_archive_retire_failures", NULL,
	    "Files that archive.retention could not remove."),
	ROW(failures, COUNTER_TOTAL, LEDGER_NONE, NULL, "spanring_archive_failures", NULL,
	    "What the directory or its disk refused."),
};

const struct counter_table archive_counter_table = {rows, sizeof rows / sizeof rows[0]};

void archive_ledger(const struct archive *archive, struct archive_ledger *ret_ledger,
		    uint64_t *ret_number)
{
	*ret_ledger = fates_settled(&archive->fates, archive->pushed);
	*ret_number = archive->pushed;
}
