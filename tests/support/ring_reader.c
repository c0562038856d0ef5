#include "ring_reader.h"

#include "wire/abi.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A block worth reading, sortable. */
struct block {
	uint32_t thread;
	uint32_t thread_block;
	uint32_t committed;
	const uint8_t *at;
};

static int compare_blocks(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->thread_block < y->thread_block ? -1 : x->thread_block > y->thread_block;
}

static void map_file(struct ring_reader *reader, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		fail_msg("cannot open %s", path);
	assert_int_equal(fstat(fd, &st), 0);
	reader->size = (size_t)st.st_size;
	assert_true(reader->size >= WIRE_RING_BYTES_MIN);
	reader->base = mmap(NULL, reader->size, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(reader->base, MAP_FAILED);
	close(fd);
}

static size_t collect_blocks(const struct ring_reader *reader, struct block *blocks)
{
	struct wire_ring_header *header = (struct wire_ring_header *)reader->base;
	struct wire_block_line *lines =
		(struct wire_block_line *)(reader->base + header->lines_offset);
	uint32_t ready = atomic_load_explicit(&header->blocks_ready, memory_order_acquire);
	size_t count = 0;

	/* C1 and C2 of wire/abi.h: acquire, pair with the client's releases. */
	for (uint32_t i = 0; i < ready && i < header->block_count; i++) {
		if (!atomic_load_explicit(&lines[i].generation, memory_order_acquire))
			continue;
		blocks[count].committed =
			atomic_load_explicit(&lines[i].committed, memory_order_acquire) &
			~WIRE_SEALED;
		blocks[count].thread = lines[i].thread;
		blocks[count].thread_block = lines[i].thread_block;
		blocks[count].at =
			reader->base + header->blocks_offset + (size_t)i * WIRE_BLOCK_BYTES;
		count++;
	}
	qsort(blocks, count, sizeof *blocks, compare_blocks);
	return count;
}

static void read_block(struct ring_reader *reader, const struct block *block)
{
	uint32_t offset = 0;

	assert_true(block->committed <= WIRE_BLOCK_BYTES);
	while (offset < block->committed) {
		int64_t length = record_check(block->at + offset, block->committed - offset);

		if (length <= 0)
			fail_msg("no record at %u of a block", offset);
		reader->records[reader->count] = block->at + offset;
		reader->threads[reader->count++] = block->thread;
		offset += (uint32_t)length;
	}
}

void ring_reader_open(struct ring_reader *reader, const char *path)
{
	const struct wire_ring_header *header;
	struct block *blocks;
	size_t count;

	memset(reader, 0, sizeof *reader);
	map_file(reader, path);
	header = (const struct wire_ring_header *)reader->base;
	assert_true(header->magic == WIRE_RING_MAGIC);
	assert_int_equal(header->size, reader->size);
	blocks = calloc(header->block_count, sizeof *blocks);
	assert_non_null(blocks);
	count = collect_blocks(reader, blocks);
	/* The shortest record is its head. */
	reader->records = calloc(count * (WIRE_BLOCK_BYTES / 8) + 1, sizeof *reader->records);
	reader->threads = calloc(count * (WIRE_BLOCK_BYTES / 8) + 1, sizeof *reader->threads);
	assert_non_null(reader->records);
	assert_non_null(reader->threads);
	for (size_t i = 0; i < count; i++)
		read_block(reader, &blocks[i]);
	free(blocks);
}

void ring_reader_close(struct ring_reader *reader)
{
	munmap(reader->base, reader->size);
	free(reader->records);
	free(reader->threads);
	memset(reader, 0, sizeof *reader);
}

void ring_reader_open_in(struct ring_reader *reader, const char *directory)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;
	char path[4096] = "";

	assert_non_null(entries);
	while ((entry = readdir(entries))) {
		size_t length = strlen(entry->d_name), suffix = strlen(WIRE_RING_SUFFIX);

		if (length < suffix ||
		    strcmp(entry->d_name + length - suffix, WIRE_RING_SUFFIX))
			continue;
		if (*path)
			fail_msg("more than one ring in %s", directory);
		snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
	}
	closedir(entries);
	if (!*path)
		fail_msg("no ring in %s", directory);
	ring_reader_open(reader, path);
}

size_t ring_reader_count(const struct ring_reader *reader, enum wire_record_type type)
{
	size_t count = 0;

	for (size_t i = 0; i < reader->count; i++)
		count += record_head(reader->records[i]).type == type;
	return count;
}

const uint8_t *ring_reader_find(const struct ring_reader *reader, enum wire_record_type type,
				size_t n)
{
	for (size_t i = 0; i < reader->count; i++)
		if (record_head(reader->records[i]).type == type && n-- == 0)
			return reader->records[i];
	return NULL;
}

static bool text_is(struct record_text text, const char *expected)
{
	return text.length == strlen(expected) && !memcmp(text.at, expected, text.length);
}

const uint8_t *ring_reader_start(const struct ring_reader *reader, const char *name)
{
	for (size_t i = 0; i < reader->count; i++)
		if (record_head(reader->records[i]).type == WIRE_START &&
		    text_is(record_get_start(reader->records[i]).name, name))
			return reader->records[i];
	return NULL;
}

bool ring_reader_text(const struct ring_reader *reader, const uint8_t span_id[8],
		      const char *key, struct record_text *ret)
{
	bool found = false;

	for (size_t i = 0; i < reader->count; i++) {
		struct record_attribute attribute;
		struct record_text name;

		if (record_head(reader->records[i]).type != WIRE_ATTRIBUTE)
			continue;
		attribute = record_get_attribute(reader->records[i]);
		name = (struct record_text){attribute.entry.key, attribute.entry.key_length};
		if (memcmp(attribute.span_id, span_id, 8) || !text_is(name, key) ||
		    attribute.entry.type != WIRE_STRING)
			continue;
		*ret = (struct record_text){attribute.entry.value,
					    attribute.entry.value_length};
		found = true;
	}
	return found;
}
