/* From an open run to its file: each step can be repeated, and a crash between
 * any two of them leaves a spool or a file from which it is done again. */
#include "archive/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <syslog.h>

/* Of copying in one turn: a large run must not keep the rings waiting. */
#define SEALING_STEP_BYTES ((size_t)4 << 20)
#define SEALED_MODE 0640

void sealing_again(struct run *run)
{
	run->phase = RUN_COPY;
	run_mark_idle(run);
	turns_wait(run);
}

void sealing_abandon(struct run *run)
{
	struct env *env = run->archive->env;

	if (run->phase == RUN_SYNC)
		env->ops->cancel(env, run);
	if (run->seal_fd >= 0) {
		char name[NAME_FULL_BYTES];

		/* On a full disk, half a file would only be in the way. */
		name_temporary(name, &run->name);
		(void)env->ops->close(env, run->seal_fd);
		run->archive->seal_files--;
		(void)env->ops->unlink(env, run->archive->directory.fd, name, 0);
	}
	run->seal_fd = -1;
	seal_fini(&run->seal);
	if (run->phase >= RUN_COPY && run->phase <= RUN_RENAME)
		sealing_again(run);
}

/* The run is over as far as spans are concerned. */
static void forget_spans(struct run *run)
{
	struct archive *archive = run->archive;
	int r;

	r = spool_remove(&run->spool);
	/* One that a restart still finds is compared with the sealed file. */
	run->spool_left = r < 0;
	if (r < 0)
		archive_say(archive, LOG_WARNING, "cannot remove %s/%s: %s; trying again",
			    archive->options.dir, run->spool.name, strerror(-r));
	run_end_spool(run);
	run_mark_safe(run);
	run->known_number = run_newest_number(run);
	run->archived = run->superseded = 0;
	summarize_forget(run);
	/* One that was asked for spans that are still to come stays asked for. */
	run->seal_wanted = run->seal_wanted && run->seal_number > archive->pushed;
	run->alone_due_ns = 0;
	run->sync_wanted = run->synced = run->doubt_sync = false;
	run_set_sealed(run);
	archive->counters.open_runs--;
	run_mark_idle(run);
}

static bool wants_file(const struct run *run)
{
	const struct archive_options *options = &run->archive->options;

	if (run->has_file)
		return true;
	if (options->root_count > 0 && !run->root_matches)
		return false;
	return run->spool.count >= options->min_spans;
}

static int drop_filtered(struct run *run)
{
	struct archive *archive = run->archive;
	uint64_t spans = run_not_archived(run);
	int r;

	/* A spool that cannot be removed tells the next start of spans that are counted. */
	r = run->recorded || run->spool.exists
		    ? checkpoint_record_filtered(run, (uint32_t)spans)
		    : 0;
	if (r < 0)
		return 0; /* the log takes it later */
	archive->fates.settled.dropped_filtered += spans;
	archive->counters.dropped_filtered += spans;
	archive->counters.waiting -= spans;
	forget_spans(run);
	run->filtered = true;
	return 1;
}

static int open_temporary(struct run *run)
{
	struct archive *archive = run->archive;
	struct env *env = archive->env;
	char name[NAME_FULL_BYTES];

	name_temporary(name, &run->name);
	return env->ops->open(env, archive->directory.fd, name,
			      O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, SEALED_MODE);
}

static int begin_copy(struct run *run)
{
	int r;

	r = open_temporary(run);
	if (r < 0)
		return r;
	run->archive->seal_files++;
	run->seal_fd = r;
	run->copy_number = run->last_number;
	r = seal_begin(&run->seal, &run->spool, run->seal_fd, false);
	if (r >= 0)
		r = summarize(run, &run->seal);
	if (r < 0) {
		sealing_abandon(run);
		return r;
	}
	run_mark_busy(run);
	return 0;
}

static void on_synced(void *arg, int result)
{
	struct run *run = arg;

	run->seal_result = result;
	run->phase = RUN_RENAME;
	run_mark_busy(run);
}

static int step_copy(struct run *run)
{
	struct env *env = run->archive->env;
	int r;

	if (run->seal_fd < 0) {
		run_mark_idle(run); /* it has its turn coming */
		return 0;
	}
	r = seal_step(&run->seal, SEALING_STEP_BYTES);
	if (r > 0)
		return 1;
	if (r == -EBADMSG)
		return missing_entries(run);
	if (r >= 0) {
		run->phase = RUN_SYNC;
		seal_fini(&run->seal);
		r = env->ops->sync_start(env, run->seal_fd, on_synced, run);
		if (r < 0)
			run->phase = RUN_COPY;
	}
	if (r < 0)
		sealing_abandon(run);
	return r < 0 ? r : 1;
}

static int start_copy(struct run *run)
{
	int r = begin_copy(run);

	return r < 0 ? r : step_copy(run);
}

/* Whether what stands under the run's name is what we left there. */
static int file_is_ours(struct run *run)
{
	struct archive *archive = run->archive;
	struct env *env = archive->env;
	struct file_identity now;
	int fd, r;

	if (!run->has_file)
		return 0;
	fd = env->ops->open(env, archive->directory.fd, run->name.text,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd == -ENOENT || fd == -ELOOP || fd == -EACCES ? 0 : fd;
	r = file_identify(archive, fd, &now);
	(void)env->ops->close(env, fd);
	if (r < 0)
		return r;
	return now.inode == run->file.inode && now.size == run->file.size &&
	       now.changed.tv_sec == run->file.changed.tv_sec &&
	       now.changed.tv_nsec == run->file.changed.tv_nsec;
}

static int clear_the_place(struct run *run)
{
	struct archive *archive = run->archive;
	int r;

	r = file_is_ours(run);
	if (r != 0)
		return r < 0 ? r : 0;
	run->has_file = false;
	r = archive_dir_has(&archive->directory, run->name.text);
	if (r > 0)
		r = run_keep_aside(archive, run->name.text, &run->name);
	return r;
}

static int put_in_place(struct run *run)
{
	struct archive *archive = run->archive;
	struct env *env = archive->env;
	struct file_identity file;
	char name[NAME_FULL_BYTES];
	int r;

	r = clear_the_place(run);
	/* Before it is in place: a file of ours that is not known as ours would be
	 * kept aside as a stranger's. */
	if (r >= 0)
		r = file_identify(archive, run->seal_fd, &file);
	if (r < 0)
		return r;
	name_temporary(name, &run->name);
	r = env->ops->rename(env, archive->directory.fd, name, archive->directory.fd,
			     run->name.text, 0);
	if (r < 0)
		return r;
	run->indexed = false;
	run->has_file = true;
	run->file = file;
	return 0;
}

static int step_rename(struct run *run)
{
	struct archive *archive = run->archive;
	int r = run->seal_result;

	if (r >= 0)
		r = put_in_place(run);
	if (r < 0) {
		sealing_abandon(run);
		return r;
	}
	(void)archive->env->ops->close(archive->env, run->seal_fd);
	run->seal_fd = -1;
	archive->seal_files--;
	archive->writes++;
	run->directory_change = ++archive->directory_changes;
	run->phase = RUN_RENAMED;
	return 1;
}

static void say_sealed(struct run *run, uint64_t spans)
{
	struct archive *archive = run->archive;
	char path[4096];

	if (!archive->ops.sealed)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s", archive->options.dir, run->name.text);
	archive->ops.sealed(archive->ops.arg, run->trace_id, path, spans, run->complete);
}

/* Spans came while the file was written: they wait in the spool, which stays,
 * and bring another seal. */
static void go_on(struct run *run)
{
	run_set_open(run);
	run->seal_wanted = run->seal_number > run->copy_number;
	if (list_linked(&run->unsafe.link)) {
		run->sync_wanted = true;
		run_mark_busy(run);
	}
}

struct index_entry sealing_entry(const struct run *run)
{
	struct index_entry entry = {.name = run->name,
				    .size = run->seal.size,
				    .crc = run->seal.crc,
				    .crc_known = true,
				    .complete = run->complete,
				    .number_known = true,
				    .number = run->last_number > run->known_number
						      ? run->last_number
						      : run->known_number,
				    /* Sealed before all of an earlier life's spans were
				     * pushed again: they may still come. */
				    .recent = !run->doubtful};

	memcpy(entry.trace_id, run->trace_id, 16);
	return entry;
}

/* The index may be on another, failing disk: the run is then remembered until
 * the index takes it. */
int sealing_index(struct run *run)
{
	struct index_entry entry = sealing_entry(run);
	int r;

	r = run->indexed ? 0 : index_put(&run->archive->index, &entry);
	if (r < 0)
		return r;
	run->indexed = true;
	return 0;
}

/* That a run is sealed, for those who keep account and for the log. */
static int record_sealed(struct run *run, uint64_t spans)
{
	struct archive *archive = run->archive;
	int r = 0;

	if (archive->ops.archived)
		r = archive->ops.archived(archive->ops.arg, run->trace_id, spans);
	return r < 0 ? r : checkpoint_record_sealed(run);
}

static int step_renamed(struct run *run)
{
	struct archive *archive = run->archive;
	bool whole = run->seal.covered == run->spool.count;
	uint32_t covered = run->seal.covered - run->archived;
	uint32_t superseded = run->seal.covered - run->seal.count - run->superseded;
	uint64_t spans = run->seal.count;

	if (run->directory_change > archive->directory_synced)
		return 0;
	(void)sealing_index(run);
	if (whole && record_sealed(run, spans) < 0)
		return 0; /* the log takes it later */
	archive->counters.sealed++;
	/* May be one less in the file: what came replaces what was there. */
	archive->counters.archived += covered;
	archive->counters.archived -= superseded;
	archive->counters.dropped_superseded += superseded;
	archive->counters.waiting -= covered;
	run->archived += covered;
	run->superseded += superseded;
	if (whole)
		forget_spans(run);
	else
		go_on(run);
	say_sealed(run, spans);
	return 1;
}

static int step_open(struct run *run)
{
	if (!sealing_can_step(run))
		return 0;
	/* Nothing new: the file there is, or none, is right. */
	if (!run->has_spool) {
		if (run->recorded && checkpoint_record_sealed(run) < 0)
			return 0; /* the log takes it later */
		run->seal_wanted = false;
		run_set_sealed(run);
		run_mark_idle(run);
		return 1;
	}
	run->sync_wanted = false;
	sealing_again(run);
	return 1;
}

/* The file there is, or none, is right. */
static int keep_as_it_is(struct run *run)
{
	if (run->recorded && record_sealed(run, run->spool.count) < 0)
		return 0; /* the log takes it later */
	forget_spans(run);
	return 1;
}

int sealing_begin(struct run *run)
{
	int r;

	if (run->spool.count == 0 || (run->has_file && run->spool.count == run->archived))
		r = keep_as_it_is(run);
	else if (!wants_file(run))
		r = drop_filtered(run);
	else
		r = start_copy(run);
	if (r <= 0 && run->phase == RUN_COPY)
		turns_wait(run);
	return r;
}

bool sealing_can_step(const struct run *run)
{
	const struct archive *archive = run->archive;

	switch (run->phase) {
	case RUN_OPEN:
		return run->seal_wanted && run->seal_number <= archive->pushed &&
		       !run->syncing && !run->missing;
	case RUN_COPY:
		return run->seal_fd >= 0;
	case RUN_RENAME:
		return true;
	default:
		return false;
	}
}

int sealing_step(struct run *run)
{
	switch (run->phase) {
	case RUN_OPEN:
		return step_open(run);
	case RUN_COPY:
		return step_copy(run);
	case RUN_RENAME:
		return step_rename(run);
	case RUN_RENAMED:
		return step_renamed(run);
	case RUN_SEALED:
		/* The spans it was asked for did not come. */
		if (run->seal_wanted && run->seal_number <= run->archive->pushed)
			run->seal_wanted = false;
		break;
	case RUN_SYNC:
		break;
	}
	return 0;
}
