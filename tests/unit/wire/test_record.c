/* The record codec against every length and every single wrong byte. Records
 * stand in heap blocks of exactly their size, so the address sanitizer sees any
 * byte read behind them; the views are checked against the bounds as well. */
#include "wire/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "records.h"

#define SPAN UINT64_C(0x1122334455667788)

static struct bytes text(const char *at)
{
	return bytes_of(at);
}

static struct bytes view(struct record_text part)
{
	return (struct bytes){part.at, part.length};
}

/* Entries of every type, nested two deep. */
static void put_entries(struct buf *out)
{
	struct buf inner = BUF_INIT, list = BUF_INIT;
	static const uint8_t yes = 1;
	int64_t number = -5;
	double real = 0.5;

	records_entry(&list, text(""), WIRE_STRING, text("one"));
	records_entry(&list, text(""), WIRE_INT, (struct bytes){(uint8_t *)&number, 8});
	records_entry(&inner, text("list"), WIRE_ARRAY, buf_bytes(&list));
	records_entry(&inner, text("none"), WIRE_EMPTY, text(""));
	records_entry(out, text("map"), WIRE_MAP, buf_bytes(&inner));
	records_entry(out, text("s"), WIRE_STRING, text("text"));
	records_entry(out, text("b"), WIRE_BOOL, (struct bytes){&yes, 1});
	records_entry(out, text("d"), WIRE_DOUBLE, (struct bytes){(uint8_t *)&real, 8});
	records_entry(out, text("raw"), WIRE_BYTES, text("\x01\x02"));
	buf_fini(&inner);
	buf_fini(&list);
}

static void put_run(struct buf *out, struct bytes entries)
{
	struct wire_run run = {
		.head = record_make_head(WIRE_RUN, (uint32_t)(sizeof run + entries.len),
					 WIRE_RUN_BEGIN, 0),
		.trace_id = {7},
	};

	(void)buf_append(out, &run, sizeof run);
	(void)buf_append(out, entries.at, entries.len);
}

static void put_process_end(struct buf *out)
{
	struct wire_process_end_record end = {
		.head = record_make_head(WIRE_PROCESS_END, sizeof end,
					 WIRE_TIME_WALL | WIRE_PROCESS_CODE_KNOWN,
					 WIRE_PROCESS_EXIT),
		.ticks = 77,
		.code = -3,
	};

	(void)buf_append(out, &end, sizeof end);
}

static void put_fragment(struct buf *out, unsigned flags, struct bytes piece)
{
	struct wire_fragment_first first = {
		.head = record_make_head(WIRE_FRAGMENT, 0, flags, 0),
		.whole_length = 99,
	};
	size_t fixed = flags & WIRE_FRAGMENT_FIRST ? sizeof first : sizeof first.head;

	first.head.length = (uint32_t)(fixed + piece.len);
	(void)buf_append(out, &first, fixed);
	(void)buf_append(out, piece.at, piece.len);
}

enum { SAMPLES = 19 };

static void put_sample(struct buf *out, int sample)
{
	struct buf entries = BUF_INIT, list = BUF_INIT;
	double real = 1e300;

	put_entries(&entries);
	records_entry(&list, text(""), WIRE_STRING, text("x"));
	records_entry(&list, text(""), WIRE_BOOL, text("\1"));
	switch (sample) {
	case 0:
		records_start(out, SPAN, 0, 0, 0, 0, text(""), text(""));
		break;
	case 1:
		records_start(out, SPAN, 5, 3, 0x301, 12, text("a name"), text("k=v"));
		break;
	case 2:
		records_end(out, SPAN, 13);
		break;
	case 3:
		records_attribute(out, SPAN, text("key"), WIRE_STRING, text("value"));
		break;
	case 4:
		records_attribute(out, SPAN, text("k"), WIRE_DOUBLE,
				  (struct bytes){(uint8_t *)&real, 8});
		break;
	case 5:
		records_attribute(out, SPAN, text("k"), WIRE_MAP, buf_bytes(&entries));
		break;
	case 6:
		records_attribute(out, SPAN, text("k"), WIRE_ARRAY, buf_bytes(&list));
		break;
	case 7:
		records_attribute(out, SPAN, text(""), WIRE_EMPTY, text(""));
		break;
	case 8:
		records_event(out, SPAN, 14, text("event"), buf_bytes(&entries), 2);
		break;
	case 9:
		records_link(out, SPAN, 9, 1, text("a=b"), buf_bytes(&entries), 1);
		break;
	case 10:
		records_text(out, WIRE_STATUS, SPAN, 2, text("went wrong"));
		break;
	case 11:
		records_text(out, WIRE_NAME, SPAN, 0, text("new name"));
		break;
	case 12:
		records_resource(out, text("url"), buf_bytes(&entries), 3);
		break;
	case 13:
		records_scope(out, 4, text("name"), text("1.2"), text("url"),
			      buf_bytes(&entries), 5);
		break;
	case 14:
		put_run(out, buf_bytes(&entries));
		break;
	case 15:
		records_dropped(out, SPAN, 1, 2, 3);
		break;
	case 16:
		put_process_end(out);
		break;
	case 17:
		put_fragment(out, WIRE_FRAGMENT_FIRST, text("the first piece"));
		break;
	case 18:
		put_fragment(out, WIRE_FRAGMENT_LAST, text("the last"));
		break;
	default:
		abort();
	}
	buf_fini(&entries);
	buf_fini(&list);
}

/* A copy of exactly `len` bytes. */
static uint8_t *exact(const uint8_t *at, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, at, len);
	return copy;
}

/* Where the record being looked at lies. */
static const uint8_t *low, *high;
static volatile uint8_t sink;

static void touch(const uint8_t *at, size_t len)
{
	size_t i;

	if (len == 0)
		return;
	assert_true(at >= low && at <= high && len <= (size_t)(high - at));
	for (i = 0; i < len; i++)
		sink ^= at[i];
}

static void touch_entries(const uint8_t *at, size_t len, int depth)
{
	const uint8_t *end = at + len;
	struct record_entry entry;
	int r;

	assert_true(depth < WIRE_DEPTH_MAX);
	while ((r = record_entry_next(&at, end, &entry)) > 0) {
		touch(entry.key, entry.key_length);
		touch(entry.value, entry.value_length);
		if (entry.type == WIRE_ARRAY || entry.type == WIRE_MAP)
			touch_entries(entry.value, entry.value_length, depth + 1);
	}
	assert_int_equal(r, 0);
}

static void touch_text(struct record_text part)
{
	touch(part.at, part.length);
}

static void touch_list(struct record_text part)
{
	touch_text(part);
	touch_entries(part.at, part.length, 0);
}

static void touch_value(const struct record_entry *entry)
{
	touch(entry->key, entry->key_length);
	touch(entry->value, entry->value_length);
	if (entry->type == WIRE_ARRAY || entry->type == WIRE_MAP)
		touch_entries(entry->value, entry->value_length, 0);
}

/* Looks at everything an accepted record offers. */
static void touch_record(const uint8_t *at)
{
	struct record_attribute attribute;
	struct record_resource resource;
	struct record_start start;
	struct record_scope scope;
	struct record_event event;
	struct record_link link;
	uint64_t id = record_span_id(at);

	touch((const uint8_t *)at, record_head(at).length);
	sink ^= (uint8_t)id;
	switch (record_head(at).type) {
	case WIRE_START:
		start = record_get_start(at);
		assert_int_not_equal(id, 0);
		touch_text(start.name);
		touch_text(start.tracestate);
		break;
	case WIRE_END:
		sink ^= (uint8_t)record_get_end(at).ticks;
		break;
	case WIRE_ATTRIBUTE:
		attribute = record_get_attribute(at);
		touch_value(&attribute.entry);
		break;
	case WIRE_EVENT:
		event = record_get_event(at);
		touch_text(event.name);
		touch_list(event.entries);
		break;
	case WIRE_LINK:
		link = record_get_link(at);
		touch_text(link.tracestate);
		touch_list(link.entries);
		break;
	case WIRE_STATUS:
	case WIRE_NAME:
		touch_text(record_get_text(at));
		break;
	case WIRE_RESOURCE:
		resource = record_get_resource(at);
		touch_text(resource.schema_url);
		touch_list(resource.entries);
		break;
	case WIRE_SCOPE:
		scope = record_get_scope(at);
		touch_text(scope.name);
		touch_text(scope.version);
		touch_text(scope.schema_url);
		touch_list(scope.entries);
		break;
	case WIRE_RUN:
		touch_list(record_get_run(at).entries);
		break;
	case WIRE_DROPPED:
		sink ^= (uint8_t)record_get_dropped(at).links;
		break;
	case WIRE_PROCESS_END:
		sink ^= (uint8_t)record_get_process_end(at).ticks;
		break;
	default:
		break;
	}
}

/* Checks and, if it is accepted, looks at a private copy. */
static int64_t check_and_touch(const uint8_t *at, size_t len)
{
	uint8_t *copy = exact(at, len);
	int64_t r = record_check(copy, len);

	if (r > 0) {
		low = copy;
		high = copy + len;
		assert_true(record_head(copy).length <= len);
		assert_int_equal(r, record_padded(record_head(copy).length));
		touch_record(copy);
	} else {
		assert_int_equal(r, -EBADMSG);
	}
	free(copy);
	return r;
}

static void every_record_is_accepted_whole_and_at_no_shorter_length(void **state)
{
	struct buf out = BUF_INIT;
	uint32_t length;
	size_t len;
	int i;

	(void)state;
	for (i = 0; i < SAMPLES; i++) {
		buf_reset(&out);
		put_sample(&out, i);
		length = record_head(out.at).length;
		assert_int_equal(check_and_touch(out.at, length), record_padded(length));
		assert_int_equal(check_and_touch(out.at, out.len), record_padded(length));
		for (len = 0; len < length; len++)
			assert_int_equal(check_and_touch(out.at, len), -EBADMSG);
	}
	buf_fini(&out);
}

/* A length that lies, downwards: the parts no longer fit. */
static void a_shortened_length_is_refused_or_still_consistent(void **state)
{
	struct buf out = BUF_INIT;
	uint32_t length, shorter;
	int i;

	(void)state;
	for (i = 0; i < SAMPLES; i++) {
		buf_reset(&out);
		put_sample(&out, i);
		length = record_head(out.at).length;
		for (shorter = 0; shorter < length; shorter++) {
			memcpy(out.at, &shorter, sizeof shorter);
			(void)check_and_touch(out.at, length);
			if (shorter < sizeof(struct wire_head))
				assert_int_equal(record_check(out.at, length), -EBADMSG);
		}
	}
	buf_fini(&out);
}

static void any_single_wrong_byte_is_refused_or_stays_within_bounds(void **state)
{
	struct buf out = BUF_INIT;
	uint32_t length, at;
	uint8_t right;
	int i, wrong;

	(void)state;
	for (i = 0; i < SAMPLES; i++) {
		buf_reset(&out);
		put_sample(&out, i);
		length = record_head(out.at).length;
		for (at = 0; at < length; at++) {
			right = out.at[at];
			for (wrong = 0; wrong < 256; wrong++) {
				out.at[at] = (uint8_t)wrong;
				(void)check_and_touch(out.at, length);
			}
			out.at[at] = right;
		}
	}
	buf_fini(&out);
}

static void noise_is_refused_or_stays_within_bounds(void **state)
{
	uint64_t x = 88172645463325252;
	uint32_t length;
	uint8_t noise[160];
	size_t i, len;
	int round;

	(void)state;
	for (round = 0; round < 200000; round++) {
		for (i = 0; i < sizeof noise; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			/* Mostly small numbers: those pass the first checks. */
			noise[i] = x >> 40 & 1 ? (uint8_t)(x >> 32) : (uint8_t)(x >> 32 & 7);
		}
		len = x % sizeof noise;
		length = (uint32_t)(x >> 20) % (sizeof noise + 8);
		memcpy(noise, &length, sizeof length);
		noise[4] = (uint8_t)(x >> 50) % 15;
		(void)check_and_touch(noise, len);
	}
}

static void lengths_at_the_edge_of_32_bits_are_refused(void **state)
{
	static const uint32_t lengths[] = {UINT32_MAX, UINT32_MAX - 7, UINT32_MAX - 8,
					   1u << 31};
	struct buf out = BUF_INIT;
	size_t at, i;

	(void)state;
	for (i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		buf_reset(&out);
		put_sample(&out, 1);
		memcpy(out.at, &lengths[i], 4);
		assert_int_equal(check_and_touch(out.at, out.len), -EBADMSG);
		/* Every 32-bit word of a rich record, which hits all part lengths. */
		for (at = 0; at + 4 <= 64; at += 4) {
			buf_reset(&out);
			put_sample(&out, 13);
			memcpy(out.at + at, &lengths[i], 4);
			(void)check_and_touch(out.at, out.len);
		}
	}
	buf_fini(&out);
}

static void unknown_types_are_accepted_by_their_length_and_type_zero_is_not(void **state)
{
	struct wire_head head = {.length = 21, .type = 0};
	uint8_t record[64] = {0};
	int type;

	(void)state;
	for (type = 0; type < 256; type++) {
		if (type >= WIRE_START && type <= WIRE_LIMITS)
			continue;
		head.type = (uint8_t)type;
		memcpy(record, &head, sizeof head);
		assert_int_equal(check_and_touch(record, 21), type ? 24 : -EBADMSG);
		assert_int_equal(record_span_id(record), 0);
	}
}

static void ids_of_zero_and_unknown_status_codes_are_refused(void **state)
{
	struct buf out = BUF_INIT;
	uint16_t code = 3;

	(void)state;
	records_start(&out, SPAN, 0, 0, 0, 0, text("n"), text(""));
	memset(out.at + 16, 0, 16);
	assert_int_equal(record_check(out.at, out.len), -EBADMSG);
	buf_reset(&out);
	records_start(&out, SPAN, 0, 0, 0, 0, text("n"), text(""));
	memset(out.at + 32, 0, 8);
	assert_int_equal(record_check(out.at, out.len), -EBADMSG);
	buf_reset(&out);
	records_text(&out, WIRE_STATUS, SPAN, 2, text("m"));
	memcpy(out.at + 6, &code, 2);
	assert_int_equal(record_check(out.at, out.len), -EBADMSG);
	buf_fini(&out);
}

/* `levels` arrays in each other, the innermost empty. */
static void put_deep(struct buf *out, int levels)
{
	struct buf value = BUF_INIT, outer = BUF_INIT, swap;
	int i;

	for (i = 1; i < levels; i++) {
		buf_reset(&outer);
		records_entry(&outer, text(""), WIRE_ARRAY, buf_bytes(&value));
		swap = value;
		value = outer;
		outer = swap;
	}
	records_attribute(out, SPAN, text("deep"), WIRE_ARRAY, buf_bytes(&value));
	buf_fini(&value);
	buf_fini(&outer);
}

static void values_nest_as_deep_as_allowed_and_no_deeper(void **state)
{
	struct buf out = BUF_INIT;
	int levels;

	(void)state;
	for (levels = 1; levels < 2 * WIRE_DEPTH_MAX; levels++) {
		buf_reset(&out);
		put_deep(&out, levels);
		assert_int_equal(check_and_touch(out.at, record_head(out.at).length) > 0,
				 levels <= WIRE_DEPTH_MAX);
	}
	buf_reset(&out);
	put_deep(&out, 5000);
	assert_int_equal(record_check(out.at, out.len), -EBADMSG);
	buf_fini(&out);
}

static void an_array_entry_with_a_key_is_refused(void **state)
{
	struct buf out = BUF_INIT, list = BUF_INIT;

	(void)state;
	records_entry(&list, text("k"), WIRE_STRING, text("v"));
	records_attribute(&out, SPAN, text("a"), WIRE_ARRAY, buf_bytes(&list));
	assert_int_equal(record_check(out.at, out.len), -EBADMSG);
	buf_reset(&out);
	records_attribute(&out, SPAN, text("a"), WIRE_MAP, buf_bytes(&list));
	assert_true(record_check(out.at, out.len) > 0);
	buf_fini(&out);
	buf_fini(&list);
}

static void assert_text(struct record_text part, const char *expected)
{
	assert_true(bytes_equal(view(part), text(expected)));
}

static void what_was_written_is_what_is_read(void **state)
{
	struct record_attribute attribute;
	struct record_resource resource;
	struct buf out = BUF_INIT;
	struct record_scope scope;
	struct record_start start;
	struct record_event event;
	struct record_link link;
	uint64_t parent = 5, linked;

	(void)state;
	put_sample(&out, 1);
	start = record_get_start(out.at);
	assert_int_equal(record_head(out.at).aux, 3);
	assert_int_equal(start.fixed.ticks, 12);
	assert_int_equal(start.fixed.trace_flags, 0x301);
	assert_memory_equal(start.fixed.parent_span_id, &parent, 8);
	assert_text(start.name, "a name");
	assert_text(start.tracestate, "k=v");
	assert_int_equal(record_span_id(out.at), SPAN);

	buf_reset(&out);
	put_sample(&out, 3);
	attribute = record_get_attribute(out.at);
	assert_int_equal(attribute.entry.type, WIRE_STRING);
	assert_memory_equal(attribute.entry.key, "key", attribute.entry.key_length);
	assert_memory_equal(attribute.entry.value, "value", attribute.entry.value_length);
	assert_int_equal(attribute.entry.key_length, 3);
	assert_int_equal(attribute.entry.value_length, 5);

	buf_reset(&out);
	put_sample(&out, 8);
	event = record_get_event(out.at);
	assert_int_equal(event.fixed.ticks, 14);
	assert_int_equal(event.fixed.dropped_attributes, 2);
	assert_text(event.name, "event");

	buf_reset(&out);
	put_sample(&out, 9);
	link = record_get_link(out.at);
	memcpy(&linked, link.fixed.linked_span_id, 8);
	assert_int_equal(linked, 9);
	assert_int_equal(link.fixed.trace_flags, 1);
	assert_int_equal(link.fixed.dropped_attributes, 1);
	assert_text(link.tracestate, "a=b");

	buf_reset(&out);
	put_sample(&out, 10);
	assert_int_equal(record_head(out.at).aux, 2);
	assert_text(record_get_text(out.at), "went wrong");

	buf_reset(&out);
	put_sample(&out, 12);
	resource = record_get_resource(out.at);
	assert_int_equal(resource.fixed.dropped_attributes, 3);
	assert_text(resource.schema_url, "url");

	buf_reset(&out);
	put_sample(&out, 13);
	scope = record_get_scope(out.at);
	assert_int_equal(scope.fixed.number, 4);
	assert_int_equal(scope.fixed.dropped_attributes, 5);
	assert_text(scope.name, "name");
	assert_text(scope.version, "1.2");
	assert_text(scope.schema_url, "url");

	buf_reset(&out);
	put_sample(&out, 15);
	assert_int_equal(record_get_dropped(out.at).attributes, 1);
	assert_int_equal(record_get_dropped(out.at).events, 2);
	assert_int_equal(record_get_dropped(out.at).links, 3);

	buf_reset(&out);
	put_sample(&out, 16);
	assert_int_equal(record_get_process_end(out.at).ticks, 77);
	assert_int_equal(record_get_process_end(out.at).code, -3);
	buf_fini(&out);
}

static void the_writers_twins_agree_with_the_readers(void **state)
{
	uint8_t at[64] = {0}, id[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct record_attribute attribute;
	struct record_entry entry;
	const uint8_t *from = at;
	uint32_t n;

	(void)state;
	assert_int_equal(record_put_end(at, id, 42, WIRE_TIME_WALL), 24);
	assert_int_equal(record_check(at, 24), 24);
	assert_int_equal(record_get_end(at).ticks, 42);
	assert_int_equal(record_head(at).flags, WIRE_TIME_WALL);
	assert_memory_equal(record_get_end(at).span_id, id, 8);

	n = record_put_attribute(at, id, WIRE_BYTES, 2, 3);
	assert_int_equal(n, 16);
	memcpy(at + n, "kkvvv", 5);
	assert_int_equal(record_check(at, 21), 24);
	attribute = record_get_attribute(at);
	assert_int_equal(attribute.entry.type, WIRE_BYTES);
	assert_memory_equal(attribute.entry.key, "kk", 2);
	assert_memory_equal(attribute.entry.value, "vvv", 3);
	assert_memory_equal(attribute.span_id, id, 8);

	n = record_put_entry(at, WIRE_STRING, 1, 2);
	memcpy(at + n, "kvv", 3);
	assert_int_equal(record_entry_next(&from, at + n + 3, &entry), 1);
	assert_int_equal(entry.key_length, 1);
	assert_int_equal(entry.value_length, 2);
	assert_int_equal(entry.type, WIRE_STRING);
	assert_int_equal(record_entry_next(&from, at + n + 3, &entry), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_is_accepted_whole_and_at_no_shorter_length),
		cmocka_unit_test(a_shortened_length_is_refused_or_still_consistent),
		cmocka_unit_test(any_single_wrong_byte_is_refused_or_stays_within_bounds),
		cmocka_unit_test(noise_is_refused_or_stays_within_bounds),
		cmocka_unit_test(lengths_at_the_edge_of_32_bits_are_refused),
		cmocka_unit_test(
			unknown_types_are_accepted_by_their_length_and_type_zero_is_not),
		cmocka_unit_test(ids_of_zero_and_unknown_status_codes_are_refused),
		cmocka_unit_test(values_nest_as_deep_as_allowed_and_no_deeper),
		cmocka_unit_test(an_array_entry_with_a_key_is_refused),
		cmocka_unit_test(what_was_written_is_what_is_read),
		cmocka_unit_test(the_writers_twins_agree_with_the_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
