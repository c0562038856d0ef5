#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "records.h"
#include "wire/abi.h"

#define ROW_BYTES 32

static FILE *golden_open(const char *beside, const char *name, const char *mode)
{
	const char *slash = strrchr(beside, '/');
	char path[512];
	FILE *file;

	assert_non_null(slash);
	snprintf(path, sizeof path, "%.*s/golden/%s", (int)(slash - beside), beside, name);
	file = fopen(path, mode);
	if (!file)
		fail_msg("%s cannot be opened (run tests from the top of the tree)", path);
	return file;
}

static unsigned digit(char c)
{
	return c <= '9' ? (unsigned)c - '0' : (unsigned)c - 'a' + 10;
}

void golden_read(const char *beside, const char *name, uint8_t *at, size_t size)
{
	FILE *file = golden_open(beside, name, "r");
	char line[256], hex[2 * ROW_BYTES + 1];
	unsigned long offset;
	size_t i;

	while (fgets(line, sizeof line, file)) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%lx %64s", &offset, hex), 2);
		for (i = 0; hex[2 * i]; i++) {
			assert_true(offset + i < size);
			at[offset + i] =
				(uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
		}
	}
	fclose(file);
}

static void golden_write(const char *beside, const char *name, const uint8_t *at, size_t size)
{
	static const uint8_t zeros[ROW_BYTES];
	FILE *file = golden_open(beside, name, "w");
	size_t offset, i, n;

	fprintf(file, "# %zu bytes; rows of zeros are left out\n", size);
	for (offset = 0; offset < size; offset += n) {
		n = size - offset < ROW_BYTES ? size - offset : ROW_BYTES;
		if (memcmp(at + offset, zeros, n) == 0)
			continue;
		fprintf(file, "%06zx ", offset);
		for (i = 0; i < n; i++)
			fprintf(file, "%02x", at[offset + i]);
		fputc('\n', file);
	}
	fclose(file);
}

void golden_compare(const char *beside, const char *name, const uint8_t *at, size_t size)
{
	uint8_t *golden;

	if (getenv("SPANRING_WRITE_GOLDEN")) {
		golden_write(beside, name, at, size);
		return;
	}
	golden = calloc(1, size);
	assert_non_null(golden);
	golden_read(beside, name, golden, size);
	assert_memory_equal(at, golden, size);
	free(golden);
}

/* ---- rings ----------------------------------------------------------------- */

static void fill_bytes(uint8_t *at, size_t len, uint8_t first)
{
	size_t i;

	for (i = 0; i < len; i++)
		at[i] = (uint8_t)(first + i);
}

static void put_header(uint8_t *at)
{
	struct wire_ring_header *header = (struct wire_ring_header *)at;

	header->magic = WIRE_RING_MAGIC;
	header->header_bytes = WIRE_HEADER_BYTES;
	header->version = WIRE_VERSION;
	header->compat = 0x80000000;
	fill_bytes(header->instance, sizeof header->instance, 0xa0);
	header->size = GOLDEN_RING_BYTES;
	header->block_bytes = WIRE_BLOCK_BYTES;
	header->block_count = wire_block_count(GOLDEN_RING_BYTES);
	header->lines_offset = WIRE_HEADER_BYTES;
	header->blocks_offset = wire_blocks_offset(GOLDEN_RING_BYTES);
	header->clock = WIRE_CLOCK_TSC;
	header->pid = 4711;
	header->anchor_ticks = UINT64_C(0x1112131415161718);
	header->anchor_mono_ns = UINT64_C(0x2122232425262728);
	header->anchor_boot_ns = UINT64_C(0x3132333435363738);
	header->anchor_wall_ns = UINT64_C(0x4142434445464748);
	header->start_time = 123456;
	header->pid_namespace = 4026531836;
	header->time_namespace = 4026531834;
	fill_bytes(header->boot_id, sizeof header->boot_id, 0xb0);
	atomic_init(&header->blocks_ready, 4);
	atomic_init(&header->flush_req, 9);
	atomic_init(&header->waited, 2);
	atomic_init(&header->refused[WIRE_REFUSED_RING_FULL], 3);
	atomic_init(&header->refused[WIRE_REFUSED_END_LOST], 1);
	atomic_init(&header->lost_end_next, 1);
	header->lost_end[0].span_id[0] = 0x01020304;
	header->lost_end[0].span_id[1] = 0x05060708;
	atomic_init(&header->lost_end[0].ready, 1);
}

struct golden_block {
	uint32_t index, generation, thread, thread_block, owner;
	uint64_t first_record;
	bool sealed;
};

static void put_block(uint8_t *at, struct golden_block block, const struct buf *records)
{
	const struct wire_ring_header *header = (const struct wire_ring_header *)at;
	struct wire_block_line *line =
		(struct wire_block_line *)(at + header->lines_offset) + block.index;

	assert_true(!buf_failed(records) && records->len <= WIRE_BLOCK_BYTES);
	memcpy(at + header->blocks_offset + block.index * WIRE_BLOCK_BYTES, records->at,
	       records->len);
	atomic_init(&line->generation, block.generation);
	atomic_init(&line->committed,
		    (uint32_t)records->len | (block.sealed ? WIRE_SEALED : 0));
	atomic_init(&line->claim, block.generation);
	line->owner = block.owner;
	line->thread = block.thread;
	line->thread_block = block.thread_block;
	line->first_record = block.first_record;
}

static void put_raw(struct buf *out, const void *fixed, size_t fixed_len, const char *rest,
		    size_t rest_len)
{
	size_t begin = out->len;

	(void)buf_append(out, fixed, fixed_len); /* put_block() asks whether all fitted */
	(void)buf_append(out, rest, rest_len);
	while ((out->len - begin) % WIRE_RECORD_ALIGN)
		(void)buf_append_byte(out, 0);
}

static void put_run(struct buf *out, unsigned flags)
{
	struct wire_run run = {.head = record_make_head(WIRE_RUN, sizeof run, flags, 0)};

	fill_bytes(run.trace_id, sizeof run.trace_id, 0xc0);
	put_raw(out, &run, sizeof run, "", 0);
}

static void put_process_end(struct buf *out)
{
	struct wire_process_end_record end = {
		.head = record_make_head(WIRE_PROCESS_END, sizeof end, WIRE_PROCESS_CODE_KNOWN,
					 WIRE_PROCESS_EXIT),
		.ticks = UINT64_C(0x1112131415161799),
		.code = -7,
	};

	put_raw(out, &end, sizeof end, "", 0);
}

#define GOLDEN_SPAN UINT64_C(0xd7d6d5d4d3d2d1d0)

static void put_first_thread(struct buf *out)
{
	static const uint8_t yes = 1;
	struct buf entries = BUF_INIT, list = BUF_INIT;
	int64_t number = -42;
	double real = 2.5;

	records_entry(&entries, bytes_of("service.name"), WIRE_STRING, bytes_of("golden"));
	records_resource(out, bytes_of("https://schema"), buf_bytes(&entries), 1);
	records_scope(out, 1, bytes_of("scope"), bytes_of("1.0"), bytes_of("url"),
		      buf_bytes(&entries), 2);
	put_run(out, WIRE_RUN_BEGIN);
	records_start(out, GOLDEN_SPAN, 0, 1, 0x101, 1000, bytes_of("root"), bytes_of("v=1"));
	records_attribute(out, GOLDEN_SPAN, bytes_of("s"), WIRE_STRING, bytes_of("text"));
	records_attribute(out, GOLDEN_SPAN, bytes_of("b"), WIRE_BOOL, (struct bytes){&yes, 1});
	records_attribute(out, GOLDEN_SPAN, bytes_of("i"), WIRE_INT,
			  (struct bytes){(uint8_t *)&number, 8});
	records_attribute(out, GOLDEN_SPAN, bytes_of("d"), WIRE_DOUBLE,
			  (struct bytes){(uint8_t *)&real, 8});
	records_attribute(out, GOLDEN_SPAN, bytes_of("y"), WIRE_BYTES,
			  bytes_of("\x01\x02\x03"));
	records_attribute(out, GOLDEN_SPAN, bytes_of("e"), WIRE_EMPTY, bytes_of(""));
	records_entry(&list, bytes_of(""), WIRE_STRING, bytes_of("one"));
	records_entry(&list, bytes_of(""), WIRE_STRING, bytes_of("two"));
	records_attribute(out, GOLDEN_SPAN, bytes_of("a"), WIRE_ARRAY, buf_bytes(&list));
	records_attribute(out, GOLDEN_SPAN, bytes_of("m"), WIRE_MAP, buf_bytes(&entries));
	buf_fini(&entries);
	buf_fini(&list);
}

static void put_second_thread(struct buf *out)
{
	struct buf entries = BUF_INIT;

	records_entry(&entries, bytes_of("k"), WIRE_STRING, bytes_of("v"));
	records_event(out, GOLDEN_SPAN, 1010, bytes_of("event"), buf_bytes(&entries), 3);
	records_link(out, GOLDEN_SPAN, 0x99, 0x300, bytes_of("t=s"), buf_bytes(&entries), 4);
	records_text(out, WIRE_STATUS, GOLDEN_SPAN, 2, bytes_of("failed"));
	records_text(out, WIRE_NAME, GOLDEN_SPAN, 0, bytes_of("renamed"));
	records_dropped(out, GOLDEN_SPAN, 5, 6, 7);
	records_end(out, GOLDEN_SPAN, 2000);
	put_run(out, WIRE_RUN_END);
	put_process_end(out);
	buf_fini(&entries);
}

void golden_ring_types(uint8_t *at)
{
	struct buf records = BUF_INIT;

	put_header(at);
	put_first_thread(&records);
	put_block(at, (struct golden_block){0, 1, 1, 1, 4711, 1, true}, &records);
	buf_reset(&records);
	put_second_thread(&records);
	put_block(at, (struct golden_block){2, 3, 2, 4, 4712, 101, false}, &records);
	buf_fini(&records);
}

static void put_piece(struct buf *out, unsigned flags, uint32_t whole, const uint8_t *at,
		      size_t len)
{
	struct wire_fragment_first first = {
		.head = record_make_head(WIRE_FRAGMENT, 0, flags, 0),
		.whole_length = whole,
	};
	size_t fixed = flags & WIRE_FRAGMENT_FIRST ? sizeof first : sizeof first.head;

	first.head.length = (uint32_t)(fixed + len);
	put_raw(out, &first, fixed, (const char *)at, len);
}

void golden_ring_fragments(uint8_t *at)
{
	struct buf records = BUF_INIT, whole = BUF_INIT;
	uint8_t value[200];
	uint32_t length;

	fill_bytes(value, sizeof value, 1);
	records_attribute(&whole, GOLDEN_SPAN, bytes_of("large"), WIRE_BYTES,
			  (struct bytes){value, sizeof value});
	length = record_head(whole.at).length;
	put_header(at);
	records_start(&records, GOLDEN_SPAN, 0, 1, 1, 1000, bytes_of("r"), bytes_of(""));
	put_piece(&records, WIRE_FRAGMENT_FIRST, length, whole.at, 50);
	put_block(at, (struct golden_block){0, 1, 1, 1, 4711, 1, true}, &records);
	buf_reset(&records);
	put_piece(&records, 0, 0, whole.at + 50, 101);
	put_block(at, (struct golden_block){1, 1, 1, 2, 4711, 3, true}, &records);
	buf_reset(&records);
	put_piece(&records, WIRE_FRAGMENT_LAST, 0, whole.at + 151, length - 151);
	put_piece(&records, WIRE_FRAGMENT_FIRST, length, whole.at, 40);
	records_end(&records, GOLDEN_SPAN, 2000);
	put_block(at, (struct golden_block){2, 1, 1, 3, 4711, 4, false}, &records);
	buf_fini(&records);
	buf_fini(&whole);
}
