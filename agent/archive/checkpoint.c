/* Making spans safe: spools are synced in the background, then an ARCHIVE frame
 * says for each run up to which span it is in its file, and a last one, under
 * trace id zero, up to which span all of them are (archive_mark()).
 *
 * Payload of an ARCHIVE frame: struct archive_frame and the run's name. */
#include "archive/stage.h"

#include <errno.h>
#include <stdlib.h>

/* How often the directory itself may be synced. */
#define DIRECTORY_SYNC_NS UINT64_C(100000000)

static const uint8_t no_trace[16];

static int append_frame(struct archive *archive, const uint8_t trace_id[16],
			const struct archive_frame *frame, const char *name,
			uint64_t *ret_segment)
{
	uint8_t payload[sizeof(*frame) + NAME_MAX_BYTES];

	memcpy(payload, frame, sizeof(*frame));
	memcpy(payload + sizeof(*frame), name, frame->name_length);
	return archive->ops.state(archive->ops.arg, trace_id,
				  (struct bytes){payload, sizeof(*frame) + frame->name_length},
				  ret_segment);
}

static int record(struct run *run, enum frame_kind kind, uint8_t flags, uint64_t number,
		  uint32_t spans)
{
	struct archive_frame frame = {
		.kind = kind,
		.flags = flags | (run->complete ? FRAME_COMPLETE : 0) |
			 (run->settled ? FRAME_SETTLED : 0) |
			 (kind == FRAME_OPEN && run->seal_wanted ? FRAME_SEAL_WANTED : 0),
		.name_length = (uint16_t)strlen(run->name.text),
		.spans = spans,
		.number = number,
		.seal_number = run->seal_number,
	};
	uint64_t segment;
	int r;

	r = append_frame(run->archive, run->trace_id, &frame, run->name.text, &segment);
	if (r < 0)
		return r;
	run->recorded = true;
	run->segment = segment;
	run->recorded_number = number;
	run->recorded_spans = spans;
	run->seal_recorded = run->seal_wanted;
	return 0;
}

int checkpoint_record_sealed(struct run *run)
{
	return record(run, FRAME_SEALED, run->filtered ? FRAME_FILTERED : 0,
		      run_newest_number(run), 0);
}

int checkpoint_record_filtered(struct run *run, uint32_t spans)
{
	return record(run, FRAME_SEALED, FRAME_FILTERED, run_newest_number(run), spans);
}

int checkpoint_record_open(struct run *run)
{
	return record(run, FRAME_OPEN, 0, run->recorded_number, run->recorded_spans);
}

int checkpoint_record_mark(struct archive *archive, uint64_t mark)
{
	struct archive_frame frame = {.kind = FRAME_MARK, .number = mark};
	struct archive_ledger ledger = fates_settled(&archive->fates, mark);
	uint8_t payload[sizeof frame + sizeof ledger];
	uint64_t segment;
	int r;

	memcpy(payload, &frame, sizeof frame);
	memcpy(payload + sizeof frame, &ledger, sizeof ledger);
	r = archive->ops.state(archive->ops.arg, no_trace,
			       (struct bytes){payload, sizeof payload}, &segment);
	if (r < 0)
		return r;
	fates_settle(&archive->fates, mark);
	archive->mark = mark;
	archive->mark_segment = segment;
	archive->mark_recorded = true;
	return 0;
}

/* --- spools ------------------------------------------------------------- */

/* A spool that somebody removed while we hold it open is made again. */
static int restore_removed(struct run *run)
{
	struct archive *archive = run->archive;
	struct stat st;
	int r;

	if (run->spool.fd < 0)
		return 0;
	r = archive->env->ops->fstat(archive->env, run->spool.fd, &st);
	if (r < 0 || st.st_nlink > 0)
		return r;
	r = spool_restore(&run->spool, &archive->directory);
	if (r >= 0)
		run->directory_change = ++archive->directory_changes;
	return r;
}

static int flush_run(struct run *run)
{
	int r = 0;

	if (!run->syncing)
		r = restore_removed(run);
	if (r >= 0)
		r = run_flush(run);
	if (r == -ENOENT && archive_dir_has(&run->archive->directory, run->spool.name) == 0)
		r = missing_spool(run);
	if (r < 0)
		return r;
	run->sync_wanted = true;
	run_mark_busy(run);
	return 0;
}

void checkpoint_begin(struct archive *archive)
{
	if (!archive->checkpoint_at)
		archive->checkpoint_at = archive->runs;
	archive->unflushed_bytes = 0;
}

static bool needs_flush(const struct run *run)
{
	if (!list_linked(&run->unsafe.link) || run->phase != RUN_OPEN)
		return false;
	/* Safe as soon as it is sealed. */
	return !run->seal_wanted || run->seal_number > run->archive->pushed;
}

int checkpoint_go_on(struct archive *archive, uint64_t until_ns)
{
	struct run *run;
	int r;

	while ((run = archive->checkpoint_at) != NULL) {
		archive->checkpoint_at = run->next;
		if (!needs_flush(run))
			continue;
		r = flush_run(run);
		if (r < 0)
			return r;
		if (archive->env->ops->mono_ns(archive->env) >= until_ns)
			break;
	}
	return 0;
}

static void on_spool_synced(void *arg, int result)
{
	struct run *run = arg;

	run->syncing = false;
	run->spool.busy = false;
	run->archive->syncing--;
	if (result < 0) {
		run->sync_wanted = true;
		run->spool.suspect = true;
		spool_drop_fresh(&run->spool);
		(void)archive_fail(run->archive, run->spool.name, result);
	} else {
		run->synced = true;
	}
	run_mark_busy(run);
}

/* What to sync: the spool, or after a failure a fresh file with all of it. */
static int sync_fd(struct run *run)
{
	char temporary[NAME_FULL_BYTES];

	if (!run->spool.suspect || !run->spool.exists)
		return spool_fd(&run->spool);
	name_spool_temporary(temporary, &run->name);
	return spool_make_fresh(&run->spool, temporary);
}

static int use_fresh(struct run *run)
{
	char temporary[NAME_FULL_BYTES];
	int r;

	name_spool_temporary(temporary, &run->name);
	r = spool_use_fresh(&run->spool, temporary);
	if (r < 0) {
		spool_drop_fresh(&run->spool);
		run->synced = false;
		run->sync_wanted = true;
		return r;
	}
	run->directory_change = ++run->archive->directory_changes;
	return 1;
}

static int start_sync(struct run *run)
{
	struct archive *archive = run->archive;
	int fd, r;

	/* See SPOOL_FILES_MIN. */
	if (archive->syncing >= archive->files.max / 2)
		return 0;
	r = run_flush(run);
	if (r < 0)
		return r;
	fd = sync_fd(run);
	if (fd < 0)
		return fd;
	run->sync_number = run_newest_number(run);
	run->sync_spans = run->spool.count + run->missing;
	r = archive->env->ops->sync_start(archive->env, fd, on_spool_synced, run);
	if (r < 0)
		return r;
	/* What came since an earlier sync began is covered as well. */
	list_unlink(&run->later.link);
	run->sync_wanted = false;
	run->syncing = true;
	run->spool.busy = true;
	archive->syncing++;
	return 1;
}

/* What came since the sync began has taken its place long ago. */
static void sync_covers(struct run *run)
{
	list_unlink(&run->unsafe.link);
	if (!list_linked(&run->later.link))
		return;
	run->unsafe.number = run->later.number;
	list_append(&run->later.link, &run->unsafe.link);
	list_unlink(&run->later.link);
}

static int record_synced(struct run *run)
{
	int r;

	if (run->directory_change > run->archive->directory_synced)
		return 0;
	r = record(run, FRAME_OPEN, 0, run->sync_number, run->sync_spans);
	if (r < 0)
		return 0; /* the log takes it later */
	run->synced = run->doubt_sync = false;
	sync_covers(run);
	return 1;
}

int checkpoint_step(struct run *run)
{
	if (run->phase != RUN_OPEN || !run->has_spool)
		return 0;
	if (run->synced)
		return run->spool.fresh_fd >= 0 ? use_fresh(run) : record_synced(run);
	if (run->sync_wanted && !run->syncing)
		return start_sync(run);
	if (!run->syncing && !run->seal_wanted)
		run_mark_idle(run);
	return 0;
}

/* --- the directory and the mark ----------------------------------------- */

static void on_directory_synced(void *arg, int result)
{
	struct archive *archive = arg;

	archive->directory_answered = true;
	archive->directory_result = result;
}

static int directory_answer(struct archive *archive, uint64_t now_ns)
{
	archive->directory_syncing = archive->directory_answered = false;
	if (archive->directory_result < 0)
		return archive->directory_result;
	archive->directory_synced = archive->directory_sync_changes;
	archive->directory_sync_due_ns = now_ns + DIRECTORY_SYNC_NS;
	return 1;
}

/* In the background: a disk that syncs slowly must not keep the rings waiting. */
int checkpoint_directory(struct archive *archive, uint64_t now_ns)
{
	int r;

	if (archive->directory_answered)
		return directory_answer(archive, now_ns);
	if (archive->directory_syncing ||
	    archive->directory_changes == archive->directory_synced ||
	    now_ns < archive->directory_sync_due_ns)
		return 0;
	archive->directory_sync_changes = archive->directory_changes;
	r = archive->env->ops->sync_start(archive->env, archive->directory.fd,
					  on_directory_synced, archive);
	if (r < 0)
		return r;
	archive->directory_syncing = true;
	return 0;
}

/* A sealed run is remembered until its spans cannot come again. */
void checkpoint_forget(struct archive *archive)
{
	struct list *node, *next;

	for (node = archive->sealed.next; node != &archive->sealed; node = next) {
		struct run *run = list_entry(node, struct run, sealed);

		next = node->next;
		if (run->seal_wanted || run->spool_left || sealing_index(run) < 0)
			continue;
		/* A start does not know yet whether its spool is gone. */
		if (run->filtered && !archive->scanned)
			continue;
		if (run->last_number <= archive->mark && run->known_number <= archive->mark)
			run_free(run);
	}
}

int checkpoint_mark(struct archive *archive)
{
	const struct list *oldest = list_first(&archive->unsafe);
	uint64_t mark =
		oldest ? list_entry(oldest, struct unsafe, link)->number - 1 : archive->pushed;
	int r;

	if (mark <= archive->mark)
		return 0;
	/* The index need not be on the disk for that: every start makes it again
	 * from the files, and its disk may be another one that is full. */
	r = checkpoint_record_mark(archive, mark);
	if (r < 0)
		return 0; /* the log takes it later */
	checkpoint_forget(archive);
	return 1;
}
