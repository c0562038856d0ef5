#include "ring_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct block_seen {
	uint32_t index, thread, thread_block, committed;
	uint64_t first_record;
	bool sealed;
};

struct joining {
	uint8_t *bytes;
	uint32_t length, filled;
	uint64_t number;
};

static int bad(struct ring_view *view, const char *why)
{
	view->why = why;
	return -EBADMSG;
}

static void add_record(struct ring_view *view, uint32_t thread, uint64_t number,
		       const uint8_t *bytes, uint32_t length)
{
	if ((view->count & (view->count - 1)) == 0) {
		size_t room = view->count ? view->count * 2 : 64;

		if (view->count == 0 || view->count >= 64)
			view->records = realloc(view->records, room * sizeof *view->records);
	}
	view->records[view->count++] = (struct ring_record){thread, number, bytes, length};
}

static int join(struct ring_view *view, struct joining *joining, const uint8_t *at,
		uint64_t number, uint32_t thread)
{
	struct wire_head head = record_head(at);
	uint32_t fixed = head.flags & WIRE_FRAGMENT_FIRST
				 ? (uint32_t)sizeof(struct wire_fragment_first)
				 : (uint32_t)sizeof head;
	struct wire_fragment_first first;

	if (head.flags & WIRE_FRAGMENT_FIRST) {
		if (joining->bytes)
			return bad(view, "a value was abandoned");
		memcpy(&first, at, sizeof first);
		joining->bytes = malloc(first.whole_length ? first.whole_length : 1);
		joining->length = first.whole_length;
		joining->filled = 0;
		joining->number = number;
		view->joined =
			realloc(view->joined, (view->joined_count + 1) * sizeof *view->joined);
		view->joined[view->joined_count++] = joining->bytes;
	} else if (!joining->bytes) {
		return bad(view, "a fragment without a first");
	}
	if (head.length - fixed > joining->length - joining->filled)
		return bad(view, "fragments longer than announced");
	memcpy(joining->bytes + joining->filled, at + fixed, head.length - fixed);
	joining->filled += head.length - fixed;
	if (!(head.flags & WIRE_FRAGMENT_LAST))
		return 0;
	if (joining->filled != joining->length)
		return bad(view, "fragments shorter than announced");
	if (record_check(joining->bytes, record_padded(joining->length)) < 0 &&
	    record_check(joining->bytes, joining->length) < 0)
		return bad(view, "joined fragments are no record");
	add_record(view, thread, joining->number, joining->bytes, joining->length);
	joining->bytes = NULL;
	return 0;
}

static int check_padding(struct ring_view *view, const uint8_t *at, uint32_t length)
{
	for (uint32_t i = length; i < record_padded(length); i++)
		if (at[i])
			return bad(view, "padding is not zero");
	return 0;
}

static int read_block(struct ring_view *view, const struct block_seen *block,
		      struct joining *joining, uint64_t *number)
{
	const uint8_t *at = view->image + ring_view_header(view)->blocks_offset +
			    (size_t)block->index * WIRE_BLOCK_BYTES;
	const uint8_t *end = at + block->committed;

	while (at < end) {
		int64_t advance = record_check(at, (size_t)(end - at));
		uint32_t length = record_head(at).length;
		int r;

		if (advance < 0 || advance > end - at)
			return bad(view, "not a record");
		if (check_padding(view, at, length) < 0)
			return -EBADMSG;
		++*number;
		view->pieces++;
		if (record_head(at).type == WIRE_FRAGMENT) {
			r = join(view, joining, at, *number, block->thread);
			if (r < 0)
				return r;
		} else {
			if (joining->bytes)
				return bad(view, "a record inside a fragmented value");
			add_record(view, block->thread, *number, at, length);
		}
		at += advance;
	}
	return 0;
}

static int by_thread(const void *a, const void *b)
{
	const struct block_seen *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->thread_block < y->thread_block ? -1 : x->thread_block > y->thread_block;
}

static int read_threads(struct ring_view *view, struct block_seen *blocks, size_t count,
			bool recycled)
{
	struct joining joining = {0};
	uint64_t number = 0;
	int r;

	qsort(blocks, count, sizeof *blocks, by_thread);
	for (size_t i = 0; i < count; i++) {
		bool first = i == 0 || blocks[i].thread != blocks[i - 1].thread;

		if (first) {
			view->incomplete += joining.bytes != NULL;
			joining.bytes = NULL;
			number = recycled ? blocks[i].first_record - 1 : 0;
		}
		if (!recycled &&
		    blocks[i].thread_block != (first ? 1 : blocks[i - 1].thread_block + 1))
			return bad(view, "a block of the thread is missing");
		if (!first && !blocks[i - 1].sealed)
			return bad(view, "a thread went on without sealing");
		if (recycled && !first &&
		    blocks[i].thread_block != blocks[i - 1].thread_block + 1)
			return bad(view, "a block in the middle was returned first");
		if (blocks[i].first_record != number + 1)
			return bad(view, "records are numbered with a gap");
		r = read_block(view, &blocks[i], &joining, &number);
		if (r < 0)
			return r;
	}
	view->incomplete += joining.bytes != NULL;
	return 0;
}

static int check_header(struct ring_view *view)
{
	const struct wire_ring_header *header = ring_view_header(view);

	if (view->size < sizeof *header || header->magic != WIRE_RING_MAGIC ||
	    header->size != view->size || header->incompat ||
	    header->version != WIRE_VERSION || header->block_bytes != WIRE_BLOCK_BYTES ||
	    header->block_count != wire_block_count(view->size) ||
	    header->lines_offset != WIRE_HEADER_BYTES ||
	    header->blocks_offset != wire_blocks_offset(view->size))
		return bad(view, "not a ring's header");
	return 0;
}

static int see_block(struct ring_view *view, uint32_t index, uint32_t returned,
		     struct block_seen *ret)
{
	const struct wire_block_line *line =
		(const struct wire_block_line *)(view->image + WIRE_HEADER_BYTES) + index;
	uint32_t generation = atomic_load_explicit(&line->generation, memory_order_relaxed);
	uint32_t committed = atomic_load_explicit(&line->committed, memory_order_relaxed);

	if (generation == returned)
		return 0;
	if (generation != returned + 1)
		return bad(view, "a generation was skipped");
	ret->sealed = (committed & WIRE_SEALED) != 0;
	ret->committed = committed & ~WIRE_SEALED;
	if (ret->committed > WIRE_BLOCK_BYTES || ret->committed % WIRE_RECORD_ALIGN)
		return bad(view, "committed leaves the block");
	ret->index = index;
	ret->thread = line->thread;
	ret->thread_block = line->thread_block;
	ret->first_record = line->first_record;
	if (!ret->thread || !ret->thread_block)
		return bad(view, "a block without an owner");
	return 1;
}

int ring_view_read(struct ring_view *view, const uint8_t *ring, size_t size,
		   const uint32_t *returned)
{
	const struct wire_ring_header *header;
	struct block_seen *blocks;
	size_t count = 0;
	uint32_t ready;
	int r;

	memset(view, 0, sizeof *view);
	view->image = malloc(size);
	view->size = size;
	memcpy(view->image, ring, WIRE_HEADER_BYTES);
	r = check_header(view);
	if (r < 0)
		return r;
	header = ring_view_header(view);
	ready = atomic_load_explicit(&header->blocks_ready, memory_order_acquire);
	if (ready > header->block_count)
		return bad(view, "more blocks ready than there are");
	memcpy(view->image + WIRE_HEADER_BYTES, ring + WIRE_HEADER_BYTES,
	       (size_t)ready * WIRE_LINE_BYTES);
	blocks = calloc(ready + 1, sizeof *blocks);
	for (uint32_t i = 0; i < ready && r >= 0; i++) {
		size_t from = header->blocks_offset + (size_t)i * WIRE_BLOCK_BYTES;

		r = see_block(view, i, returned ? returned[i] : 0, &blocks[count]);
		if (r == 1)
			memcpy(view->image + from, ring + from, blocks[count++].committed);
	}
	view->blocks_used = (uint32_t)count;
	if (r >= 0)
		r = read_threads(view, blocks, count, returned != NULL);
	free(blocks);
	return r < 0 ? r : 0;
}

static int find_ring(const char *directory, char ret_path[512])
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int found = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		size_t length = strlen(entry->d_name), suffix = strlen(WIRE_RING_SUFFIX);

		if (length <= suffix ||
		    strcmp(entry->d_name + length - suffix, WIRE_RING_SUFFIX) != 0)
			continue;
		found++;
		(void)snprintf(ret_path, 512, "%s/%s", directory, entry->d_name);
	}
	closedir(dir);
	return found == 1 ? 0 : found ? -EEXIST : -ENOENT;
}

int ring_view_open(struct ring_view *view, const char *directory)
{
	char path[512];
	struct stat st;
	void *at;
	int fd, r;

	memset(view, 0, sizeof *view);
	r = find_ring(directory, path);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return -errno;
	r = ring_view_read(view, at, (size_t)st.st_size, NULL);
	munmap(at, (size_t)st.st_size);
	return r;
}

void ring_view_close(struct ring_view *view)
{
	for (size_t i = 0; i < view->joined_count; i++)
		free(view->joined[i]);
	free(view->joined);
	free(view->records);
	free(view->image);
	memset(view, 0, sizeof *view);
}

const struct wire_ring_header *ring_view_header(const struct ring_view *view)
{
	return (const struct wire_ring_header *)view->image;
}

size_t ring_view_count(const struct ring_view *view, enum wire_record_type type)
{
	size_t count = 0;

	for (size_t i = 0; i < view->count; i++)
		count += record_head(view->records[i].bytes).type == type;
	return count;
}

const struct ring_record *ring_view_nth(const struct ring_view *view,
					enum wire_record_type type, size_t n)
{
	for (size_t i = 0; i < view->count; i++)
		if (record_head(view->records[i].bytes).type == type && n-- == 0)
			return &view->records[i];
	return NULL;
}

static bool text_is(struct record_text text, const char *expected)
{
	return text.length == strlen(expected) && !memcmp(text.at, expected, text.length);
}

const struct ring_record *ring_view_start(const struct ring_view *view, const char *name)
{
	const struct ring_record *record;

	for (size_t n = 0; (record = ring_view_nth(view, WIRE_START, n)); n++)
		if (text_is(record_get_start(record->bytes).name, name))
			return record;
	return NULL;
}

struct record_text ring_view_text(const struct ring_view *view, const uint8_t span_id[8],
				  const char *key)
{
	struct record_text found = {NULL, 0};
	const struct ring_record *record;

	for (size_t n = 0; (record = ring_view_nth(view, WIRE_ATTRIBUTE, n)); n++) {
		struct record_attribute attribute = record_get_attribute(record->bytes);
		struct record_text name = {attribute.entry.key, attribute.entry.key_length};

		if (!memcmp(attribute.span_id, span_id, 8) && text_is(name, key) &&
		    attribute.entry.type == WIRE_STRING)
			found = (struct record_text){attribute.entry.value,
						     attribute.entry.value_length};
	}
	return found;
}
