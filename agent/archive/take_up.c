/* Spools become runs again: after a restart, and whenever one stands where a run
 * is about to make its own. A spool belongs to the run whose trace its lines are
 * of, whatever its name; none of that run's is ever passed by, kept aside or
 * written over, because what it says may be nowhere else. */
#include "archive/stage.h"
#include "base/error.h"

#include <errno.h>
#include <syslog.h>

static void note_span(void *arg, const struct span_facts *facts,
		      const struct finished_span *span)
{
	(void)span;
	run_note(arg, facts);
}

static int load_spool(struct run *run, uint32_t *ret_damaged)
{
	struct archive *archive = run->archive;
	struct spool_damage damage = {0};
	int r;

	r = spool_load(&run->spool, run->trace_id, note_span, run, &damage);
	if (r == -ENOENT)
		return 0;
	if (r == -EISDIR || r == -ELOOP) {
		spool_forget_written(&run->spool);
		return run_keep_aside(archive, run->spool.name, &run->name);
	}
	if (r < 0)
		return r;
	if (damage.lines > 0)
		archive_say(archive, LOG_ERR, "%s/%s: %u damaged lines passed over",
			    archive->options.dir, run->spool.name, damage.lines);
	archive->counters.damaged_lines += damage.lines;
	*ret_damaged = damage.lines;
	if (damage.lines > 0 && run->spool.count == 0) {
		spool_forget_written(&run->spool);
		return run_keep_aside(archive, run->spool.name, &run->name);
	}
	return 0;
}

/* Size and CRC in the index may be those of the file before: a spool says that
 * a seal may have been interrupted. What the file says decides. */
static int unite_with_file(struct run *run)
{
	struct index_entry entry;
	int r;

	r = index_find(&run->archive->index, run->trace_id, &entry);
	if (r <= 0 || strcmp(entry.name.text, run->name.text) != 0)
		return r < 0 ? r : 0;
	entry.crc_known = entry.crc_known && run->spool.count == 0;
	return reopen_run(run, &entry);
}

/* What was in the spool and is not any more, before the log is asked for it. Of a run that the
 * log knows that is what it recorded: a damaged line behind it, as a power loss leaves them, is
 * pushed again. Of another one it is every damaged line. */
static uint64_t spans_lost(const struct run *run, bool was_open, uint32_t damaged)
{
	if (!was_open)
		return damaged;
	return run->recorded_spans > run->spool.count ? run->recorded_spans - run->spool.count
						      : 0;
}

/* A run that gets no file loses its spool just before the log is told so. */
static bool was_filtered(const struct run *run)
{
	const struct archive_options *options = &run->archive->options;

	return run->spool.count == 0 &&
	       (options->root_count > 0 || run->recorded_spans < options->min_spans);
}

static void count_lost(struct run *run, uint64_t lost)
{
	struct archive *archive = run->archive;

	if (!was_filtered(run)) {
		missing_add(run, (uint32_t)lost);
		return;
	}
	if (lost == 0)
		return;
	archive->counters.recovered += lost;
	archive->counters.dropped_filtered += lost;
	archive->fates.settled.dropped_filtered += lost;
	/* The next start must not count them again; a log that is full just now
	 * lets it. */
	run->recorded_spans = 0;
	if (run->recorded)
		(void)checkpoint_record_open(run);
}

/* Nobody knows whether what stands behind `synced` entries is on the disk: until it
 * is, the log keeps it, though it comes again and is found to be there. */
static void doubt_the_rest(struct run *run, uint32_t synced)
{
	if (run->spool.count <= synced || !run->spool.exists)
		return;
	if (spool_write_again(&run->spool, synced) < 0)
		run->spool.suspect = true;
	run->doubt_sync = true;
	run->sync_wanted = true;
	run_mark_busy(run);
}

int take_up(struct run *run)
{
	struct archive *archive = run->archive;
	bool was_open = run->phase == RUN_OPEN;
	uint32_t synced = run->recorded_spans;
	uint64_t now_ns = archive->env->ops->mono_ns(archive->env);
	uint32_t damaged = 0;
	int r;

	run->doubtful = true;
	if (run->seal_wanted)
		run_mark_busy(run);
	/* A name that was not settled may be another run's. */
	if (!run->settled)
		return 0;
	/* Whatever it says is counted, or comes again. */
	if (run->filtered) {
		run->spool_left = run_remove_left(run) < 0;
		return 0;
	}
	run_begin_spool(run);
	r = load_spool(run, &damaged);
	if (r >= 0 && (was_open || run->spool.count > 0))
		r = unite_with_file(run);
	if (r >= 0)
		count_lost(run, spans_lost(run, was_open, damaged));
	if (r < 0 || run->spool.count + run->missing == 0) {
		run->spool_left = r >= 0 && spool_remove(&run->spool) < 0;
		run_end_spool(run);
		if (r < 0) {
			run->doubtful = false; /* it is tried again */
			return r;
		}
	}
	if (!run->has_spool)
		return 0;
	run_opened(run);
	doubt_the_rest(run, was_open ? synced : 0);
	/* Whoever made it may have died before its name was synced. */
	run->directory_change = ++archive->directory_changes;
	run->alone_due_ns = now_ns + archive->options.alone_ns;
	run_mark_busy(run);
	return 0;
}

/* --- spools that stand in the way ----------------------------------------- */

int take_up_whose(struct run *run, const char *entry)
{
	struct archive *archive = run->archive;
	uint8_t trace_id[16];
	int r;

	r = spool_trace_id(&archive->directory, entry, trace_id);
	if (r == -ENOENT)
		return 0;
	/* Made, and then nothing was written: it is nobody's. */
	if (r == -ENODATA)
		return archive->env->ops->unlink(archive->env, archive->directory.fd, entry, 0);
	if (r < 0)
		return error_passes(r) ? r : -EEXIST;
	return memcmp(trace_id, run->trace_id, 16) == 0 ? 1 : -EEXIST;
}

/* Into the run's own spool, which is new. */
int take_up_own(struct run *run)
{
	uint32_t damaged = 0;
	int r;

	r = take_up_whose(run, run->spool.name);
	if (r == -EEXIST)
		return run_keep_aside(run->archive, run->spool.name, &run->name);
	if (r > 0)
		r = load_spool(run, &damaged);
	if (r < 0)
		return r;
	missing_add(run, damaged);
	run->doubtful |= run->spool.count > 0;
	doubt_the_rest(run, 0);
	return 0;
}

/* What the run had not got is synced before the other spool goes: it may be the
 * only one that a power loss leaves. */
static int make_safe(struct run *run)
{
	struct archive *archive = run->archive;
	struct env *env = archive->env;
	int fd, r;

	r = run_flush(run);
	if (r >= 0 && run->spool.suspect)
		r = spool_write_again(&run->spool, 0);
	if (r < 0)
		return r;
	fd = spool_fd(&run->spool);
	r = fd < 0 ? fd : env->ops->sync(env, fd);
	run->spool.suspect = r < 0;
	return r < 0 ? r : env->ops->sync(env, archive->directory.fd);
}

static void ignore_span(void *arg, const struct span_facts *facts,
			const struct finished_span *span)
{
	(void)arg;
	(void)facts;
	(void)span;
}

static int take_in_spool(struct run *run, struct spool *other)
{
	struct spool_damage damage = {0};
	int r;

	r = spool_load(other, run->trace_id, ignore_span, NULL, &damage);
	run->archive->counters.damaged_lines += damage.lines;
	missing_add(run, damage.lines);
	if (r >= 0)
		r = run_add_missing(run, other);
	if (r >= 0 && other->count > 0)
		r = make_safe(run);
	return r < 0 ? r : spool_remove(other);
}

int take_in(struct run *run, const struct name *name)
{
	struct archive *archive = run->archive;
	char entry[NAME_FULL_BYTES];
	struct spool other;
	uint64_t before;
	int r;

	r = run_open(run);
	if (r < 0)
		return r;
	name_spool(entry, name);
	spool_init(&other, &archive->files, entry);
	before = run_not_archived(run);
	r = take_in_spool(run, &other);
	spool_fini(&other);
	/* Also when it failed half-way: what it has it keeps. */
	archive->counters.waiting += run_not_archived(run) - before;
	archive->counters.recovered += run_not_archived(run) - before;
	run->doubtful = true;
	run->alone_due_ns =
		archive->env->ops->mono_ns(archive->env) + archive->options.alone_ns;
	run_mark_busy(run);
	if (r >= 0)
		archive_say(archive, LOG_NOTICE, "%s/%s was of the run of %s: united with it",
			    archive->options.dir, entry, run->name.text);
	return r;
}
