#include "receive/body.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/gunzip.h"

static struct body_memory memory;

static int setup(void **state)
{
	(void)state;
	memory = (struct body_memory){.bytes_max = UINT64_C(64) << 20};
	return 0;
}

/* All memory is given back, whatever came. */
static void finish(struct body *body)
{
	uint64_t others = memory.bytes - body->bytes.cap - (body->gunzip ? GUNZIP_BYTES : 0);

	body_fini(body);
	assert_int_equal(memory.bytes, others);
}

static struct buf gzip(const uint8_t *at, size_t len)
{
	z_stream stream = {0};
	struct buf out = BUF_INIT;

	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	assert_int_equal(buf_reserve(&out, deflateBound(&stream, len)), 0);
	stream.next_in = (uint8_t *)at;
	stream.avail_in = (unsigned)len;
	stream.next_out = out.at;
	stream.avail_out = (unsigned)out.cap;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	out.len = stream.total_out;
	(void)deflateEnd(&stream);
	return out;
}

static int push_in_pieces(struct body *body, struct bytes all, size_t piece)
{
	int r = 0;

	for (size_t at = 0; at < all.len && r == 0; at += piece)
		r = body_push(body,
			      (struct bytes){all.at + at,
					     all.len - at < piece ? all.len - at : piece});
	return r;
}

static void a_body_comes_together_from_pieces_compressed_or_not(void **state)
{
	static uint8_t text[100000];
	struct buf packed;

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * i >> 3);
	packed = gzip(text, sizeof text);
	for (int compressed = 0; compressed < 2; compressed++)
		for (size_t piece = 1; piece < 200000; piece = piece * 7 + 1) {
			struct body body;

			assert_int_equal(body_init(&body, &memory, compressed, 100000, 0), 0);
			assert_int_equal(
				push_in_pieces(&body,
					       compressed ? buf_bytes(&packed)
							  : (struct bytes){text, sizeof text},
					       piece),
				0);
			assert_int_equal(body_end(&body), 0);
			assert_int_equal(body.bytes.len, sizeof text);
			assert_memory_equal(body.bytes.at, text, sizeof text);
			assert_true(memory.bytes >= sizeof text);
			finish(&body);
		}
	buf_fini(&packed);
}

static void one_byte_more_than_the_limit_is_refused(void **state)
{
	static uint8_t text[5000];
	struct buf packed = gzip(text, sizeof text);
	struct body body;

	(void)state;
	assert_int_equal(body_init(&body, &memory, false, sizeof text - 1, 0), 0);
	assert_int_equal(push_in_pieces(&body, (struct bytes){text, sizeof text}, 1000),
			 -EMSGSIZE);
	finish(&body);
	assert_int_equal(body_init(&body, &memory, true, sizeof text - 1, 0), 0);
	assert_int_equal(body_push(&body, buf_bytes(&packed)), -EMSGSIZE);
	assert_true(body.bytes.cap <= sizeof text);
	finish(&body);
	assert_int_equal(body_init(&body, &memory, true, sizeof text, 0), 0);
	assert_int_equal(body_push(&body, buf_bytes(&packed)), 0);
	assert_int_equal(body_end(&body), 0);
	finish(&body);
	buf_fini(&packed);
}

static void what_grows_out_of_proportion_is_refused_early(void **state)
{
	uint8_t *zeros = calloc(1, 20 << 20);
	struct buf packed;
	struct body body;

	(void)state;
	assert_non_null(zeros);
	packed = gzip(zeros, 20 << 20);
	assert_int_equal(body_init(&body, &memory, true, 32 << 20, 100), 0);
	assert_int_equal(body_push(&body, buf_bytes(&packed)), -EXFULL);
	assert_true(body.bytes.len < 8 << 20);
	finish(&body);
	/* Up to a megabyte may be as regular as it likes. */
	buf_fini(&packed);
	packed = gzip(zeros, 1 << 20);
	assert_int_equal(body_init(&body, &memory, true, 32 << 20, 100), 0);
	assert_int_equal(body_push(&body, buf_bytes(&packed)), 0);
	finish(&body);
	buf_fini(&packed);
	free(zeros);
}

static void all_bodies_together_have_one_memory(void **state)
{
	static uint8_t text[40000];
	struct body first, second;

	(void)state;
	memory.bytes_max = 100000;
	assert_int_equal(body_init(&first, &memory, false, 1 << 20, 0), 0);
	assert_int_equal(body_push(&first, (struct bytes){text, sizeof text}), 0);
	assert_int_equal(body_init(&second, &memory, true, 1 << 20, 0), 0);
	assert_int_equal(body_push(&first, (struct bytes){text, sizeof text}), -ENOBUFS);
	finish(&second);
	assert_int_equal(body_push(&first, (struct bytes){text, sizeof text}), 0);
	assert_int_equal(body_init(&second, &memory, true, 1 << 20, 0), -ENOBUFS);
	finish(&second);
	finish(&first);
}

static void a_stream_that_is_cut_or_damaged_is_refused(void **state)
{
	static uint8_t text[1000];
	struct buf packed = gzip(text, sizeof text);
	struct body body;

	(void)state;
	for (size_t len = 0; len < packed.len; len++) {
		assert_int_equal(body_init(&body, &memory, true, 1 << 20, 0), 0);
		assert_int_equal(body_push(&body, (struct bytes){packed.at, len}), 0);
		assert_int_equal(body_end(&body), -EBADMSG);
		finish(&body);
	}
	packed.at[packed.len - 5] ^= 1; /* its checksum */
	assert_int_equal(body_init(&body, &memory, true, 1 << 20, 0), 0);
	assert_int_equal(body_push(&body, buf_bytes(&packed)), -EBADMSG);
	finish(&body);
	buf_fini(&packed);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_body_comes_together_from_pieces_compressed_or_not),
		TEST(one_byte_more_than_the_limit_is_refused),
		TEST(what_grows_out_of_proportion_is_refused_early),
		TEST(all_bodies_together_have_one_memory),
		TEST(a_stream_that_is_cut_or_damaged_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
