/* Rings as version 1 wrote them. State words are read here by the offsets that
 * ABI.md gives, not through the structs: this is a reader in another language. */
#include "wire/abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "golden.h"
#include "wire/record.h"

#define SPAN UINT64_C(0xd7d6d5d4d3d2d1d0)

static bool other_byte_order(void)
{
	const uint16_t one = 1;

	return *(const uint8_t *)&one != 1;
}

static uint8_t *ring_load(const char *name)
{
	uint8_t *ring;

	if (other_byte_order())
		skip(); /* the golden files are little-endian; rings never travel */
	ring = calloc(1, GOLDEN_RING_BYTES);
	assert_non_null(ring);
	golden_read(__FILE__, name, ring, GOLDEN_RING_BYTES);
	return ring;
}

static uint32_t u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

static uint64_t u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

static void counts_up(const uint8_t *at, size_t len, uint8_t first)
{
	size_t i;

	for (i = 0; i < len; i++)
		assert_int_equal(at[i], (uint8_t)(first + i));
}

static void zeros(const uint8_t *at, size_t from, size_t to)
{
	for (; from < to; from++)
		assert_int_equal(at[from], 0);
}

static void header_check(const uint8_t *ring)
{
	assert_memory_equal(ring, "SPRRING1", 8);
	assert_int_equal(u32(ring + 8), 4096);
	assert_int_equal(u32(ring + 12), 1);
	assert_int_equal(u32(ring + 16), 0x80000000);
	assert_int_equal(u32(ring + 20), 0);
	counts_up(ring + 24, 16, 0xa0);
	assert_int_equal(u64(ring + 40), 1 << 20);
	assert_int_equal(u32(ring + 48), 16384);
	assert_int_equal(u32(ring + 52), 60);
	assert_int_equal(u32(ring + 56), 4096);
	assert_int_equal(u32(ring + 60), 65536);
	assert_int_equal(u32(ring + 64), 2);
	assert_int_equal(u32(ring + 68), 4711);
	assert_int_equal(u64(ring + 72), 0x1112131415161718);
	assert_int_equal(u64(ring + 80), 0x2122232425262728);
	assert_int_equal(u64(ring + 88), 0x3132333435363738);
	assert_int_equal(u64(ring + 96), 0x4142434445464748);
	assert_int_equal(u64(ring + 104), 123456);
	assert_int_equal(u64(ring + 112), 4026531836);
	assert_int_equal(u64(ring + 120), 4026531834);
	counts_up(ring + 128, 16, 0xb0);
	zeros(ring, 144, 256);
}

static void moving_words_check(const uint8_t *ring)
{
	assert_int_equal(u32(ring + 256), 4);
	assert_int_equal(u32(ring + 260), 9);
	assert_int_equal(u32(ring + 264), 2);
	zeros(ring, 268, 320);
	assert_int_equal(u32(ring + 320), 3);
	zeros(ring, 324, 320 + 4 * 7);
	assert_int_equal(u32(ring + 320 + 4 * 7), 1);
	zeros(ring, 320 + 4 * 8, 384);
	assert_int_equal(u32(ring + 384), 1);
	zeros(ring, 388, 448);
	assert_int_equal(u32(ring + 448), 0x01020304);
	assert_int_equal(u32(ring + 452), 0x05060708);
	assert_int_equal(u32(ring + 456), 1);
	zeros(ring, 460, 4096);
}

static void line_check(const uint8_t *ring, uint32_t block, uint32_t generation,
		       uint32_t committed, uint32_t thread, uint32_t thread_block,
		       uint64_t first_record)
{
	const uint8_t *line = ring + 4096 + 64 * block;

	assert_int_equal(u32(line), generation);
	assert_int_equal(u32(line + 4), committed);
	assert_int_equal(u32(line + 8), generation);
	assert_int_equal(u32(line + 16), thread);
	assert_int_equal(u32(line + 20), thread_block);
	assert_int_equal(u64(line + 24), first_record);
	zeros(line, 32, 64);
}

/* The records of a block, one after the other. */
struct walk {
	const uint8_t *at, *end;
};

static struct walk walk_block(const uint8_t *ring, uint32_t block)
{
	const uint8_t *at = ring + 65536 + 16384 * block;
	uint32_t committed = u32(ring + 4096 + 64 * block + 4) & ~WIRE_SEALED;

	return (struct walk){at, at + committed};
}

static const uint8_t *walk_next(struct walk *walk, enum wire_record_type type)
{
	const uint8_t *record = walk->at;
	int64_t n = record_check(record, (size_t)(walk->end - record));

	assert_true(n > 0);
	assert_int_equal(record_head(record).type, type);
	walk->at += n;
	return record;
}

static void walk_ended(const struct walk *walk)
{
	assert_ptr_equal(walk->at, walk->end);
}

static void is_text(struct record_text part, const char *expected)
{
	assert_int_equal(part.length, strlen(expected));
	assert_memory_equal(part.at, expected, part.length);
}

static void is_entry(const struct record_entry *entry, const char *key,
		     enum wire_value_type type, const void *value, size_t len)
{
	is_text((struct record_text){entry->key, entry->key_length}, key);
	assert_int_equal(entry->type, type);
	assert_int_equal(entry->value_length, len);
	if (len)
		assert_memory_equal(entry->value, value, len);
}

static void one_entry(struct record_text entries, const char *key, const char *value)
{
	const uint8_t *at = entries.at;
	struct record_entry entry = {0};

	assert_int_equal(record_entry_next(&at, entries.at + entries.length, &entry), 1);
	is_entry(&entry, key, WIRE_STRING, value, strlen(value));
	assert_int_equal(record_entry_next(&at, entries.at + entries.length, &entry), 0);
}

static void attribute_is(struct walk *walk, const char *key, enum wire_value_type type,
			 const void *value, size_t len)
{
	const uint8_t *at = walk_next(walk, WIRE_ATTRIBUTE);
	struct record_attribute attribute = record_get_attribute(at);

	assert_int_equal(record_span_id(at), SPAN);
	is_entry(&attribute.entry, key, type, value, len);
}

static void list_is_one_two(struct walk *walk)
{
	struct record_attribute list = record_get_attribute(walk_next(walk, WIRE_ATTRIBUTE));
	const uint8_t *at = list.entry.value, *end = at + list.entry.value_length;
	struct record_entry entry = {0};

	assert_int_equal(list.entry.type, WIRE_ARRAY);
	assert_int_equal(record_entry_next(&at, end, &entry), 1);
	is_entry(&entry, "", WIRE_STRING, "one", 3);
	assert_int_equal(record_entry_next(&at, end, &entry), 1);
	is_entry(&entry, "", WIRE_STRING, "two", 3);
	assert_int_equal(record_entry_next(&at, end, &entry), 0);
}

static void a_ring_of_version_1_reads_the_same_in_header_and_lines(void **state)
{
	uint8_t *ring = ring_load("ring-types.hex");

	(void)state;
	header_check(ring);
	moving_words_check(ring);
	line_check(ring, 0, 1, 472 | 0x80000000, 1, 1, 1);
	line_check(ring, 1, 0, 0, 0, 0, 0);
	line_check(ring, 2, 3, 272, 2, 4, 101);
	zeros(ring, 4096 + 3 * 64, 65536);
	free(ring);
}

static void start_of_the_root_is(const uint8_t *at)
{
	struct record_start start = record_get_start(at);

	assert_int_equal(start.fixed.head.aux, 1);
	assert_int_equal(start.fixed.ticks, 1000);
	assert_int_equal(record_span_id(at), SPAN);
	assert_int_equal(u64(start.fixed.parent_span_id), 0);
	assert_int_equal(start.fixed.trace_flags, 0x101);
	assert_int_equal(start.fixed.scope, 0);
	is_text(start.name, "root");
	is_text(start.tracestate, "v=1");
}

static void every_record_type_of_version_1_reads_the_same_first_block(void **state)
{
	uint8_t *ring = ring_load("ring-types.hex");
	struct walk walk = walk_block(ring, 0);
	struct record_resource resource;
	struct record_scope scope;
	struct record_run run;
	int64_t number = -42;
	double real = 2.5;
	struct record_attribute map;

	(void)state;
	resource = record_get_resource(walk_next(&walk, WIRE_RESOURCE));
	is_text(resource.schema_url, "https://schema");
	assert_int_equal(resource.fixed.dropped_attributes, 1);
	one_entry(resource.entries, "service.name", "golden");
	scope = record_get_scope(walk_next(&walk, WIRE_SCOPE));
	assert_int_equal(scope.fixed.number, 1);
	assert_int_equal(scope.fixed.dropped_attributes, 2);
	is_text(scope.name, "scope");
	is_text(scope.version, "1.0");
	is_text(scope.schema_url, "url");
	one_entry(scope.entries, "service.name", "golden");
	run = record_get_run(walk_next(&walk, WIRE_RUN));
	assert_int_equal(run.fixed.head.flags, WIRE_RUN_BEGIN);
	counts_up(run.fixed.trace_id, 16, 0xc0);
	start_of_the_root_is(walk_next(&walk, WIRE_START));
	attribute_is(&walk, "s", WIRE_STRING, "text", 4);
	attribute_is(&walk, "b", WIRE_BOOL, "\1", 1);
	attribute_is(&walk, "i", WIRE_INT, &number, 8);
	attribute_is(&walk, "d", WIRE_DOUBLE, &real, 8);
	attribute_is(&walk, "y", WIRE_BYTES, "\x01\x02\x03", 3);
	attribute_is(&walk, "e", WIRE_EMPTY, "", 0);
	list_is_one_two(&walk);
	map = record_get_attribute(walk_next(&walk, WIRE_ATTRIBUTE));
	assert_int_equal(map.entry.type, WIRE_MAP);
	one_entry((struct record_text){map.entry.value, map.entry.value_length}, "service.name",
		  "golden");
	walk_ended(&walk);
	free(ring);
}

static void event_and_link_are(struct walk *walk)
{
	struct record_event event = record_get_event(walk_next(walk, WIRE_EVENT));
	struct record_link link;

	assert_int_equal(event.fixed.ticks, 1010);
	assert_int_equal(event.fixed.dropped_attributes, 3);
	is_text(event.name, "event");
	one_entry(event.entries, "k", "v");
	link = record_get_link(walk_next(walk, WIRE_LINK));
	assert_int_equal(u64(link.fixed.linked_span_id), 0x99);
	assert_int_equal(link.fixed.trace_flags, 0x300);
	assert_int_equal(link.fixed.dropped_attributes, 4);
	is_text(link.tracestate, "t=s");
	one_entry(link.entries, "k", "v");
}

static void every_record_type_of_version_1_reads_the_same_second_block(void **state)
{
	uint8_t *ring = ring_load("ring-types.hex");
	struct walk walk = walk_block(ring, 2);
	struct wire_process_end_record end;
	struct wire_dropped dropped;
	const uint8_t *at;

	(void)state;
	event_and_link_are(&walk);
	at = walk_next(&walk, WIRE_STATUS);
	assert_int_equal(record_head(at).aux, 2);
	is_text(record_get_text(at), "failed");
	is_text(record_get_text(walk_next(&walk, WIRE_NAME)), "renamed");
	dropped = record_get_dropped(walk_next(&walk, WIRE_DROPPED));
	assert_int_equal(dropped.attributes, 5);
	assert_int_equal(dropped.events, 6);
	assert_int_equal(dropped.links, 7);
	at = walk_next(&walk, WIRE_END);
	assert_int_equal(record_span_id(at), SPAN);
	assert_int_equal(record_get_end(at).ticks, 2000);
	assert_int_equal(record_head(walk_next(&walk, WIRE_RUN)).flags, WIRE_RUN_END);
	at = walk_next(&walk, WIRE_PROCESS_END);
	end = record_get_process_end(at);
	assert_int_equal(end.head.aux, WIRE_PROCESS_EXIT);
	assert_int_equal(end.head.flags, 2);
	assert_int_equal(end.ticks, 0x1112131415161799);
	assert_int_equal(end.code, -7);
	walk_ended(&walk);
	free(ring);
}

/* One piece behind its fixed part. */
static void piece_is(struct walk *walk, unsigned flags, struct buf *joined)
{
	const uint8_t *at = walk_next(walk, WIRE_FRAGMENT);
	struct wire_head head = record_head(at);
	uint32_t fixed = flags & WIRE_FRAGMENT_FIRST ? 16 : 8;

	assert_int_equal(head.flags, flags);
	if (fixed == 16)
		assert_int_equal(u32(at + 8), 16 + 5 + 200);
	assert_int_equal(buf_append(joined, at + fixed, head.length - fixed), 0);
}

static void a_value_of_version_1_in_fragments_joins_the_same(void **state)
{
	uint8_t *ring = ring_load("ring-fragments.hex");
	struct record_attribute attribute;
	struct buf joined = BUF_INIT;
	struct walk walk;

	(void)state;
	walk = walk_block(ring, 0);
	(void)walk_next(&walk, WIRE_START);
	piece_is(&walk, WIRE_FRAGMENT_FIRST, &joined);
	walk_ended(&walk);
	walk = walk_block(ring, 1);
	piece_is(&walk, 0, &joined);
	walk_ended(&walk);
	walk = walk_block(ring, 2);
	piece_is(&walk, WIRE_FRAGMENT_LAST, &joined);
	assert_int_equal(record_check(joined.at, joined.len), 224);
	attribute = record_get_attribute(joined.at);
	is_text((struct record_text){attribute.entry.key, attribute.entry.key_length}, "large");
	assert_int_equal(attribute.entry.value_length, 200);
	counts_up(attribute.entry.value, 200, 1);
	/* Another one begins and is abandoned by an END. */
	buf_reset(&joined);
	piece_is(&walk, WIRE_FRAGMENT_FIRST, &joined);
	(void)walk_next(&walk, WIRE_END);
	walk_ended(&walk);
	line_check(ring, 0, 1, 144 | 0x80000000, 1, 1, 1);
	line_check(ring, 1, 1, 112 | 0x80000000, 1, 2, 3);
	line_check(ring, 2, 1, 160, 1, 3, 4);
	buf_fini(&joined);
	free(ring);
}

/* Whoever changes the layout meets this: it is a new version, or a flag. */
static void the_headers_still_write_what_version_1_wrote(void **state)
{
	uint8_t *ring;

	(void)state;
	if (other_byte_order())
		skip();
	ring = calloc(1, GOLDEN_RING_BYTES);
	assert_non_null(ring);
	golden_ring_types(ring);
	golden_compare(__FILE__, "ring-types.hex", ring, GOLDEN_RING_BYTES);
	memset(ring, 0, GOLDEN_RING_BYTES);
	golden_ring_fragments(ring);
	golden_compare(__FILE__, "ring-fragments.hex", ring, GOLDEN_RING_BYTES);
	free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_headers_still_write_what_version_1_wrote),
		cmocka_unit_test(a_ring_of_version_1_reads_the_same_in_header_and_lines),
		cmocka_unit_test(every_record_type_of_version_1_reads_the_same_first_block),
		cmocka_unit_test(every_record_type_of_version_1_reads_the_same_second_block),
		cmocka_unit_test(a_value_of_version_1_in_fragments_joins_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
