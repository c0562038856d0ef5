/* Compression when it pays. The judges are zlib and libzstd themselves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <zstd.h>

#include "base/gunzip.h"
#include "export/squeeze.h"
#include "export/transport.h"

#define MESSAGE_BYTES 8000

static uint8_t framed[TRANSPORT_FRAMING + MESSAGE_BYTES];
static uint8_t unpacked[2 * MESSAGE_BYTES];

static void fill(bool random)
{
	uint32_t bits = 1;

	for (size_t i = 0; i < MESSAGE_BYTES; i++) {
		bits = bits * 1664525 + 1013904223;
		framed[TRANSPORT_FRAMING + i] =
			random ? (uint8_t)(bits >> 24) : (uint8_t) "span attribute "[i % 15];
	}
}

static struct bytes request(size_t message)
{
	grpc_frame_put(framed, message, false);
	return (struct bytes){framed, TRANSPORT_FRAMING + message};
}

static size_t unpack(enum compression how, const struct buf *wire)
{
	struct bytes in = {wire->at + TRANSPORT_FRAMING, wire->len - TRANSPORT_FRAMING};
	struct gunzip *gunzip;
	ssize_t n;

	if (how == COMPRESSION_ZSTD)
		return ZSTD_decompress(unpacked, sizeof(unpacked), in.at, in.len);
	assert_int_equal(gunzip_new(&gunzip), 0);
	n = gunzip_step(gunzip, &in, unpacked, sizeof(unpacked));
	assert_true(gunzip_whole(gunzip));
	gunzip_free(gunzip);
	return (size_t)n;
}

static void what_gets_smaller_is_sent_compressed_and_framed(void **state)
{
	struct buf wire = BUF_INIT;

	(void)state;
	fill(false);
	for (enum compression how = COMPRESSION_GZIP; how < COMPRESSIONS; how++) {
		struct squeeze squeeze;

		squeeze_init(&squeeze, how);
		squeeze_heard(&squeeze, 0);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(squeeze_run(&squeeze, request(MESSAGE_BYTES), &wire),
					 how);
			assert_true(wire.len < MESSAGE_BYTES / 10);
			assert_int_equal(wire.at[0], 1);
			assert_int_equal(wire.at[3] << 8 | wire.at[4],
					 wire.len - TRANSPORT_FRAMING);
			assert_int_equal(unpack(how, &wire), MESSAGE_BYTES);
			assert_memory_equal(unpacked, framed + TRANSPORT_FRAMING,
					    MESSAGE_BYTES);
		}
		squeeze_fini(&squeeze);
	}
	buf_fini(&wire);
}

static void a_request_of_one_packet_goes_as_it_is(void **state)
{
	struct buf wire = BUF_INIT;
	struct squeeze squeeze;

	(void)state;
	fill(false);
	squeeze_init(&squeeze, COMPRESSION_GZIP);
	assert_int_equal(squeeze_run(&squeeze, request(SQUEEZE_BYTES_MIN - 1), &wire),
			 COMPRESSION_NONE);
	assert_int_equal(squeeze_run(&squeeze, request(SQUEEZE_BYTES_MIN), &wire),
			 COMPRESSION_GZIP);
	squeeze_fini(&squeeze);
	squeeze_init(&squeeze, COMPRESSION_NONE);
	assert_int_equal(squeeze_run(&squeeze, request(MESSAGE_BYTES), &wire),
			 COMPRESSION_NONE);
	squeeze_fini(&squeeze);
	buf_fini(&wire);
}

/* How many requests pass untried until one is. */
static unsigned untried(struct squeeze *squeeze, struct buf *wire)
{
	unsigned n = 0;

	while (squeeze->skip) {
		assert_int_equal(squeeze_run(squeeze, request(MESSAGE_BYTES), wire),
				 COMPRESSION_NONE);
		n++;
	}
	return n;
}

static void what_does_not_get_smaller_is_tried_ever_more_rarely(void **state)
{
	struct buf wire = BUF_INIT;
	struct squeeze squeeze;

	(void)state;
	squeeze_init(&squeeze, COMPRESSION_GZIP);
	fill(true);
	for (unsigned expected = 1; expected <= SQUEEZE_SKIP_MAX; expected *= 2) {
		assert_int_equal(squeeze_run(&squeeze, request(MESSAGE_BYTES), &wire),
				 COMPRESSION_NONE);
		assert_int_equal(untried(&squeeze, &wire), expected);
	}
	assert_int_equal(squeeze_run(&squeeze, request(MESSAGE_BYTES), &wire),
			 COMPRESSION_NONE);
	assert_int_equal(untried(&squeeze, &wire), SQUEEZE_SKIP_MAX);
	/* What is told later may be told in other words. */
	fill(false);
	assert_int_equal(squeeze_run(&squeeze, request(MESSAGE_BYTES), &wire),
			 COMPRESSION_GZIP);
	fill(true);
	assert_int_equal(squeeze_run(&squeeze, request(MESSAGE_BYTES), &wire),
			 COMPRESSION_NONE);
	assert_int_equal(untried(&squeeze, &wire), 1);
	squeeze_fini(&squeeze);
	buf_fini(&wire);
}

static void what_the_peer_does_not_know_gives_way_to_what_both_know(void **state)
{
	struct squeeze squeeze;

	(void)state;
	squeeze_init(&squeeze, COMPRESSION_ZSTD);
	squeeze_heard(&squeeze, 0);
	assert_int_equal(squeeze.how, COMPRESSION_ZSTD);
	squeeze_refused(&squeeze, COMPRESSION_ZSTD,
			1u << COMPRESSION_NONE | 1u << COMPRESSION_GZIP | 1u << COMPRESSIONS);
	assert_int_equal(squeeze.how, COMPRESSION_GZIP);
	/* Of a request that was under way at that moment. */
	squeeze_refused(&squeeze, COMPRESSION_ZSTD, 0);
	assert_int_equal(squeeze.how, COMPRESSION_GZIP);
	/* A peer that says it knows what it refuses is not asked again. */
	squeeze_refused(&squeeze, COMPRESSION_GZIP, 1u << COMPRESSION_GZIP);
	assert_int_equal(squeeze.how, COMPRESSION_NONE);
}

static void zstd_waits_until_the_peer_has_said_what_it_knows(void **state)
{
	struct squeeze squeeze;

	(void)state;
	squeeze_init(&squeeze, COMPRESSION_ZSTD);
	assert_int_equal(squeeze.how, COMPRESSION_GZIP);
	squeeze_heard(&squeeze, 1u << COMPRESSION_NONE | 1u << COMPRESSION_GZIP);
	assert_int_equal(squeeze.how, COMPRESSION_GZIP);
	squeeze_heard(&squeeze, 1u << COMPRESSION_ZSTD);
	assert_int_equal(squeeze.how, COMPRESSION_GZIP);
	squeeze_init(&squeeze, COMPRESSION_ZSTD);
	squeeze_heard(&squeeze, 1u << COMPRESSION_ZSTD | 1u << COMPRESSION_GZIP);
	assert_int_equal(squeeze.how, COMPRESSION_ZSTD);
	/* One that does not even know gzip has said enough. */
	squeeze_init(&squeeze, COMPRESSION_ZSTD);
	squeeze_refused(&squeeze, COMPRESSION_GZIP, 0);
	squeeze_heard(&squeeze, 0);
	assert_int_equal(squeeze.how, COMPRESSION_NONE);
	/* Nobody asked for it. */
	squeeze_init(&squeeze, COMPRESSION_GZIP);
	squeeze_heard(&squeeze, 1u << COMPRESSION_ZSTD);
	assert_int_equal(squeeze.how, COMPRESSION_GZIP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_gets_smaller_is_sent_compressed_and_framed),
		cmocka_unit_test(a_request_of_one_packet_goes_as_it_is),
		cmocka_unit_test(what_does_not_get_smaller_is_tried_ever_more_rarely),
		cmocka_unit_test(what_the_peer_does_not_know_gives_way_to_what_both_know),
		cmocka_unit_test(zstd_waits_until_the_peer_has_said_what_it_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
