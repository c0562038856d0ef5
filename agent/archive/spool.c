#include "archive/spool.h"

#include "base/crc32c.h"
#include "base/error.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/json_print.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define SPAN (&opentelemetry__proto__trace__v1__span__descriptor)
/* More is not kept for the next. */
#define SPARE_BYTES_MAX ((size_t)2 * SPOOL_WRITE_BYTES)
/* No file system has larger files. */
#define OFFSET_MASK ((UINT64_C(1) << SPOOL_OFFSET_BITS) - 1)

int spool_files_init(struct spool_files *files, struct archive_dir *directory, uint32_t max,
		     uint64_t seed)
{
	*files = (struct spool_files){.directory = directory,
				      .max = max > SPOOL_FILES_MIN ? max : SPOOL_FILES_MIN,
				      .seed = seed};
	files->open = calloc(files->max, sizeof(struct spool *));
	return files->open ? 0 : -ENOMEM;
}

void spool_files_fini(struct spool_files *files)
{
	free(files->open);
	files->open = NULL;
	buf_fini(&files->spare);
}

static struct env *spool_env(const struct spool *spool)
{
	return spool->files->directory->env;
}

void spool_close(struct spool *spool)
{
	struct spool_files *files = spool->files;

	if (spool->fd < 0)
		return;
	(void)spool_env(spool)->ops->close(spool_env(spool), spool->fd);
	spool->fd = -1;
	for (uint32_t i = 0; i < files->count; i++)
		if (files->open[i] == spool)
			files->open[i] = files->open[--files->count];
}

/* Makes room for one more open file. */
static void close_least_used(struct spool_files *files)
{
	struct spool *least = NULL;

	if (files->count < files->max)
		return;
	for (uint32_t i = 0; i < files->count; i++)
		if (!files->open[i]->busy && (!least || files->open[i]->used < least->used))
			least = files->open[i];
	assert(least);
	spool_close(least);
}

int spool_fd(struct spool *spool)
{
	struct spool_files *files = spool->files;
	struct env *env = spool_env(spool);
	int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK;
	int r;

	spool->used = ++files->clock;
	if (spool->fd >= 0)
		return spool->fd;
	close_least_used(files);
	/* A spool that is new must not write into what somebody else put
	 * there; one that has a file must not silently begin another. */
	if (!spool->exists)
		flags |= O_CREAT | O_EXCL;
	r = env->ops->open(env, files->directory->fd, spool->name, flags, SPOOL_MODE);
	if (r < 0)
		return r;
	spool->fd = r;
	spool->exists = true;
	files->open[files->count++] = spool;
	return r;
}

/* --- by span id --------------------------------------------------------- */

#define NO_ENTRY UINT32_MAX

static uint32_t id_slot(const struct spool *spool, uint64_t span_id)
{
	return (uint32_t)span_id_hash(span_id, spool->files->seed) & spool->by_id_mask;
}

static void by_id_put(struct spool *spool, uint32_t entry)
{
	uint32_t slot = id_slot(spool, spool->entries[entry].span_id);

	while (spool->by_id[slot] != NO_ENTRY)
		slot = (slot + 1) & spool->by_id_mask;
	spool->by_id[slot] = entry;
}

static void by_id_forget(struct spool *spool)
{
	free(spool->by_id);
	spool->by_id = NULL;
	spool->by_id_mask = 0;
}

/* At most half full. */
static int by_id_make(struct spool *spool)
{
	uint32_t mask = 63;

	if (spool->by_id && spool->count <= spool->by_id_mask / 2)
		return 0;
	by_id_forget(spool);
	while (mask / 2 < spool->count * 2)
		mask = mask * 2 + 1;
	spool->by_id = malloc(((size_t)mask + 1) * sizeof(*spool->by_id));
	if (!spool->by_id)
		return -ENOMEM;
	memset(spool->by_id, 0xff, ((size_t)mask + 1) * sizeof(*spool->by_id));
	spool->by_id_mask = mask;
	for (uint32_t i = 0; i < spool->count; i++)
		by_id_put(spool, i);
	return 0;
}

/* --- its life and its lines --------------------------------------------- */

void spool_init(struct spool *spool, struct spool_files *files, const char *name)
{
	*spool = (struct spool){.files = files, .fd = -1, .fresh_fd = -1};
	(void)snprintf(spool->name, sizeof(spool->name), "%s", name);
	buf_init(&spool->waiting);
}

void spool_fini(struct spool *spool)
{
	spool_close(spool);
	spool_drop_fresh(spool);
	buf_fini(&spool->waiting);
	groups_fini(&spool->groups);
	notes_fini(&spool->notes);
	by_id_forget(spool);
	free(spool->entries);
	spool->entries = NULL;
	spool->count = spool->cap = 0;
}

static int reserve_entry(struct spool *spool)
{
	uint32_t cap = spool->cap ? spool->cap * 2 : 8;
	struct spool_entry *at;

	if (spool->count < spool->cap)
		return 0;
	at = reallocarray(spool->entries, cap, sizeof(*at));
	if (!at)
		return -ENOMEM;
	spool->entries = at;
	spool->cap = cap;
	return 0;
}

/* Forgets the entries that `keeps` does not want, with their notes. */
static void keep_entries(struct spool *spool, bool (*keeps)(const struct spool *spool,
							    const struct spool_entry *entry))
{
	struct span_note *note = spool->notes.at, *kept_note = note;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < spool->count; i++) {
		struct spool_entry entry = spool->entries[i];

		if (keeps(spool, &entry)) {
			if (entry.noted) {
				*kept_note = *note;
				(kept_note++)->entry = kept;
			}
			spool->entries[kept++] = entry;
		}
		note += entry.noted;
	}
	spool->count = kept;
	spool->notes.count = (uint32_t)(kept_note - spool->notes.at);
}

/* A line as it was printed. */
struct printed {
	uint32_t group, crc;
	size_t start, end; /* of the span's text in the buffer */
};

static void add_entry(struct spool *spool, const struct span_facts *facts,
		      const struct printed *printed)
{
	struct spool_entry *entry = &spool->entries[spool->count];

	*entry = (struct spool_entry){
		.offset = (spool->written + printed->start) & OFFSET_MASK,
		.start_ns = facts->start_ns,
		.span_id = facts->span_id,
		.parent_id = facts->parent_id,
		.length = (uint32_t)(printed->end - printed->start),
		.crc = printed->crc,
		.group = printed->group & (SPOOL_GROUPS_MAX - 1),
		.ended_by_us = facts->ended_by_us,
		.error = facts->error,
	};
	notes_add(&spool->notes, entry, spool->count++, facts);
	if (spool->by_id && spool->count <= spool->by_id_mask / 2)
		by_id_put(spool, spool->count - 1);
	else
		by_id_forget(spool);
}

/* The last of a line: what stands behind the span, and the sum. */
static void print_end(struct buf *out, const struct group *group, struct printed *printed)
{
	struct bytes tail = group_summed_tail(group);

	(void)buf_append(out, tail.at, tail.len);
	if (buf_failed(out))
		return;
	printed->crc =
		crc32c(group->head_crc, out->at + printed->start, out->len - printed->start);
	spool_sum_put(out, printed->crc);
}

/* Appends the line. */
static int print_line(struct spool *spool, struct buf *out, const struct finished_span *span,
		      struct printed *ret_printed)
{
	struct printed printed = {0};
	size_t before = out->len;
	const struct group *group;
	int r;

	r = groups_find(&spool->groups, span, &printed.group);
	if (r < 0)
		return r;
	group = &spool->groups.at[printed.group];
	(void)buf_append(out, group->head.at, group->head.len);
	printed.start = out->len;
	r = buf_failed(out) ? -ENOMEM : otlp_json_print_filled(out, SPAN, span->span);
	printed.end = out->len;
	if (r >= 0 &&
	    (printed.end - printed.start > UINT32_MAX || printed.group >= SPOOL_GROUPS_MAX))
		r = -EBADMSG;
	if (r >= 0) {
		print_end(out, group, &printed);
		r = buf_failed(out) ? -ENOMEM : 0;
	}
	if (r < 0) {
		out->len = before;
		out->failed = false;
		return r == -ELOOP ? -EBADMSG : r;
	}
	*ret_printed = printed;
	return 0;
}

int spool_add(struct spool *spool, const struct finished_span *span,
	      const struct span_facts *facts)
{
	struct printed printed;
	int r;

	r = reserve_entry(spool);
	if (r >= 0)
		r = notes_reserve(&spool->notes);
	if (r < 0)
		return r;
	if (spool->waiting.cap == 0) {
		spool->waiting = spool->files->spare;
		buf_init(&spool->files->spare);
	}
	r = print_line(spool, &spool->waiting, span, &printed);
	if (r < 0)
		return r;
	add_entry(spool, facts, &printed);
	return 0;
}

void spool_drop_last(struct spool *spool)
{
	by_id_forget(spool);
	spool->notes.count -= spool->entries[--spool->count].noted;
}

/* An idle run keeps no memory but its index; the busy one whose turn is next
 * takes up the memory of the one before. */
static void waiting_forget(struct spool *spool)
{
	struct buf *spare = &spool->files->spare;

	if (spare->cap == 0 && spool->waiting.cap <= SPARE_BYTES_MAX) {
		*spare = spool->waiting;
		buf_reset(spare);
		buf_init(&spool->waiting);
	} else {
		buf_fini(&spool->waiting);
	}
}

int spool_flush(struct spool *spool)
{
	int fd, r;

	if (spool->waiting.len == 0)
		return 0;
	fd = spool_fd(spool);
	if (fd < 0)
		return fd;
	r = file_write(spool_env(spool), fd, spool->waiting.at, spool->waiting.len,
		       spool->written);
	if (r < 0)
		return r;
	spool->written += spool->waiting.len;
	waiting_forget(spool);
	return 0;
}

int spool_note_read(struct spool *spool, int result)
{
	if (result < 0 && result != -ENODATA)
		spool->read_error = result;
	return result;
}

bool spool_is_unreadable(const struct spool *spool, int error)
{
	return error == -ENODATA ||
	       (error < 0 && error == spool->read_error && !error_passes(error) &&
		spool->read_tries >= SPOOL_READ_TRIES);
}

int spool_read(struct spool *spool, uint64_t offset, void *at, size_t len)
{
	size_t in_file = 0;
	int fd, r;

	if (offset + len > spool_length(spool))
		return -ENODATA;
	if (offset < spool->written) {
		in_file =
			spool->written - offset < len ? (size_t)(spool->written - offset) : len;
		fd = spool_fd(spool);
		if (fd < 0)
			return fd;
		r = spool_note_read(spool,
				    file_read(spool_env(spool), fd, at, in_file, offset));
		if (r < 0)
			return r;
	}
	if (in_file < len)
		memcpy((char *)at + in_file,
		       spool->waiting.at + (offset + in_file - spool->written), len - in_file);
	return 0;
}

uint32_t spool_crc_begin(const struct spool *spool, const struct spool_entry *entry)
{
	return spool->groups.at[entry->group].head_crc;
}

bool spool_crc_is_right(const struct spool *spool, const struct spool_entry *entry,
			uint32_t crc)
{
	struct bytes tail = group_summed_tail(&spool->groups.at[entry->group]);

	return crc32c(crc, tail.at, tail.len) == entry->crc;
}

static bool is_whole(const struct spool *spool, const struct spool_entry *entry)
{
	(void)spool;
	return !entry->damaged;
}

uint32_t spool_drop_damaged(struct spool *spool)
{
	uint32_t before = spool->count;

	by_id_forget(spool);
	keep_entries(spool, is_whole);
	return before - spool->count;
}

int spool_line(struct spool *spool, uint32_t i, struct buf *out)
{
	const struct spool_entry *entry = &spool->entries[i];
	const struct group *group = &spool->groups.at[entry->group];
	uint32_t crc = spool_crc_begin(spool, entry);
	int r;

	buf_reset(out);
	r = buf_reserve(out, group->head.len + entry->length + group->tail.len);
	if (r < 0)
		return r;
	(void)buf_append(out, group->head.at, group->head.len);
	r = spool_read(spool, entry->offset, out->at + out->len, entry->length);
	if (r < 0)
		return r;
	crc = crc32c(crc, out->at + out->len, entry->length);
	if (!spool_crc_is_right(spool, entry, crc))
		return -EUCLEAN;
	out->len += entry->length;
	return buf_append(out, group->tail.at, group->tail.len);
}

void spool_swap(struct spool *a, struct spool *b)
{
	struct spool_files *files = a->files;
	struct spool other = *a;

	*a = *b;
	*b = other;
	/* The list of open files has their addresses. */
	for (uint32_t i = 0; i < files->count; i++) {
		if (files->open[i] == a)
			files->open[i] = b;
		else if (files->open[i] == b)
			files->open[i] = a;
	}
}

int spool_remove(struct spool *spool)
{
	struct env *env = spool_env(spool);
	int r;

	spool_close(spool);
	spool_drop_fresh(spool);
	if (!spool->exists)
		return 0;
	r = env->ops->unlink(env, spool->files->directory->fd, spool->name, 0);
	if (r < 0 && r != -ENOENT)
		return r;
	spool->exists = false;
	spool->written = 0;
	return 0;
}

/* Whether the stored span text at an entry is `text`. One that the disk does not
 * hold any more is not: it would be found damaged when it is sealed. */
static int entry_equals(struct spool *spool, const struct spool_entry *entry, struct bytes text)
{
	uint8_t *stored;
	int r;

	if (entry->length != text.len)
		return 0;
	spool->read_error = 0;
	stored = malloc(text.len);
	if (!stored)
		return -ENOMEM;
	r = spool_read(spool, entry->offset, stored, text.len);
	if (r >= 0)
		r = memcmp(stored, text.at, text.len) == 0;
	else if (r == -ENODATA || (r == spool->read_error && !error_passes(r)))
		r = 0;
	free(stored);
	return r;
}

int spool_has(struct spool *spool, const struct finished_span *span,
	      const struct span_facts *facts, bool by_id)
{
	struct buf line = BUF_INIT;
	struct printed printed = {0};
	uint32_t slot;
	int r;

	r = by_id_make(spool);
	if (r < 0)
		return r;
	for (slot = id_slot(spool, facts->span_id); spool->by_id[slot] != NO_ENTRY && r == 0;
	     slot = (slot + 1) & spool->by_id_mask) {
		uint32_t i = spool->by_id[slot];

		if (spool->entries[i].span_id != facts->span_id)
			continue;
		if (by_id)
			return 1;
		if (line.len == 0)
			r = print_line(spool, &line, span, &printed);
		if (r == 0 && spool->entries[i].group == printed.group)
			r = entry_equals(spool, &spool->entries[i],
					 (struct bytes){line.at + printed.start,
							printed.end - printed.start});
	}
	buf_fini(&line);
	return r == -EBADMSG ? 0 : r;
}

static bool is_waiting(const struct spool *spool, const struct spool_entry *entry)
{
	return entry->offset >= spool->written;
}

void spool_forget_written(struct spool *spool)
{
	spool_close(spool);
	spool_drop_fresh(spool);
	by_id_forget(spool);
	keep_entries(spool, is_waiting);
	for (uint32_t i = 0; i < spool->count; i++)
		spool->entries[i].offset -= spool->written & OFFSET_MASK;
	spool->written = 0;
	spool->read_tries = 0;
	spool->read_said = false;
	spool->exists = false;
}
