/* Spans that a spool lost on the disk: a line whose sum is wrong, a file that was
 * cut or removed. The run is not sealed before the log was asked for them, once for
 * all runs (archive_wants_again()). What comes is added to the spool again; what
 * does not is counted, said, and recorded, so that no later start counts it again. */
#include "archive/stage.h"

#include <errno.h>
#include <syslog.h>

void missing_add(struct run *run, uint32_t spans)
{
	run->archive->missing_runs += run->missing == 0 && spans > 0;
	run->missing += spans;
	run->archive->missing_more |= spans > 0;
}

void missing_forget(struct run *run)
{
	run->archive->missing_runs -= run->missing > 0;
	run->missing = 0;
}

/* Whatever was not yet archived before and is not there now. */
static int go_on_without(struct run *run, uint64_t before)
{
	struct archive *archive = run->archive;
	int r;

	r = reopen_run(run, NULL);
	if (run_not_archived(run) < before)
		missing_add(run, (uint32_t)(before - run_not_archived(run)));
	archive->counters.waiting += run_not_archived(run) - before;
	run_mark_busy(run);
	return r < 0 ? r : 1;
}

int missing_spool(struct run *run)
{
	uint64_t before = run_not_archived(run);

	sealing_abandon(run);
	turns_leave(run);
	run_set_open(run);
	spool_forget_written(&run->spool);
	return go_on_without(run, before);
}

int missing_entries(struct run *run)
{
	struct archive *archive = run->archive;
	uint64_t before = run_not_archived(run);
	int renewed = 0, r;

	sealing_abandon(run);
	turns_leave(run);
	run_set_open(run);
	archive->counters.damaged_lines += spool_drop_damaged(&run->spool);
	if (run->spool.read_tries >= SPOOL_READ_TRIES)
		renewed = run_renew_spool(run);
	r = go_on_without(run, before);
	return renewed < 0 ? renewed : r;
}

/* --- from the log ---------------------------------------------------------- */

bool archive_wants_again(const struct archive *archive)
{
	return archive->missing_runs > 0;
}

void archive_again_begin(struct archive *archive)
{
	archive->missing_more = false;
}

/* One that will be pushed yet is not missing. */
static bool may_be_missing(const struct run *run, uint64_t number)
{
	return number <= run_newest_number(run);
}

void archive_again(struct archive *archive, const struct finished_span *span)
{
	struct run *run = run_find(archive, span->trace_id);
	struct span_facts facts;
	int r = 0;

	if (!run || !run->missing || !may_be_missing(run, span->number) ||
	    span_facts_read(&facts, span->span) < 0 ||
	    memcmp(facts.trace_id, span->trace_id, 16) != 0)
		return;
	/* Without memory it is lost, and counted as that. */
	if (spool_has(&run->spool, span, &facts, run->edited) != 0 ||
	    spool_add(&run->spool, span, &facts) < 0)
		return;
	run_note(run, &facts);
	archive->counters.restored++;
	archive->missing_runs -= run->missing == 1;
	run->missing--;
	run->sync_wanted = true;
	run_mark_busy(run);
	if (run->spool.waiting.len >= SPOOL_WRITE_BYTES)
		r = run_flush(run);
	if (r < 0)
		(void)archive_fail(archive, run->spool.name, r);
}

static void give_up(struct run *run)
{
	struct archive *archive = run->archive;
	uint32_t lost = run->missing;

	if (lost == 0)
		return;
	missing_forget(run);
	archive->counters.waiting -= lost;
	archive->counters.dropped_lost += lost;
	archive->fates.settled.dropped_lost += lost;
	if (archive->ops.dropped)
		archive->ops.dropped(archive->ops.arg, run->trace_id, lost);
	archive_say(archive, LOG_ERR, "%s/%s was damaged or removed: %u spans of it are lost",
		    archive->options.dir, run->spool.name, lost);
	run_mark_busy(run);
	/* The next start must not count them again; a log that is full just now
	 * lets it. */
	run->recorded_spans -= lost < run->recorded_spans ? lost : run->recorded_spans;
	if (run->recorded)
		(void)checkpoint_record_open(run);
}

void archive_again_done(struct archive *archive)
{
	if (archive->missing_more)
		return;
	for (struct run *run = archive->runs; run; run = run->next)
		give_up(run);
}
