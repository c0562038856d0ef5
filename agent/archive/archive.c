#include "archive/archive.h"

#include "archive/stage.h"
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#define RETRY_NS_MIN UINT64_C(100000000)
#define RETRY_NS_MAX UINT64_C(5000000000)
#define MARK_NS UINT64_C(100000000)
#define ALONE_NS UINT64_C(10000000000)
/* So long after the start, runs that nobody announces are taken for leftovers of
 * an earlier life. */
#define STARTING_NS UINT64_C(60000000000)
/* The first interval between checkpoints, as a share of all later ones. */
#define CHECKPOINT_FIRST_SHARE 64
/* Of files made, written and renamed in one turn, so that with thousands of runs
 * the rings are still drained and flushes answered. */
#define TURN_NS UINT64_C(10000000)
/* In all spools together, before a checkpoint is brought forward. */
#define UNFLUSHED_BYTES_MAX (UINT64_C(16) << 20)

/* --- trouble ------------------------------------------------------------ */

void archive_say(struct archive *archive, int priority, const char *format, ...)
{
	char line[1024];
	va_list args;

	if (!archive->ops.log)
		return;
	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	archive->ops.log(archive->ops.arg, priority, line);
}

int archive_fail(struct archive *archive, const char *what, int error)
{
	archive->counters.failures++;
	condition_raise(
		archive->options.conditions, CONDITION_ARCHIVE_FAILING,
		"cannot write %s/%s: %s; runs wait in the log, export goes on: %s, or set "
		"archive.dir",
		archive->options.dir, what, strerror(-error), condition_remedy(error));
	if (!archive->trouble)
		archive->retry_ns = RETRY_NS_MIN;
	else if (archive->retry_ns < RETRY_NS_MAX)
		archive->retry_ns *= 2;
	archive->failing = archive->trouble = true;
	archive->retry_due_ns = archive->env->ops->mono_ns(archive->env) + archive->retry_ns;
	return error;
}

static void work_again(struct archive *archive)
{
	archive->trouble = false;
	condition_clear(archive->options.conditions, CONDITION_ARCHIVE_FAILING);
}

/* --- life --------------------------------------------------------------- */

int archive_new(struct archive **ret_archive, struct env *env,
		const struct archive_options *options, const struct archive_ops *ops)
{
	struct archive *archive = calloc(1, sizeof(*archive));
	int r;

	if (!archive)
		return -ENOMEM;
	archive->env = env;
	archive->options = *options;
	archive->retention.limits = options->retention;
	if (archive->options.alone_ns == 0)
		archive->options.alone_ns = ALONE_NS;
	archive->ops = *ops;
	archive_dir_init(&archive->directory, env, options->dir);
	index_init(&archive->index, env, options->state_dir);
	/* Without randomness the tables are as good as any other. */
	(void)env->ops->random(env, archive->hash_seed, sizeof(archive->hash_seed));
	archive->index.seed = archive->hash_seed[0];
	list_init(&archive->unsafe);
	list_init(&archive->sealed);
	list_init(&archive->busy);
	turns_init(archive);
	r = spool_files_init(&archive->files, &archive->directory, options->open_files_max,
			     archive->hash_seed[1]);
	if (r < 0) {
		free(archive);
		return r;
	}
	*ret_archive = archive;
	return 0;
}

void archive_free(struct archive *archive)
{
	if (!archive)
		return;
	if (archive->directory_syncing)
		archive->env->ops->cancel(archive->env, archive);
	while (archive->runs) {
		/* What is waiting is also in the log, so this may fail. */
		if (archive->runs->has_spool && archive->directory.fd >= 0)
			(void)run_flush(archive->runs);
		run_free(archive->runs);
	}
	free(archive->buckets);
	free(archive->name_buckets);
	turns_fini(archive);
	retention_fini(&archive->retention);
	fates_fini(&archive->fates);
	spool_files_fini(&archive->files);
	index_fini(&archive->index);
	archive_dir_fini(&archive->directory);
	free(archive);
}

int archive_recovered(struct archive *archive)
{
	int r = recover_scan(archive);

	archive->retention_number = archive_last_number(archive);
	/* Reading many runs takes longer than one may stay alone. */
	archive->started_ns = archive->env->ops->mono_ns(archive->env);
	for (struct run *run = archive->runs; run; run = run->next)
		if (run->alone_due_ns)
			run->alone_due_ns = archive->started_ns + archive->options.alone_ns;
	/* Later ticks try again; until then runs wait in the log. */
	if (r < 0)
		(void)archive_fail(archive, "", r);
	return 0;
}

uint64_t archive_first_number(const struct archive *archive)
{
	return archive->mark;
}

uint64_t archive_mark(const struct archive *archive)
{
	return archive->mark;
}

uint64_t archive_last_number(const struct archive *archive)
{
	uint64_t last = archive->mark;

	for (const struct run *run = archive->runs; run; run = run->next)
		if (run_newest_number(run) > last)
			last = run_newest_number(run);
	return last;
}

const struct archive_counters *archive_counters(const struct archive *archive)
{
	return &archive->counters;
}

void archive_set_filter(struct archive *archive, uint32_t min_spans, const char *const *roots,
			uint32_t root_count, uint64_t alone_ns)
{
	archive->options.min_spans = min_spans;
	archive->options.roots = roots;
	archive->options.root_count = root_count;
	archive->options.alone_ns = alone_ns ? alone_ns : ALONE_NS;
}

void archive_set_retention(struct archive *archive, const struct retention_limits *limits)
{
	retention_set(archive, limits);
}

/* --- runs and spans ----------------------------------------------------- */

int archive_run_seen(struct archive *archive, const uint8_t trace_id[16],
		     const struct run_words *words, uint64_t first_wall_ns, uint32_t user)
{
	struct index_entry entry;
	struct run *run;
	int r;

	run = run_find(archive, trace_id);
	if (run && user != USER_UNKNOWN)
		turns_own(run, user);
	if (run && run->name.text[0])
		return 0;
	if (!run) {
		if (index_find(&archive->index, trace_id, &entry) > 0)
			return 0;
		r = run_new(&run, archive, trace_id);
		if (r < 0)
			return r;
		if (user != USER_UNKNOWN)
			turns_own(run, user);
	}
	run_make_name(run, words, first_wall_ns);
	return 0;
}

/* A run nobody announced is named by its first span. */
static int find_or_make_run(struct archive *archive, const struct finished_span *span,
			    const struct span_facts *facts, struct run **ret_run)
{
	struct run_words words = {resource_service(span->resource), facts->name};
	struct run *run = run_find(archive, span->trace_id);
	uint64_t now_ns;
	int r;

	if (!run) {
		r = run_new(&run, archive, span->trace_id);
		if (r < 0)
			return r;
		/* Assembly may have said all it had to say in an earlier life. */
		now_ns = archive->env->ops->mono_ns(archive->env);
		if (now_ns < archive->started_ns + STARTING_NS)
			run->alone_due_ns = now_ns + archive->options.alone_ns;
	}
	if (!run->name.text[0])
		run_make_name(run, &words, facts->start_ns);
	*ret_run = run;
	return 0;
}

/* 1: taken, 0: it is there already, -EBADMSG, -errno. */
static int take_span(struct run *run, const struct finished_span *span,
		     const struct span_facts *facts)
{
	uint64_t before;
	int r;

	r = run_open(run);
	if (r < 0)
		return r == -EBADMSG ? -EIO : r;
	if (run->doubtful) {
		r = spool_has(&run->spool, span, facts, run->edited);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	before = run->spool.waiting.len;
	r = spool_add(&run->spool, span, facts);
	if (r < 0)
		return r;
	run->archive->unflushed_bytes += run->spool.waiting.len - before;
	run_note(run, facts);
	return 1;
}

static void span_taken(struct run *run, uint64_t number)
{
	struct archive *archive = run->archive;
	int r;

	run_mark_unsafe(run, number);
	archive->counters.spans++;
	archive->counters.waiting++;
	if (run->spool.waiting.len < SPOOL_WRITE_BYTES)
		return;
	r = run_flush(run);
	if (r < 0)
		(void)archive_fail(archive, run->spool.name, r);
}

static void span_repeated(struct run *run, uint64_t number)
{
	run->archive->counters.repeated++;
	if (run->doubt_sync && number > run->known_number)
		run_mark_unsafe(run, number);
}

static void span_invalid(struct run *run)
{
	struct archive *archive = run->archive;

	archive->counters.dropped_invalid++;
	if (archive->ops.dropped)
		archive->ops.dropped(archive->ops.arg, run->trace_id, 1);
}

static void span_done(struct run *run, uint64_t number)
{
	struct archive *archive = run->archive;
	uint64_t now_ns;

	run->last_number = number;
	if (run->alone_due_ns || run->doubtful) {
		now_ns = archive->env->ops->mono_ns(archive->env);
		/* One that was sealed too early is left to itself again. */
		if (run->alone_due_ns || now_ns < archive->started_ns + STARTING_NS)
			run->alone_due_ns = now_ns + archive->options.alone_ns;
	}
	if (run->seal_wanted && run->seal_number <= number)
		run_mark_busy(run);
}

/* Every number is accounted for once, whatever became of it. */
static void pushed(struct archive *archive, uint64_t number, enum fate fate)
{
	archive->refused = false;
	if (number > archive->pushed + 1)
		fates_note(&archive->fates, archive->pushed + 1, number - 1, FATE_MISSING);
	fates_note(&archive->fates, number, number, fate);
	archive->pushed = number;
}

int archive_push(struct archive *archive, const struct finished_span *span)
{
	struct span_facts facts;
	struct run *run;
	int r;

	archive->refused = true; /* until pushed() */
	if (archive->failing || !archive->scanned || fates_reserve(&archive->fates) < 0)
		return -ENOBUFS;
	if (span_facts_read(&facts, span->span) < 0 ||
	    memcmp(facts.trace_id, span->trace_id, 16) != 0) {
		archive->counters.dropped_invalid++;
		pushed(archive, span->number, FATE_INVALID);
		return 0;
	}
	r = find_or_make_run(archive, span, &facts, &run);
	if (r < 0)
		return -ENOBUFS;
	r = span->number <= run->known_number ? 0 : take_span(run, span, &facts);
	if (r < 0 && r != -EBADMSG) {
		(void)archive_fail(archive, run->name.text, r);
		return -ENOBUFS;
	}
	pushed(archive, span->number, r < 0 ? FATE_INVALID : FATE_KEPT);
	if (r > 0)
		span_taken(run, span->number);
	else if (r == 0)
		span_repeated(run, span->number);
	else
		span_invalid(run);
	span_done(run, span->number);
	return 0;
}

int archive_seal(struct archive *archive, const uint8_t trace_id[16], uint64_t last_number,
		 bool complete)
{
	struct run *run = run_find(archive, trace_id);
	int r;

	if (!run) {
		/* Sealed and forgotten, or its first span is still in the log. */
		if (last_number <= archive->pushed)
			return 0;
		r = run_new(&run, archive, trace_id);
		if (r < 0)
			return r;
	}
	if (run->phase == RUN_SEALED && last_number <= archive->pushed)
		return 0;
	run->complete |= complete;
	if (last_number > run->seal_number)
		run->seal_number = last_number;
	run->seal_wanted = true;
	run_mark_busy(run);
	/* Before assembly logs that it has said so: then it does not say it
	 * again. A full log is asked again by step(). */
	(void)checkpoint_record_open(run);
	return 0;
}

/* --- working ------------------------------------------------------------ */

static void seal_if_alone(struct run *run, uint64_t now_ns)
{
	if (!run->alone_due_ns || now_ns < run->alone_due_ns || run->phase != RUN_OPEN)
		return;
	if (run->archive->ops.awaited &&
	    run->archive->ops.awaited(run->archive->ops.arg, run->trace_id)) {
		run->alone_due_ns = now_ns + run->archive->options.alone_ns;
		return;
	}
	/* Asked for, and the log is still handing out what it waits for. */
	if (run->seal_wanted && run->seal_number > run->archive->pushed &&
	    run->alone_pushed != run->archive->pushed) {
		run->alone_pushed = run->archive->pushed;
		run->alone_due_ns = now_ns + run->archive->options.alone_ns;
		return;
	}
	run->alone_due_ns = 0;
	run->seal_wanted = true;
	if (run->seal_number > run->archive->pushed)
		run->seal_number = run->archive->pushed;
	run_mark_busy(run);
}

/* The first checkpoints follow each other quickly: an agent that dies again and
 * again within a second still gets on, instead of reading the same spans from
 * the log in each life. */
static uint64_t checkpoint_interval(struct archive *archive)
{
	uint64_t interval = archive->checkpoint_interval_ns;

	if (interval == 0)
		interval = archive->options.checkpoint_ns / CHECKPOINT_FIRST_SHARE;
	if (interval < archive->options.checkpoint_ns)
		archive->checkpoint_interval_ns = 2 * interval;
	else
		interval = archive->options.checkpoint_ns;
	return interval;
}

/* A run whose spool cannot be read waits for the next checkpoint, and nobody waits
 * for it: what is wrong with the disk is wrong in that place. */
static void hold(struct run *run, int error)
{
	struct archive *archive = run->archive;

	archive->counters.failures++;
	/* A moment without memory says nothing of the disk. */
	run->spool.read_tries += !error_passes(error);
	if (!run->spool.read_said)
		archive_say(archive, LOG_ERR, "cannot read %s/%s: %s; trying again",
			    archive->options.dir, run->spool.name, strerror(-error));
	run->spool.read_said = true;
	turns_leave(run);
	run_mark_idle(run);
	run->held = true;
}

static void go_on_with(struct run *run)
{
	if (!run->held)
		return;
	run->held = false;
	if (run->phase == RUN_COPY)
		turns_wait(run);
	else
		run_mark_busy(run);
}

static int periodic(struct archive *archive, uint64_t now_ns)
{
	int r = 0;

	if (now_ns < archive->checkpoint_due_ns &&
	    archive->unflushed_bytes < UNFLUSHED_BYTES_MAX)
		return 0;
	archive->checkpoint_due_ns = now_ns + checkpoint_interval(archive);
	/* Its descriptor must stay while it is being synced. */
	if (!archive->directory_syncing && archive_dir_moved(&archive->directory) > 0)
		r = recover_directory_moved(archive);
	for (struct run *run = archive->runs; run; run = run->next) {
		seal_if_alone(run, now_ns);
		go_on_with(run);
		if (run->spool_left && !run->has_spool)
			(void)run_remove_left(run); /* said already */
	}
	if (r >= 0)
		checkpoint_begin(archive);
	/* A longer index is slower to read, nothing more. */
	(void)index_compact(&archive->index);
	return r;
}

/* What became of a step. One that fails does not keep the others. */
static int stepped(struct run *run, int r, int *ret_error)
{
	if (r == -ENOENT && run->has_spool && run->spool.exists &&
	    archive_dir_has(&run->archive->directory, run->spool.name) == 0)
		r = missing_spool(run);
	if (r >= 0)
		return r;
	if (run->has_spool && run->spool.read_error == r)
		hold(run, r);
	else
		*ret_error = archive_fail(run->archive, run->name.text, r);
	return 0;
}

static void record_wish(struct run *run)
{
	if (run->seal_wanted && !run->seal_recorded && run->phase != RUN_SEALED)
		(void)checkpoint_record_open(run); /* a full log is asked again */
}

static int step(struct run *run)
{
	int work, r;

	run->spool.read_error = 0;
	record_wish(run);
	work = sealing_step(run);
	if (work < 0)
		return work;
	r = checkpoint_step(run);
	if (r < 0)
		return r;
	if (run->phase == RUN_SEALED && !run->seal_wanted)
		run_mark_idle(run);
	return work + r;
}

/* Each run that has something to do goes one step on, the one that waits longest
 * first. A turn that takes too long is gone on with in the next. */
static int step_all(struct archive *archive, uint64_t until_ns, int *ret_error)
{
	int work = 0, r;

	archive->cut = false;
	for (uint32_t left = archive->busy_count; left > 0 && archive->busy_count > 0; left--) {
		struct run *run = list_entry(archive->busy.next, struct run, busy);

		list_move(&archive->busy, &run->busy);
		r = step(run);
		work += stepped(run, r, ret_error);
		if (r != 0 && archive->env->ops->mono_ns(archive->env) >= until_ns) {
			archive->cut = left > 1;
			break;
		}
	}
	return work;
}

static bool may_begin(const struct archive *archive)
{
	return archive->seal_files < ARCHIVE_SEAL_FILES_MAX && !list_empty(&archive->lanes);
}

/* As many as may be written at a time. */
static int begin_some(struct archive *archive, uint64_t until_ns, int *ret_error)
{
	struct run *run;
	int work = 0, r;

	while (may_begin(archive)) {
		run = turns_next(archive);
		record_wish(run);
		run->spool.read_error = 0;
		r = sealing_begin(run);
		work += stepped(run, r, ret_error);
		if (r == 0 || *ret_error < 0 ||
		    archive->env->ops->mono_ns(archive->env) >= until_ns)
			break;
	}
	return work;
}

static int work(struct archive *archive, uint64_t now_ns, int *ret_error)
{
	uint64_t until_ns = now_ns + TURN_NS;
	int n, r;

	r = archive->scanned ? 0 : recover_scan(archive);
	if (r >= 0)
		r = periodic(archive, now_ns);
	if (r >= 0)
		r = checkpoint_go_on(archive, until_ns);
	if (r < 0) {
		*ret_error = archive_fail(archive, "", r);
		return 0;
	}
	/* A checkpoint of many runs may have taken all of that time. */
	until_ns = archive->env->ops->mono_ns(archive->env) + TURN_NS;
	n = step_all(archive, until_ns, ret_error);
	n += retention_step(archive, now_ns);
	if (*ret_error == 0)
		n += begin_some(archive, until_ns, ret_error);
	r = checkpoint_directory(archive, now_ns);
	n += r > 0;
	if (r >= 0 && now_ns >= archive->mark_due_ns) {
		archive->mark_due_ns = now_ns + (archive->checkpoint_interval_ns < MARK_NS
							 ? archive->checkpoint_interval_ns
							 : MARK_NS);
		r = checkpoint_mark(archive);
		n += r > 0;
	}
	if (r < 0)
		*ret_error = archive_fail(archive, "", r);
	return n;
}

/* Nothing that a failing disk may have kept back: there is nothing to find out
 * with whether it is well, and nobody whom it harms. */
static bool nothing_waits(const struct archive *archive)
{
	if (archive->refused || archive->busy_count > 0 || archive->counters.open_runs > 0 ||
	    archive->directory_changes != archive->directory_synced)
		return false;
	for (const struct run *run = archive->runs; run; run = run->next)
		if (run->spool_left)
			return false;
	return true;
}

int archive_tick(struct archive *archive, uint64_t now_ns)
{
	uint64_t writes = archive->writes;
	int error = 0, n;

	if (archive->failing && now_ns < archive->retry_due_ns)
		return 0;
	n = work(archive, now_ns, &error);
	if (error == 0)
		archive->failing = false;
	if (error == 0 && archive->trouble &&
	    (archive->writes != writes || nothing_waits(archive)))
		work_again(archive);
	return n;
}

/* Whether a run could go on now, rather than when something comes back. */
static bool can_step(const struct run *run)
{
	const struct archive *archive = run->archive;

	return sealing_can_step(run) || (run->phase == RUN_OPEN && !run->syncing &&
					 run->sync_wanted && archive->syncing == 0);
}

uint64_t archive_next_due(const struct archive *archive, uint64_t now_ns)
{
	uint64_t due_ns, retention_ns;

	if (archive->failing)
		return archive->retry_due_ns;
	if (archive->checkpoint_at || archive->cut || may_begin(archive))
		return now_ns;
	for (const struct list *at = archive->busy.next; at != &archive->busy; at = at->next)
		if (can_step(list_entry(at, struct run, busy)))
			return now_ns;
	if (archive->directory_answered)
		return now_ns;
	if (archive->directory_changes != archive->directory_synced &&
	    !archive->directory_syncing)
		return archive->directory_sync_due_ns;
	if (archive->mark < archive->pushed &&
	    archive->mark_due_ns < archive->checkpoint_due_ns)
		return archive->mark_due_ns;
	due_ns = archive->run_count == 0 ? UINT64_MAX : archive->checkpoint_due_ns;
	retention_ns = retention_next_due(archive, now_ns);
	return retention_ns < due_ns ? retention_ns : due_ns;
}

int archive_carry(struct archive *archive, uint64_t segment)
{
	int r;

	if (archive->mark_recorded && archive->mark_segment <= segment) {
		r = checkpoint_record_mark(archive, archive->mark);
		if (r < 0)
			return r;
	}
	for (struct run *run = archive->runs; run; run = run->next) {
		if (!run->recorded || run->segment > segment)
			continue;
		r = run->phase == RUN_SEALED ? checkpoint_record_sealed(run)
					     : checkpoint_record_open(run);
		if (r < 0)
			return r;
	}
	return 0;
}
