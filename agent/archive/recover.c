/* After a restart: what the log says of the runs, and what is in the directory,
 * become runs again. Every spool found is taken up: those the log knows, and
 * those it does not (it was lost, or the agent died before the first frame). */
#include "archive/stage.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <syslog.h>

/* An agent that kept no ledger says how far it was, and nothing else. */
static void recover_ledger(struct archive *archive, uint64_t mark, struct bytes payload)
{
	struct archive_ledger *settled = &archive->fates.settled;

	if (payload.len == 0) {
		settled->uncounted += mark > archive->mark ? mark - archive->mark : 0;
		return;
	}
	*settled = (struct archive_ledger){0};
	memcpy(settled, payload.at,
	       payload.len < sizeof *settled ? payload.len : sizeof *settled);
}

int archive_recover(struct archive *archive, const uint8_t trace_id[16], struct bytes state,
		    uint64_t segment)
{
	struct archive_frame frame;
	struct name name;
	struct run *run;
	int r;

	if (state.len < sizeof(frame))
		return -EBADMSG;
	memcpy(&frame, state.at, sizeof(frame));
	if (frame.kind == FRAME_MARK) {
		recover_ledger(
			archive, frame.number,
			(struct bytes){state.at + sizeof(frame), state.len - sizeof(frame)});
		archive->mark = archive->pushed = frame.number;
		archive->mark_segment = segment;
		archive->mark_recorded = true;
		return 0;
	}
	state = (struct bytes){state.at + sizeof(frame), state.len - sizeof(frame)};
	if (state.len != frame.name_length || (state.len && !name_is_safe(state)))
		return -EBADMSG;
	/* The log is handed in frame by frame: a later one replaces what the
	 * run's earlier ones said. */
	run = run_find(archive, trace_id);
	r = run ? 0 : run_new(&run, archive, trace_id);
	if (r < 0)
		return r;
	memcpy(name.text, state.at, state.len);
	name.text[state.len] = '\0';
	run_set_name(run, &name);
	if (frame.flags & FRAME_FILTERED)
		archive->fates.settled.dropped_filtered += frame.spans;
	run->settled = frame.flags & FRAME_SETTLED;
	run->recorded = true;
	run->segment = segment;
	if (frame.kind == FRAME_SEALED)
		run_set_sealed(run);
	else
		run_set_open(run);
	run->filtered = frame.flags & FRAME_FILTERED;
	run->known_number = run->recorded_number = frame.number;
	run->recorded_spans = frame.spans;
	run->complete = frame.flags & FRAME_COMPLETE;
	run->seal_wanted = run->seal_recorded = frame.flags & FRAME_SEAL_WANTED;
	run->seal_number = frame.seal_number;
	return 0;
}

/* --- listing the directory ---------------------------------------------- */

struct names {
	struct name *at;
	size_t count, cap;
};

struct listing {
	const char *template;
	struct names spools, sealed, hidden;
};

static int names_add(struct names *names, const struct name *name)
{
	size_t cap = names->cap ? names->cap * 2 : 64;
	struct name *at;

	if (names->count == names->cap) {
		at = reallocarray(names->at, cap, sizeof(*at));
		if (!at)
			return -ENOMEM;
		names->at = at;
		names->cap = cap;
	}
	names->at[names->count++] = *name;
	return 0;
}

static int take_name(void *arg, const char *entry)
{
	struct listing *listing = arg;
	struct name name;

	switch (name_kind(entry, listing->template, &name)) {
	case NAME_SEALED:
		return names_add(&listing->sealed, &name);
	case NAME_SPOOL:
		return names_add(&listing->spools, &name);
	case NAME_TEMPORARY:
		return names_add(&listing->hidden, &name);
	case NAME_OTHER:
		break;
	}
	return 0;
}

/* What an interrupted seal or reopening left; a whole file stands elsewhere. */
static void remove_hidden(struct archive *archive, const struct names *names)
{
	struct env *env = archive->env;
	char entry[NAME_FULL_BYTES];

	for (size_t i = 0; i < names->count; i++) {
		name_temporary(entry, &names->at[i]);
		(void)env->ops->unlink(env, archive->directory.fd, entry, 0);
		name_spool_temporary(entry, &names->at[i]);
		(void)env->ops->unlink(env, archive->directory.fd, entry, 0);
	}
}

struct hashes {
	uint64_t *at;
	size_t count, cap;
};

static uint64_t hash_name(const struct name *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *c = name->text; *c; c++)
		hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	return hash;
}

static int hash_compare(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static int take_indexed(void *arg, const struct index_entry *entry)
{
	struct hashes *hashes = arg;
	size_t cap = hashes->cap ? hashes->cap * 2 : 256;
	uint64_t *at;

	if (hashes->count == hashes->cap) {
		at = reallocarray(hashes->at, cap, sizeof(*at));
		if (!at)
			return -ENOMEM;
		hashes->at = at;
		hashes->cap = cap;
	}
	hashes->at[hashes->count++] = hash_name(&entry->name);
	return 0;
}

/* Whether a file whose trace nobody could tell is passed over. What is not ours is; but a
 * disk that fails may be well in a moment, and a file that is passed over then would
 * get a second one of the same run beside it. */
static bool is_passed_over(struct archive *archive, int error)
{
	if (error == -ENODATA || error == -ELOOP || error == -EISDIR || error == -ENXIO ||
	    error == -ENOENT || error == -EACCES)
		return true;
	return !error_passes(error) && archive->files.load_tries++ >= SPOOL_READ_TRIES;
}

/* Adds the sealed files the index does not have: it was lost, or the agent died
 * between renaming a file and saying so. */
static int complete_index(struct archive *archive, const struct names *names)
{
	struct hashes known = {0};
	size_t added = 0;
	int r;

	r = index_each(&archive->index, take_indexed, &known);
	if (known.count)
		qsort(known.at, known.count, sizeof(*known.at), hash_compare);
	for (size_t i = 0; i < names->count && r >= 0; i++) {
		struct index_entry entry = {.name = names->at[i]};
		uint64_t hash = hash_name(&entry.name);

		if (known.count &&
		    bsearch(&hash, known.at, known.count, sizeof(hash), hash_compare))
			continue;
		r = sealed_trace_id(&archive->directory, entry.name.text, entry.trace_id);
		if (r < 0) {
			r = is_passed_over(archive, r) ? 0 : r;
			continue;
		}
		r = index_put(&archive->index, &entry);
		added++;
	}
	free(known.at);
	if (added > 0)
		archive_say(archive, LOG_NOTICE, "%zu files in %s were not in the index", added,
			    archive->options.dir);
	return r;
}

/* --- taking up runs ----------------------------------------------------- */

/* The run a spool found is of. It may be known under another name: when a start
 * could not read the spool, its run began again with a name of its own. */
static int run_of_spool(struct archive *archive, const uint8_t trace_id[16],
			const struct name *name, struct run **ret_run, bool *ret_made)
{
	struct index_entry entry = {.name = *name};
	struct run *run = run_find(archive, trace_id);
	int r = 0;

	*ret_made = !run;
	if (!run) {
		r = index_find(&archive->index, trace_id, &entry);
		if (r >= 0)
			r = run_new(&run, archive, trace_id);
		if (r < 0)
			return r;
	}
	if (!run->settled)
		run_set_name(run, &entry.name);
	*ret_run = run;
	return 0;
}

static int take_up_settled(struct run *run)
{
	int r;

	run->settled = true;
	r = take_up(run);
	if (r < 0)
		run->settled = false;
	return r;
}

/* A spool that no run of the log has, or only without its name. */
static int take_up_found(struct archive *archive, const struct name *name)
{
	char entry[NAME_FULL_BYTES];
	uint8_t trace_id[16];
	struct run *run;
	bool made;
	int r;

	name_spool(entry, name);
	r = spool_trace_id(&archive->directory, entry, trace_id);
	if (r == -ENODATA)
		return archive->env->ops->unlink(archive->env, archive->directory.fd, entry, 0);
	/* One that is passed over would take the name from its own run. */
	if (r < 0)
		return is_passed_over(archive, r) ? 0 : r;
	r = run_of_spool(archive, trace_id, name, &run, &made);
	if (r < 0)
		return r;
	if (strcmp(run->name.text, name->text) != 0)
		r = take_in(run, name);
	else if (!run->settled)
		r = take_up_settled(run);
	if (r < 0 && made && !run->has_spool)
		run_free(run);
	return r;
}

static int scan(struct archive *archive, struct listing *listing)
{
	int r;

	r = archive->env->ops->list(archive->env, archive->directory.fd, take_name, listing);
	if (r < 0)
		return r;
	remove_hidden(archive, &listing->hidden);
	checkpoint_forget(archive); /* a long log tells of many */
	r = archive->index.fd < 0 ? index_open(&archive->index) : 0;
	if (r >= 0)
		r = complete_index(archive, &listing->sealed);
	for (struct run *run = archive->runs; run && r >= 0; run = run->next)
		if (!run->has_spool && !run->doubtful)
			r = take_up(run);
	for (size_t i = 0; i < listing->spools.count && r >= 0; i++)
		r = take_up_found(archive, &listing->spools.at[i]);
	return r;
}

int recover_scan(struct archive *archive)
{
	struct listing listing = {
		.template = archive->options.any_name ? "{name}" : archive->options.name};
	int r;

	r = archive->directory.fd < 0 ? archive_dir_open(&archive->directory) : 0;
	if (r >= 0)
		r = scan(archive, &listing);
	free(listing.spools.at);
	free(listing.sealed.at);
	free(listing.hidden.at);
	if (r >= 0) {
		archive->scanned = true;
		archive->files.load_tries = 0;
	}
	return r;
}

/* --- a directory that was removed or replaced --------------------------- */

static int move_run(struct run *run, struct archive_dir *old)
{
	struct archive *archive = run->archive;
	int r;

	if (!run->has_spool)
		return 0;
	sealing_abandon(run);
	if (run->phase == RUN_RENAMED)
		sealing_again(run);
	run->has_file = false;
	run->archived = run->superseded = 0;
	r = spool_restore(&run->spool, old);
	if (r == -ENOENT)
		r = missing_spool(run);
	run->directory_change = ++archive->directory_changes;
	return r;
}

int recover_directory_moved(struct archive *archive)
{
	struct archive_dir old = archive->directory;
	int r;

	archive_dir_init(&archive->directory, archive->env, archive->options.dir);
	r = archive_dir_open(&archive->directory);
	if (r < 0) {
		archive->directory = old;
		return r;
	}
	archive_say(archive, LOG_WARNING, "%s was replaced; open runs go on in the new one",
		    archive->options.dir);
	for (struct run *run = archive->runs; run && r >= 0; run = run->next)
		r = move_run(run, &old);
	archive_dir_fini(&old);
	return r;
}
