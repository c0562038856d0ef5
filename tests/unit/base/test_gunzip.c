/* gzip in pieces: whatever comes, no more than asked for goes out. The judge is
 * zlib's own deflate. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/gunzip.h"

#define TEXT_BYTES 100000

static uint8_t text[TEXT_BYTES];
static uint8_t packed[2 * TEXT_BYTES];

static size_t pack(uint8_t *at, size_t cap, const uint8_t *from, size_t len)
{
	z_stream stream = {0};
	size_t n;

	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	stream.next_in = (uint8_t *)from;
	stream.avail_in = (unsigned)len;
	stream.next_out = at;
	stream.avail_out = (unsigned)cap;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	n = stream.total_out;
	deflateEnd(&stream);
	return n;
}

static void fill(void)
{
	uint32_t bits = 1;

	for (size_t i = 0; i < TEXT_BYTES; i++) {
		bits = bits * 1664525 + 1013904223;
		text[i] = (uint8_t)('a' + (bits >> 30));
	}
}

/* Feeds `piece` bytes at a time into room for `room` at a time. */
static ssize_t unpack(const uint8_t *from, size_t len, size_t piece, size_t room, uint8_t *to,
		      size_t cap, bool *ret_whole)
{
	struct gunzip *gunzip;
	size_t filled = 0;
	ssize_t n = 0;

	assert_int_equal(gunzip_new(&gunzip), 0);
	while (len && n >= 0) {
		struct bytes in = {from, len < piece ? len : piece};
		size_t given = in.len;

		do {
			size_t left = cap - filled < room ? cap - filled : room;

			n = gunzip_step(gunzip, &in, to + filled, left);
			assert_true(n <= (ssize_t)left);
			filled += n > 0 ? (size_t)n : 0;
		} while (n > 0 && filled < cap);
		from += given - in.len;
		len -= given - in.len;
		if (filled == cap)
			break;
	}
	*ret_whole = gunzip_whole(gunzip);
	gunzip_free(gunzip);
	return n < 0 ? n : (ssize_t)filled;
}

static void it_comes_out_as_it_went_in_whatever_the_pieces(void **state)
{
	static const size_t pieces[] = {1, 7, 1000, sizeof(packed)};
	static uint8_t out[TEXT_BYTES + 10];
	size_t len;
	bool whole;

	(void)state;
	fill();
	len = pack(packed, sizeof(packed), text, TEXT_BYTES);
	assert_true(len < TEXT_BYTES / 2);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		assert_int_equal(
			unpack(packed, len, pieces[i], pieces[i], out, sizeof(out), &whole),
			TEXT_BYTES);
		assert_true(whole);
		assert_memory_equal(out, text, TEXT_BYTES);
	}
}

static void members_behind_each_other_are_one_stream(void **state)
{
	static uint8_t out[TEXT_BYTES + 10];
	size_t len;
	bool whole;

	(void)state;
	fill();
	len = pack(packed, sizeof(packed), text, 100);
	len += pack(packed + len, sizeof(packed) - len, text + 100, 200);
	assert_int_equal(unpack(packed, len, 3, 1000, out, sizeof(out), &whole), 300);
	assert_true(whole);
	assert_memory_equal(out, text, 300);
}

static void no_more_than_the_room_is_filled(void **state)
{
	static uint8_t out[64];
	static const uint8_t zeros[1 << 20];
	size_t len = pack(packed, sizeof(packed), zeros, sizeof(zeros));
	bool whole;

	(void)state;
	assert_true(len < 2000);
	assert_int_equal(unpack(packed, len, len, sizeof(out), out, sizeof(out), &whole),
			 sizeof(out));
	assert_false(whole);
}

static void what_is_cut_is_not_whole_and_what_is_damaged_is_refused(void **state)
{
	static uint8_t out[TEXT_BYTES + 10];
	size_t len;
	bool whole;

	(void)state;
	fill();
	len = pack(packed, sizeof(packed), text, 1000);
	for (size_t cut = 1; cut < len; cut++) {
		(void)unpack(packed, cut, cut, sizeof(out), out, sizeof(out), &whole);
		assert_false(whole);
	}
	memset(packed + len, 'x', 4);
	assert_int_equal(
		unpack(packed, len + 4, len + 4, sizeof(out), out, sizeof(out), &whole),
		-EBADMSG);
	packed[len - 6] ^= 1; /* the checksum */
	assert_int_equal(unpack(packed, len, len, sizeof(out), out, sizeof(out), &whole),
			 -EBADMSG);
	assert_int_equal(unpack(text, 100, 100, sizeof(out), out, sizeof(out), &whole),
			 -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_comes_out_as_it_went_in_whatever_the_pieces),
		cmocka_unit_test(members_behind_each_other_are_one_stream),
		cmocka_unit_test(no_more_than_the_room_is_filled),
		cmocka_unit_test(what_is_cut_is_not_whole_and_what_is_damaged_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
