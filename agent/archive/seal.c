#include "archive/seal.h"

#include "base/crc32c.h"

#include <errno.h>
#include <stdlib.h>

/* Written in pieces of this size and at its multiples, which is what the page cache
 * likes best: it takes them in large folios. */
#define SEAL_BUFFER_BYTES ((size_t)256 << 10)

int seal_begin(struct seal *seal, struct spool *spool, int fd, bool compare)
{
	int r;

	*seal = (struct seal){
		.spool = spool, .fd = fd, .compare = compare, .covered = spool->count};
	seal->tally.notes = &spool->notes;
	buf_init(&seal->out);
	buf_init(&seal->first_head);
	seal->order = calloc(spool->count, sizeof(*seal->order));
	seal->window = malloc(SEAL_BUFFER_BYTES);
	r = seal->order && seal->window
		    ? layout_make(seal->order, &seal->count, spool->entries, spool->count,
				  &spool->groups, spool->files->seed, &seal->tally)
		    : -ENOMEM;
	if (r < 0)
		seal_fini(seal);
	return r;
}

void seal_fini(struct seal *seal)
{
	buf_fini(&seal->out);
	buf_fini(&seal->first_head);
	tally_fini(&seal->tally);
	free(seal->order);
	free(seal->window);
	seal->order = NULL;
	seal->window = NULL;
}

static const struct group *group_at(const struct seal *seal, uint32_t place)
{
	return &seal->spool->groups.at[seal->spool->entries[seal->order[place]].group];
}

int seal_summarize(struct seal *seal, struct bytes summary)
{
	int r = group_print_first_head(&seal->first_head, group_at(seal, 0), summary);

	if (r < 0)
		seal_fini(seal);
	return r;
}

static struct env *seal_env(const struct seal *seal)
{
	return seal->spool->files->directory->env;
}

static int compare_out(struct seal *seal)
{
	uint8_t *there = malloc(seal->out.len);
	int r;

	if (!there)
		return -ENOMEM;
	r = file_read(seal_env(seal), seal->fd, there, seal->out.len, seal->size);
	if (r == -ENODATA || (r >= 0 && memcmp(there, seal->out.at, seal->out.len) != 0))
		r = -EUCLEAN;
	free(there);
	return r;
}

static int flush_out(struct seal *seal)
{
	int r;

	if (seal->out.len == 0)
		return 0;
	if (seal->compare)
		r = compare_out(seal);
	else
		r = file_write(seal_env(seal), seal->fd, seal->out.at, seal->out.len,
			       seal->size);
	if (r < 0)
		return r;
	seal->crc = crc32c(seal->crc, seal->out.at, seal->out.len);
	seal->size += seal->out.len;
	buf_reset(&seal->out);
	return 0;
}

static int put(struct seal *seal, struct bytes bytes)
{
	int r = 0;

	while (bytes.len > 0 && r >= 0) {
		size_t room = SEAL_BUFFER_BYTES - seal->out.len;
		size_t len = bytes.len < room ? bytes.len : room;

		r = buf_append(&seal->out, bytes.at, len);
		bytes.at += len;
		bytes.len -= len;
		if (r >= 0 && len == room)
			r = flush_out(seal);
	}
	return r;
}

/* What the file does not hold any more is damaged, too: somebody cut it, or the
 * disk cannot read it. */
static int read_spool(struct seal *seal, struct spool_entry *entry, uint64_t offset, size_t len)
{
	int r = spool_read(seal->spool, offset, seal->window, len);

	if (spool_is_unreadable(seal->spool, r)) {
		entry->damaged = true;
		r = 0;
	}
	return r;
}

/* Through the window, so that short spans cost no read each. What is wrong with a
 * piece that is read ahead may not be this span's: it is then read alone. */
static int fill_window(struct seal *seal, struct spool_entry *entry)
{
	uint64_t left = spool_length(seal->spool) - entry->offset;
	size_t len = left < SEAL_BUFFER_BYTES ? (size_t)left : SEAL_BUFFER_BYTES;
	int r;

	seal->window_len = 0;
	r = spool_read(seal->spool, entry->offset, seal->window, len);
	if (spool_is_unreadable(seal->spool, r))
		return read_spool(seal, entry, entry->offset, entry->length);
	if (r < 0)
		return r;
	seal->window_at = entry->offset;
	seal->window_len = len;
	return 0;
}

static int put_small(struct seal *seal, struct spool_entry *entry)
{
	uint32_t crc = spool_crc_begin(seal->spool, entry);
	const uint8_t *text = seal->window;
	int r = 0;

	if (entry->offset >= seal->window_at &&
	    entry->offset + entry->length <= seal->window_at + seal->window_len)
		text += entry->offset - seal->window_at;
	else
		r = fill_window(seal, entry);
	if (r < 0)
		return r;
	crc = crc32c(crc, text, entry->length);
	entry->damaged |= !spool_crc_is_right(seal->spool, entry, crc);
	return put(seal, (struct bytes){text, entry->length});
}

static int put_large(struct seal *seal, struct spool_entry *entry)
{
	uint32_t crc = spool_crc_begin(seal->spool, entry);
	uint64_t done = 0;
	int r;

	seal->window_len = 0;
	while (done < entry->length && !entry->damaged) {
		uint64_t left = entry->length - done;
		size_t len = left < SEAL_BUFFER_BYTES ? (size_t)left : SEAL_BUFFER_BYTES;

		r = read_spool(seal, entry, entry->offset + done, len);
		if (r >= 0)
			r = put(seal, (struct bytes){seal->window, len});
		if (r < 0)
			return r;
		crc = crc32c(crc, seal->window, len);
		done += len;
	}
	entry->damaged |= !spool_crc_is_right(seal->spool, entry, crc);
	return 0;
}

/* What stands between the span before (NULL: none) and this one (NULL: none). */
static int put_between(struct seal *seal, const struct group *before, const struct group *group)
{
	bool same_resource = before && group && before->resource == group->resource;
	int r = 0;

	if (before == group)
		return put(seal, bytes_of(","));
	if (before)
		r = put(seal, group_scope_tail(before));
	if (r >= 0 && before && !same_resource)
		r = put(seal, group_resource_tail(before));
	if (r >= 0)
		r = put(seal, bytes_of(!before ? GROUP_OPEN : !group ? GROUP_CLOSE : ","));
	if (r >= 0 && group && !same_resource)
		r = put(seal,
			before ? group_resource_head(group) : buf_bytes(&seal->first_head));
	if (r >= 0 && group)
		r = put(seal, group_scope_head(group));
	return r;
}

static int put_span(struct seal *seal)
{
	struct spool_entry *entry = &seal->spool->entries[seal->order[seal->next]];
	int r;

	r = put_between(seal, seal->next ? group_at(seal, seal->next - 1) : NULL,
			group_at(seal, seal->next));
	if (r < 0)
		return r;
	r = entry->length <= SEAL_BUFFER_BYTES ? put_small(seal, entry)
					       : put_large(seal, entry);
	seal->damaged += r >= 0 && entry->damaged;
	return r;
}

int seal_step(struct seal *seal, size_t budget)
{
	uint64_t until = seal->size + budget;
	int r;

	for (; seal->next < seal->count; seal->next++) {
		if (seal->size >= until)
			return 1;
		r = put_span(seal);
		if (r < 0)
			return r;
	}
	if (seal->damaged)
		return -EBADMSG;
	r = put_between(seal, group_at(seal, seal->count - 1), NULL);
	return r < 0 ? r : flush_out(seal);
}
