#include "ring_writer.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void path_of(char path[400], const struct ring_writer *writer, const char *suffix)
{
	snprintf(path, 400, "%s/%.32s%s", writer->dir, writer->name, suffix);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t start_time(void)
{
	unsigned long long start = 0;
	char text[1024], *at;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof text - 1);

	close(fd);
	text[n] = '\0';
	at = strrchr(text, ')');
	sscanf(at + 1,
	       " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
	       "%*s %llu",
	       &start);
	return start;
}

static void header_fill(struct ring_writer *writer)
{
	struct wire_ring_header *header = writer->header;

	header->magic = WIRE_RING_MAGIC;
	header->header_bytes = WIRE_HEADER_BYTES;
	header->version = WIRE_VERSION;
	memcpy(header->instance, writer->instance, 16);
	header->size = writer->size;
	header->block_bytes = WIRE_BLOCK_BYTES;
	header->block_count = wire_block_count(writer->size);
	header->lines_offset = WIRE_HEADER_BYTES;
	header->blocks_offset = wire_blocks_offset(writer->size);
	header->clock = WIRE_CLOCK_MONOTONIC;
	header->pid = (uint32_t)getpid();
	header->anchor_mono_ns = header->anchor_ticks = clock_ns(CLOCK_MONOTONIC);
	header->anchor_boot_ns = clock_ns(CLOCK_BOOTTIME);
	header->anchor_wall_ns = clock_ns(CLOCK_REALTIME);
	header->start_time = start_time();
}

void ring_writer_prepare_as(struct ring_writer *writer, const char *dir,
			    const uint8_t instance[16], uint64_t size)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	char path[400];
	int r;

	*writer = (struct ring_writer){.size = size};
	snprintf(writer->dir, sizeof writer->dir, "%s", dir);
	memcpy(writer->instance, instance, 16);
	for (int i = 0; i < 16; i++)
		snprintf(writer->name + 2 * i, 3, "%02x", instance[i]);
	strcat(writer->name, WIRE_RING_SUFFIX);
	path_of(path, writer, WIRE_TEMPORARY_SUFFIX);
	writer->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	assert(writer->fd >= 0);
	r = ftruncate(writer->fd, (off_t)size);
	assert(r == 0);
	writer->at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, writer->fd, 0);
	assert(writer->at != MAP_FAILED);
	writer->header = (struct wire_ring_header *)writer->at;
	header_fill(writer);
	writer->lines = (struct wire_block_line *)(writer->at + WIRE_HEADER_BYTES);
	writer->blocks = writer->at + writer->header->blocks_offset;
	r = fcntl(writer->fd, F_OFD_SETLK, &lock);
	assert(r == 0);
}

void ring_writer_prepare(struct ring_writer *writer, const char *dir, uint8_t seed,
			 uint64_t size)
{
	uint8_t instance[16];

	memset(instance, seed, sizeof instance);
	ring_writer_prepare_as(writer, dir, instance, size);
}

void ring_writer_publish(struct ring_writer *writer)
{
	char from[400], to[400];
	int r;

	path_of(from, writer, WIRE_TEMPORARY_SUFFIX);
	path_of(to, writer, WIRE_RING_SUFFIX);
	r = rename(from, to);
	assert(r == 0);
}

void ring_writer_make(struct ring_writer *writer, const char *dir, uint8_t seed, uint64_t size)
{
	ring_writer_prepare(writer, dir, seed, size);
	ring_writer_publish(writer);
}

void ring_writer_die(struct ring_writer *writer)
{
	struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = 1};
	int r = fcntl(writer->fd, F_OFD_SETLK, &lock);

	assert(r == 0);
}

void ring_writer_close(struct ring_writer *writer)
{
	munmap(writer->at, writer->size);
	close(writer->fd);
}

static uint32_t ctl_word(const struct ring_writer *writer, off_t offset)
{
	uint32_t word = 0;
	char path[400];
	int fd;

	path_of(path, writer, WIRE_CTL_SUFFIX);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (pread(fd, &word, sizeof word, offset) != sizeof word)
		word = 0;
	close(fd);
	return word;
}

uint32_t ring_writer_returned(const struct ring_writer *writer, uint32_t block)
{
	return ctl_word(writer, WIRE_HEADER_BYTES + 4 * (off_t)block);
}

uint32_t ring_writer_returns(const struct ring_writer *writer)
{
	return ctl_word(writer, offsetof(struct wire_ctl_header, returns));
}

uint32_t ring_writer_flush_ack(const struct ring_writer *writer)
{
	return ctl_word(writer, offsetof(struct wire_ctl_header, flush_ack));
}

/* ---- one thread ------------------------------------------------------------ */

void ring_pen_init(struct ring_pen *pen, struct ring_writer *writer, uint32_t number)
{
	*pen = (struct ring_pen){
		.writer = writer,
		.number = number,
		.block = UINT32_MAX,
		.next_block = 1,
		.next_record = 1,
	};
}

static struct wire_block_line *line_of(struct ring_pen *pen)
{
	return &pen->writer->lines[pen->block];
}

void ring_pen_open(struct ring_pen *pen, uint32_t index)
{
	struct wire_ring_header *header = pen->writer->header;
	struct wire_block_line *line = &pen->writer->lines[index];
	uint32_t generation = atomic_load_explicit(&line->generation, memory_order_relaxed);

	pen->block = index;
	pen->at = 0;
	if (atomic_load_explicit(&header->blocks_ready, memory_order_relaxed) <= index)
		atomic_store_explicit(&header->blocks_ready, index + 1, memory_order_release);
	atomic_store_explicit(&line->claim, generation + 1, memory_order_relaxed);
	atomic_store_explicit(&line->committed, 0, memory_order_relaxed);
	line->thread = pen->number;
	line->thread_block = pen->next_block++;
	line->first_record = pen->next_record;
	/* P1 pairs with C1 in the drain. */
	atomic_store_explicit(&line->generation, generation + 1, memory_order_release);
}

void ring_pen_commit(struct ring_pen *pen)
{
	/* P2 pairs with C2 in the drain. */
	atomic_store_explicit(&line_of(pen)->committed, pen->at, memory_order_release);
}

void ring_pen_seal(struct ring_pen *pen)
{
	atomic_store_explicit(&line_of(pen)->committed, pen->at | WIRE_SEALED,
			      memory_order_release); /* P2 */
	pen->block = UINT32_MAX;
}

void ring_pen_record(struct ring_pen *pen, const void *record, uint32_t length)
{
	uint8_t *to = pen->writer->blocks + (size_t)pen->block * WIRE_BLOCK_BYTES + pen->at;

	assert(pen->at + record_padded(length) <= WIRE_BLOCK_BYTES);
	memset(to, 0, record_padded(length));
	memcpy(to, record, length);
	pen->at += record_padded(length);
	pen->next_record++;
	ring_pen_commit(pen);
}

void ring_pen_start(struct ring_pen *pen, uint64_t span, const char *name)
{
	uint8_t record[512];
	struct wire_start start = {
		.head = record_make_head(WIRE_START, (uint32_t)(sizeof start + strlen(name)), 0,
					 1),
		.ticks = clock_ns(CLOCK_MONOTONIC),
		.name_length = (uint32_t)strlen(name),
	};

	memset(start.trace_id, 7, 16);
	memcpy(start.span_id, &span, 8);
	memcpy(record, &start, sizeof start);
	memcpy(record + sizeof start, name, strlen(name));
	ring_pen_record(pen, record, start.head.length);
}

void ring_pen_end(struct ring_pen *pen, uint64_t span)
{
	uint8_t record[64], id[8];

	memcpy(id, &span, 8);
	ring_pen_record(pen, record,
			record_put_end(record, id, clock_ns(CLOCK_MONOTONIC), 0));
}

static uint8_t *string_make(uint64_t span, const char *key, uint32_t length,
			    uint32_t *ret_length)
{
	uint32_t key_length = (uint32_t)strlen(key), fixed;
	uint8_t *record = malloc(sizeof(struct wire_attribute) + key_length + length), id[8];

	memcpy(id, &span, 8);
	fixed = record_put_attribute(record, id, WIRE_STRING, key_length, length);
	memcpy(record + fixed, key, key_length);
	for (uint32_t i = 0; i < length; i++)
		record[fixed + key_length + i] = (uint8_t)('a' + (i / 7 + span) % 26);
	*ret_length = fixed + key_length + length;
	return record;
}

void ring_pen_string(struct ring_pen *pen, uint64_t span, const char *key, uint32_t length)
{
	uint32_t record_length;
	uint8_t *record = string_make(span, key, length, &record_length);

	ring_pen_record(pen, record, record_length);
	free(record);
}

void ring_pen_process_end(struct ring_pen *pen, enum wire_process_end how, int code)
{
	struct wire_process_end_record record = {
		.head = record_make_head(WIRE_PROCESS_END, sizeof record,
					 WIRE_PROCESS_CODE_KNOWN, how),
		.code = code,
	};

	ring_pen_record(pen, &record, sizeof record);
}

void ring_pen_fragment(struct ring_pen *pen, unsigned flags, uint32_t whole, const void *body,
		       uint32_t length)
{
	uint8_t record[WIRE_BLOCK_BYTES];
	uint32_t head = flags & WIRE_FRAGMENT_FIRST ? sizeof(struct wire_fragment_first)
						    : sizeof(struct wire_head);
	struct wire_fragment_first first = {
		.head = record_make_head(WIRE_FRAGMENT, head + length, flags, 0),
		.whole_length = whole,
	};

	memcpy(record, &first, head);
	memcpy(record + head, body, length);
	ring_pen_record(pen, record, head + length);
}

uint8_t *ring_pen_long_string(struct ring_pen *pen, uint64_t span, uint32_t length,
			      uint32_t from, uint32_t *ret_length)
{
	uint32_t whole, done = 0, flags = WIRE_FRAGMENT_FIRST;
	uint8_t *record = string_make(span, "long", length, &whole);

	while (done < whole) {
		uint32_t head = done == 0 ? 16 : 8, room, take;

		if (pen->block == UINT32_MAX)
			ring_pen_open(pen, from++);
		room = WIRE_BLOCK_BYTES - pen->at;
		if (room <= head) {
			ring_pen_seal(pen);
			continue;
		}
		take = whole - done < room - head ? whole - done : room - head;
		if (done + take == whole)
			flags |= WIRE_FRAGMENT_LAST;
		ring_pen_fragment(pen, flags, whole, record + done, take);
		done += take;
		flags = 0;
		if (done < whole)
			ring_pen_seal(pen);
	}
	*ret_length = whole;
	return record;
}
