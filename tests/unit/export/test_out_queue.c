#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "export/out_queue.h"

/* Takes `len` bytes out and appends them to `text`. */
static void take(struct out_queue *queue, size_t len, char *text)
{
	struct iovec iov[2 * OUT_SEGMENTS];
	int n = out_queue_vectors(queue, iov, 2 * OUT_SEGMENTS);
	size_t left = len;

	for (int i = 0; i < n && left; i++) {
		size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

		strncat(text, iov[i].iov_base, part);
		left -= part;
	}
	assert_int_equal(left, 0);
	out_queue_sent(queue, len);
}

static void bytes_leave_in_order_however_they_are_cut(void **state)
{
	static const uint8_t body[] = "BODYBODY";
	struct out_queue queue;

	(void)state;
	for (size_t step = 1; step < 20; step++) {
		char text[256] = "", large[100];

		memset(large, '-', sizeof(large));
		out_queue_init(&queue);
		assert_int_equal(out_queue_copy(&queue, (const uint8_t *)"one", 3), 0);
		out_queue_frame(&queue, (const uint8_t *)"<head>", 6, body, 8, 1);
		assert_int_equal(out_queue_copy(&queue, (uint8_t *)large, sizeof(large)), 0);
		out_queue_frame(&queue, (const uint8_t *)"<end>", 5, body, 0, 1);
		for (size_t left = 122; left;) {
			size_t n = step < left ? step : left;

			take(&queue, n, text);
			left -= n;
		}
		assert_int_equal(queue.n, 0);
		assert_memory_equal(text, "one<head>BODYBODY---", 20);
		assert_string_equal(text + 117, "<end>");
		out_queue_fini(&queue);
	}
}

static void a_lost_owner_leaves_its_bytes_behind(void **state)
{
	uint8_t *body = (uint8_t *)strdup("12345678");
	struct out_queue queue;
	char text[64] = "";

	(void)state;
	out_queue_init(&queue);
	out_queue_frame(&queue, (const uint8_t *)"a", 1, body, 4, 1);
	out_queue_frame(&queue, (const uint8_t *)"b", 1, body + 4, 4, 3);
	out_queue_frame(&queue, (const uint8_t *)"c", 1, body + 4, 4, 1);
	take(&queue, 3, text);
	assert_int_equal(out_queue_disown(&queue, 1), 0);
	assert_int_equal(out_queue_disown(&queue, 3), 0);
	memset(body, 'x', 8);
	free(body);
	take(&queue, 12, text);
	assert_string_equal(text, "a1234b5678c5678");
	out_queue_fini(&queue);
}

static void the_queue_says_when_it_is_full_and_goes_round(void **state)
{
	struct out_queue queue;
	char text[1024] = "";

	(void)state;
	out_queue_init(&queue);
	for (int round = 0; round < 3; round++) {
		while (!out_queue_full(&queue))
			assert_int_equal(out_queue_copy(&queue, (const uint8_t *)"ab", 2), 0);
		take(&queue, 2 * (OUT_SEGMENTS - 10) + 1, text);
		text[0] = '\0';
	}
	assert_int_equal(queue.n, 10);
	take(&queue, 19, text);
	assert_string_equal(text, "bababababababababab");
	out_queue_fini(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_leave_in_order_however_they_are_cut),
		cmocka_unit_test(a_lost_owner_leaves_its_bytes_behind),
		cmocka_unit_test(the_queue_says_when_it_is_full_and_goes_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
