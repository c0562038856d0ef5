/* What the log counts, by name. */
#include "wal/wal.h"

#define ROW(member, word, metric, help) \
	COUNTER_ROW(wal_counters, member, COUNTER_TOTAL, LEDGER_NONE, word, metric, NULL, help)
#define NAMED(key, member, word, metric, help)                                             \
	COUNTER_NAMED(wal_counters, key, member, COUNTER_TOTAL, LEDGER_NONE, word, metric, \
		      NULL, help)

static const struct counter rows[] = {
	ROW(frames, NULL, "spanring_log_frames", "Frames appended."),
	NAMED("written_bytes", bytes, "bytes written", "spanring_log_written_bytes",
	      "Bytes of frames appended."),
	NAMED("spans", spans, "spans", "spanring_log_appended_spans",
	      "Spans this agent appended."),
	ROW(commits, NULL, "spanring_log_commits", "Writes of pending frames."),
	ROW(commit_failures, "commit failures", "spanring_log_commit_failures",
	    "Writes that failed and are tried again."),
	ROW(syncs, NULL, "spanring_log_syncs", "Syncs answered."),
	ROW(sync_failures, "sync failures", "spanring_log_sync_failures",
	    "Syncs that failed; the segment is written anew."),
	ROW(damaged_frames, "damaged frames", "spanring_log_damaged_frames",
	    "Damaged places passed over by recovery, each at least one frame."),
	ROW(cut_bytes, "bytes cut", "spanring_log_cut_bytes",
	    "Bytes of a torn tail that recovery cut."),
	ROW(corrupt_segments, "corrupt segments", "spanring_log_corrupt_segments",
	    "Segments recovery could not read and set aside."),
	ROW(unknown_frames, "unknown frames", "spanring_log_unknown_frames",
	    "Frames of a kind this version does not know."),
	ROW(incomplete_chains, "incomplete chains", "spanring_log_incomplete_chains",
	    "Values in several frames of which one was missing."),
	ROW(lost_scopes, "lost scopes", "spanring_log_lost_scopes",
	    "Spans whose resource and scope were damaged."),
	ROW(reader_damaged, "damaged for a reader", "spanring_log_reader_damaged_frames",
	    "Damaged places met when reading spans back."),
	ROW(segments, "segments", "spanring_log_segments", "Segments begun."),
	ROW(segments_deleted, "segments deleted", "spanring_log_segments_deleted",
	    "Segments nobody needed any more."),
	ROW(segments_removed, "segments removed by somebody", "spanring_log_segments_removed",
	    "Segments that somebody removed while they were written; made again."),
};

const struct counter_table wal_counter_table = {rows, sizeof rows / sizeof rows[0]};
