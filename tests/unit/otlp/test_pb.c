#include "otlp/pb.h"

#include "random_message.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_wire(struct buf *out, const char *expected, size_t len)
{
	assert_int_equal(out->len, len);
	assert_memory_equal(out->at, expected, len);
	buf_fini(out);
}

static void varints_take_the_fewest_bytes(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits <= 64; bits++) {
		uint64_t value = bits ? UINT64_MAX >> (64 - bits) : 0;
		size_t size = bits ? (bits + 6) / 7 : 1;
		uint8_t at[PB_VARINT_MAX];

		assert_int_equal(pb_varint_size(value), size);
		assert_ptr_equal(pb_put_varint(at, value), at + size);
	}
}

static void fields_are_written_as_the_specification_shows_them(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	(void)pb_varint(&out, 1, 150);
	assert_wire(&out, "\x08\x96\x01", 3);
	(void)pb_bytes(&out, 2, bytes_of("testing"));
	assert_wire(&out, "\x12\x07testing", 9);
	(void)pb_fixed32(&out, 16, 0x01020304);
	assert_wire(&out, "\x85\x01\x04\x03\x02\x01", 6);
	(void)pb_fixed64(&out, 7, 1);
	assert_wire(&out, "\x39\x01\0\0\0\0\0\0\0", 9);
}

/* Whatever was guessed, the bytes are the same. */
static void nested_messages_take_the_shortest_length_whatever_was_expected(void **state)
{
	static const size_t sizes[] = {0, 1, 127, 128, 16383, 16384, 70000};
	static uint8_t content[70000];

	(void)state;
	memset(content, 'x', sizeof(content));
	for (size_t i = 0; i < 7; i++) {
		struct buf plain = BUF_INIT;

		(void)pb_bytes(&plain, 3, (struct bytes){content, sizes[i]});
		for (size_t guess = 0; guess < 7; guess++) {
			struct buf out = BUF_INIT;
			struct pb_nested nested = pb_open(&out, 3, sizes[guess]);

			(void)buf_append(&out, content, sizes[i]);
			assert_int_equal(pb_close(&out, nested), 0);
			assert_true(bytes_equal(buf_bytes(&plain), buf_bytes(&out)));
			buf_fini(&out);
		}
		buf_fini(&plain);
	}
}

static void the_reader_gives_back_what_was_written(void **state)
{
	struct pb_reader reader;
	struct buf out = BUF_INIT;
	struct pb_field field;

	(void)state;
	(void)pb_varint(&out, 1, UINT64_MAX);
	(void)pb_fixed64(&out, 2, 0x0102030405060708);
	(void)pb_bytes(&out, 3, bytes_of("abc"));
	(void)pb_fixed32(&out, (1u << 29) - 1, 5);
	reader = pb_read(buf_bytes(&out));
	assert_int_equal(pb_next(&reader, &field), 1);
	assert_true(field.number == 1 && field.wire == PB_VARINT && field.value == UINT64_MAX);
	assert_int_equal(pb_next(&reader, &field), 1);
	assert_true(field.number == 2 && field.value == 0x0102030405060708);
	assert_int_equal(pb_next(&reader, &field), 1);
	assert_true(field.number == 3 && bytes_equal(field.bytes, bytes_of("abc")));
	assert_int_equal(pb_next(&reader, &field), 1);
	assert_true(field.number == (1u << 29) - 1 && field.value == 5);
	assert_int_equal(pb_next(&reader, &field), 0);
	buf_fini(&out);
}

static int read_all(struct bytes message)
{
	struct pb_reader reader = pb_read(message);
	struct pb_field field;
	int r;

	while ((r = pb_next(&reader, &field)) > 0)
		;
	return r;
}

#define REFUSED(text)                                                                         \
	assert_int_equal(read_all((struct bytes){(const uint8_t *)(text), sizeof(text) - 1}), \
			 -EBADMSG)
#define ACCEPTED(text) \
	assert_int_equal(read_all((struct bytes){(const uint8_t *)(text), sizeof(text) - 1}), 0)

static void malformed_messages_are_refused(void **state)
{
	(void)state;
	ACCEPTED("");
	REFUSED("\x08");					     /* no value */
	REFUSED("\x80");					     /* half a tag */
	REFUSED("\x08\x80");					     /* half a varint */
	REFUSED("\x00\x01");					     /* field number 0 */
	REFUSED("\x02\x00");					     /* field number 0 */
	REFUSED("\x80\x80\x80\x80\x10\x00");			     /* field number 2^29 */
	REFUSED("\x0b\x0c");					     /* a group */
	REFUSED("\x0e");					     /* no such kind */
	REFUSED("\x0a\x02x");					     /* beyond the end */
	REFUSED("\x0a");					     /* no length */
	REFUSED("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");     /* 2^64 - 1 bytes */
	REFUSED("\x0d\1\2\3");					     /* three of four */
	REFUSED("\x09\1\2\3\4\5\6\7");				     /* seven of eight */
	REFUSED("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");     /* 65 bits */
	REFUSED("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"); /* 11 bytes */
	ACCEPTED("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	ACCEPTED("\x08\x80\x00"); /* longer than needed, but not wrong */
}

/* The copy ends where the memory ends: the sanitizer build is the judge. */
static void random_bytes_are_read_or_refused_within_their_bounds(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		size_t len = (size_t)(random_next(&seed) % 40);
		uint8_t *at = malloc(len ? len : 1);

		for (size_t j = 0; j < len; j++)
			at[j] = (uint8_t)(random_next(&seed) >> (random_next(&seed) % 6));
		assert_true(read_all((struct bytes){at, len}) <= 0);
		free(at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints_take_the_fewest_bytes),
		cmocka_unit_test(fields_are_written_as_the_specification_shows_them),
		cmocka_unit_test(
			nested_messages_take_the_shortest_length_whatever_was_expected),
		cmocka_unit_test(the_reader_gives_back_what_was_written),
		cmocka_unit_test(malformed_messages_are_refused),
		cmocka_unit_test(random_bytes_are_read_or_refused_within_their_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
