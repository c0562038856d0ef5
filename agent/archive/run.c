#include "archive/name_template.h"
#include "archive/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#define KEPT_MAX 100000

/* --- the table ---------------------------------------------------------- */

static uint32_t bucket_of(const struct archive *archive, const uint8_t trace_id[16])
{
	unsigned __int128 product;
	uint64_t a, b;

	memcpy(&a, trace_id, 8);
	memcpy(&b, trace_id + 8, 8);
	product = (unsigned __int128)(a ^ archive->hash_seed[0]) * (b ^ archive->hash_seed[1]);
	return (uint32_t)((uint64_t)(product >> 64) ^ (uint64_t)product) & archive->bucket_mask;
}

struct run *run_find(struct archive *archive, const uint8_t trace_id[16])
{
	struct run *run;

	if (!archive->buckets)
		return NULL;
	for (run = archive->buckets[bucket_of(archive, trace_id)]; run; run = run->hash_next)
		if (memcmp(run->trace_id, trace_id, 16) == 0)
			return run;
	return NULL;
}

static void link_name(struct run *run)
{
	struct run **bucket =
		&run->archive->name_buckets[run->name_hash & run->archive->bucket_mask];

	run->name_next = *bucket;
	*bucket = run;
}

static void unlink_name(struct run *run)
{
	struct run **link =
		&run->archive->name_buckets[run->name_hash & run->archive->bucket_mask];

	while (*link != run)
		link = &(*link)->name_next;
	*link = run->name_next;
}

static int table_grow(struct archive *archive)
{
	uint32_t size = archive->buckets ? (archive->bucket_mask + 1) * 2 : ARCHIVE_BUCKETS_MIN;
	struct run **buckets, **name_buckets;

	if (archive->buckets && archive->run_count <= archive->bucket_mask)
		return 0;
	buckets = calloc(size, sizeof(struct run *));
	name_buckets = calloc(size, sizeof(struct run *));
	if (!buckets || !name_buckets) {
		free(buckets);
		free(name_buckets);
		return -ENOMEM;
	}
	free(archive->buckets);
	free(archive->name_buckets);
	archive->buckets = buckets;
	archive->name_buckets = name_buckets;
	archive->bucket_mask = size - 1;
	for (struct run *run = archive->runs; run; run = run->next) {
		uint32_t bucket = bucket_of(archive, run->trace_id);

		run->hash_next = buckets[bucket];
		buckets[bucket] = run;
		link_name(run);
	}
	return 0;
}

int run_new(struct run **ret_run, struct archive *archive, const uint8_t trace_id[16])
{
	struct run *run;
	uint32_t bucket;
	int r;

	r = table_grow(archive);
	if (r < 0)
		return r;
	run = calloc(1, sizeof(*run));
	if (!run)
		return -ENOMEM;
	run->archive = archive;
	list_init(&run->busy);
	list_init(&run->sealed);
	list_init(&run->unsafe.link);
	list_init(&run->later.link);
	turns_add(run);
	run->seal_fd = -1;
	run->indexed = true;
	memcpy(run->trace_id, trace_id, 16);
	bucket = bucket_of(archive, trace_id);
	run->hash_next = archive->buckets[bucket];
	archive->buckets[bucket] = run;
	link_name(run);
	run->next = archive->runs;
	if (run->next)
		run->next->prev = run;
	archive->runs = run;
	archive->run_count++;
	*ret_run = run;
	return 0;
}

void run_free(struct run *run)
{
	struct archive *archive = run->archive;
	struct run **link = &archive->buckets[bucket_of(archive, run->trace_id)];

	run_mark_idle(run);
	sealing_abandon(run);
	turns_remove(run);
	list_unlink(&run->sealed);
	run_mark_safe(run);
	if (run->syncing) {
		archive->env->ops->cancel(archive->env, run);
		archive->syncing--;
	}
	while (*link != run)
		link = &(*link)->hash_next;
	*link = run->hash_next;
	unlink_name(run);
	if (run->has_spool)
		run_end_spool(run);
	summarize_forget(run);
	if (archive->checkpoint_at == run)
		archive->checkpoint_at = run->next;
	if (run->prev)
		run->prev->next = run->next;
	else
		archive->runs = run->next;
	if (run->next)
		run->next->prev = run->prev;
	archive->run_count--;
	free(run);
}

void run_mark_busy(struct run *run)
{
	struct archive *archive = run->archive;

	if (list_linked(&run->busy))
		return;
	list_append(&archive->busy, &run->busy);
	archive->busy_count++;
}

void run_mark_idle(struct run *run)
{
	if (!list_linked(&run->busy))
		return;
	list_unlink(&run->busy);
	run->archive->busy_count--;
}

/* --- its phase and its spans --------------------------------------------- */

void run_set_sealed(struct run *run)
{
	run->phase = RUN_SEALED;
	list_move(&run->archive->sealed, &run->sealed);
}

void run_set_open(struct run *run)
{
	run->phase = RUN_OPEN;
	run->filtered = false;
	list_unlink(&run->sealed);
}

void run_mark_unsafe(struct run *run, uint64_t number)
{
	struct unsafe *unsafe = run->syncing || run->synced ? &run->later : &run->unsafe;

	if (list_linked(&unsafe->link))
		return;
	unsafe->number = number;
	list_append(&run->archive->unsafe, &unsafe->link);
}

void run_mark_safe(struct run *run)
{
	list_unlink(&run->unsafe.link);
	list_unlink(&run->later.link);
}

/* --- the name ----------------------------------------------------------- */

/* Seeded: services are a module's choice, it must not choose buckets. */
static uint64_t hash_of_name(const struct archive *archive, const struct name *name)
{
	uint64_t hash = archive->hash_seed[0] ^ UINT64_C(0xcbf29ce484222325);

	for (const char *c = name->text; *c; c++)
		hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

void run_set_name(struct run *run, const struct name *name)
{
	unlink_name(run);
	run->name = *name;
	run->name_hash = hash_of_name(run->archive, name);
	link_name(run);
}

static bool name_in_use(const struct run *run)
{
	const struct archive *archive = run->archive;

	for (const struct run *other =
		     archive->name_buckets[run->name_hash & archive->bucket_mask];
	     other; other = other->name_next)
		if (other != run && other->name_hash == run->name_hash &&
		    strcmp(other->name.text, run->name.text) == 0)
			return true;
	return false;
}

int run_change_name(struct run *run)
{
	struct bytes text = bytes_of(run->name.text);
	size_t stem = text.len - strlen(NAME_SUFFIX);
	struct name name;
	int n;

	if (run->suffixed)
		return -EEXIST;
	n = snprintf(name.text, sizeof(name.text), "%.*s_", (int)stem, run->name.text);
	for (int i = 0; i < 16; i++)
		n += snprintf(name.text + n, sizeof(name.text) - (size_t)n, "%02x",
			      run->trace_id[i]);
	(void)snprintf(name.text + n, sizeof(name.text) - (size_t)n, NAME_SUFFIX);
	run->suffixed = true;
	run_set_name(run, &name);
	return 0;
}

void run_make_name(struct run *run, const struct run_words *words, uint64_t wall_ns)
{
	struct name_parts parts = {*words, wall_ns, run->trace_id};
	struct name name;

	name_make(&name, run->archive->options.name, &parts);
	run_set_name(run, &name);
	if (name_in_use(run))
		(void)run_change_name(run);
}

/* A name is taken by a file of another run or by its spool. */
static int settle_name(struct run *run)
{
	struct archive_dir *directory = &run->archive->directory;
	char spool[NAME_FULL_BYTES];
	int r;

	if (run->settled)
		return 0;
	name_spool(spool, &run->name);
	r = archive_dir_has(directory, run->name.text);
	if (r == 0)
		r = take_up_whose(run, spool);
	else if (r > 0)
		r = -EEXIST;
	if (r == -EEXIST)
		r = run->suffixed ? 0 : run_change_name(run);
	if (r >= 0)
		run->settled = true;
	return r < 0 ? r : 0;
}

/* --- its files ---------------------------------------------------------- */

int file_identify(struct archive *archive, int fd, struct file_identity *ret_file)
{
	struct stat st;
	int r = archive->env->ops->fstat(archive->env, fd, &st);

	if (r < 0)
		return r;
	*ret_file = (struct file_identity){st.st_ino, st.st_size, st.st_mtim};
	return 0;
}

void run_begin_spool(struct run *run)
{
	char name[NAME_FULL_BYTES];

	name_spool(name, &run->name);
	spool_init(&run->spool, &run->archive->files, name);
	run->has_spool = true;
}

void run_end_spool(struct run *run)
{
	spool_fini(&run->spool);
	run->has_spool = false;
	missing_forget(run);
}

void run_opened(struct run *run)
{
	struct archive_counters *counters = &run->archive->counters;

	run_set_open(run);
	counters->open_runs++;
	counters->waiting += run_not_archived(run);
	counters->recovered += run_not_archived(run);
}

int run_remove_left(struct run *run)
{
	struct archive *archive = run->archive;
	char name[NAME_FULL_BYTES];
	int r;

	name_spool(name, &run->name);
	r = archive->env->ops->unlink(archive->env, archive->directory.fd, name, 0);
	if (r < 0 && r != -ENOENT)
		return r;
	run->spool_left = false;
	return 0;
}

/* The name it has in the index, or one that is free; *ret_known: there may be a
 * sealed file. */
static int find_name(struct run *run, struct index_entry *ret_entry, bool *ret_known)
{
	int r = 1;

	if (run->indexed)
		r = index_find(&run->archive->index, run->trace_id, ret_entry);
	else
		*ret_entry = sealing_entry(run);
	if (r < 0)
		return r;
	*ret_known = r > 0;
	if (r == 0)
		return settle_name(run);
	run_set_name(run, &ret_entry->name);
	run->settled = true;
	return 0;
}

static int open_spool(struct run *run, struct index_entry *entry, bool known)
{
	int r;

	run_begin_spool(run);
	r = take_up_own(run);
	/* With a spool, the file may be newer than what the index says. */
	entry->crc_known = entry->crc_known && run->spool.count == 0;
	if (r >= 0 && known)
		r = reopen_run(run, entry);
	if (r < 0)
		run_end_spool(run);
	else
		run->archive->files.load_tries = 0;
	return r;
}

int run_open(struct run *run)
{
	struct index_entry entry = {0};
	bool known = false;
	int r = 0;

	if (run->has_spool)
		return 0;
	if (run->spool_left)
		r = run_remove_left(run);
	if (r >= 0)
		r = find_name(run, &entry, &known);
	if (r >= 0)
		r = open_spool(run, &entry, known);
	if (r < 0)
		return r;
	run_opened(run);
	return 0;
}

/* -EEXIST: somebody made a file under the spool's name since we looked. */
int run_flush(struct run *run)
{
	bool existed = run->spool.exists, wanted = run->spool.waiting.len > 0;
	int r = spool_flush(&run->spool);

	if (r == -EEXIST || r == -ELOOP) {
		char name[NAME_FULL_BYTES];

		r = run->has_file || run->suffixed
			    ? run_keep_aside(run->archive, run->spool.name, &run->name)
			    : run_change_name(run);
		if (r < 0)
			return r;
		name_spool(name, &run->name);
		memcpy(run->spool.name, name, sizeof(name));
		r = spool_flush(&run->spool);
	}
	run->archive->writes += wanted && r >= 0;
	if (run->spool.exists && !existed)
		run->directory_change = ++run->archive->directory_changes;
	return r;
}

void run_note(struct run *run, const struct span_facts *facts)
{
	const struct archive_options *options = &run->archive->options;

	summarize_note(run, facts);
	if (facts->parent_id || run->root_matches)
		return;
	for (uint32_t i = 0; i < options->root_count; i++)
		if (bytes_equal(facts->name, bytes_of(options->roots[i])))
			run->root_matches = true;
}

uint64_t run_not_archived(const struct run *run)
{
	return run->has_spool ? run->spool.count + run->missing - run->archived : 0;
}

int run_keep_aside(struct archive *archive, const char *entry, const struct name *name)
{
	struct env *env = archive->env;
	char kept[NAME_FULL_BYTES];
	int r = -EEXIST;

	for (unsigned n = 1; n < KEPT_MAX; n++) {
		name_kept(kept, name, n);
		r = archive_dir_has(&archive->directory, kept);
		if (r == 0)
			r = env->ops->rename(env, archive->directory.fd, entry,
					     archive->directory.fd, kept, 0);
		else if (r > 0)
			continue;
		break;
	}
	if (r < 0)
		return r;
	archive->directory_changes++;
	archive->counters.kept_aside++;
	archive_say(archive, LOG_WARNING,
		    "%s/%s is not as it was written; kept as %s and never overwritten",
		    archive->options.dir, entry, kept);
	return 0;
}
