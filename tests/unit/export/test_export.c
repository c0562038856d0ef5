/* The stage and its connection against a scripted peer on a real socket: what
 * goes wrong between us and a collector, and when we come back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "collector_scene.h"

/* --- time ----------------------------------------------------------------- */

static void rule_56_spans_wait_for_the_delay_and_not_longer(void **state)
{
	struct collector_scene *scene = collector_new();
	uint64_t begin;

	(void)state;
	collector_begin(scene);
	assert_int_equal(export_next_due(&scene->export, scene->env.mono_ns), UINT64_MAX);
	begin = scene->env.mono_ns;
	collector_push(scene, 1);
	assert_int_equal(export_next_due(&scene->export, begin), begin + 1000000000);
	test_env_advance_ms(&scene->env, 999);
	collector_rounds(scene, 10);
	assert_int_equal(scene->accepted, 0);
	test_env_advance_ms(&scene->env, 1);
	assert_int_equal(export_next_due(&scene->export, scene->env.mono_ns),
			 scene->env.mono_ns);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.sent, 1);
	assert_true(export_idle(&scene->export));
	assert_int_equal(export_next_due(&scene->export, scene->env.mono_ns), UINT64_MAX);
	collector_end(scene);
}

static void rule_56_a_full_batch_and_a_flush_do_not_wait(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.batch_spans_max = 5;
	collector_begin(scene);
	collector_push(scene, 7);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.sent, 5);
	assert_int_equal(export_acked(&scene->export), 5);
	export_flush(&scene->export);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.sent, 7);
	collector_end(scene);
}

/* --- memory --------------------------------------------------------------- */

static void rule_13_nothing_is_sent_where_there_is_nothing(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	collector_begin(scene);
	export_flush(&scene->export);
	collector_rounds(scene, 20);
	test_env_advance_ms(&scene->env, 60000);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.requests, 0);
	collector_push(scene, 1);
	export_flush(&scene->export);
	collector_rounds(scene, 20);
	export_flush(&scene->export);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.requests, 1);
	collector_end(scene);
}

static void push_refuses_when_its_batches_are_full(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.batch_spans_max = 10;
	scene->options.streams_max = 2;
	collector_begin(scene);
	collector_push(scene, 40); /* two in flight and two more */
	assert_int_equal(collector_push_sized(scene, 100), -ENOBUFS);
	assert_int_equal(export_waiting(&scene->export), 40);
	assert_int_equal(scene->export.counters.pushed, 40);
	collector_rounds(scene, 20);
	assert_int_equal(collector_push_sized(scene, 100), 0);
	collector_end(scene);
}

static void push_refuses_more_bytes_than_its_memory(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.memory_max = 1000000;
	collector_begin(scene);
	assert_int_equal(collector_push_sized(scene, 3 << 20), 0); /* alone: any size */
	assert_int_equal(collector_push_sized(scene, 100), -ENOBUFS);
	export_flush(&scene->export);
	for (int i = 0; i < 3000 && !export_idle(&scene->export); i++)
		collector_round(scene);
	assert_int_equal(collector_push_sized(scene, 400000), 0);
	assert_int_equal(collector_push_sized(scene, 400000), 0);
	assert_int_equal(collector_push_sized(scene, 400000), -ENOBUFS);
	assert_true(scene->export.memory < 1000000);
	collector_end(scene);
}

static void rule_09_a_span_over_the_request_limit_is_dropped_and_counted(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.request_bytes_max = 10000;
	collector_begin(scene);
	assert_int_equal(collector_push_sized(scene, 10001), 0);
	assert_int_equal(scene->export.counters.dropped_too_large, 1);
	assert_int_equal(scene->export.counters.pushed, 1);
	assert_int_equal(export_acked(&scene->export), 1);
	assert_true(export_idle(&scene->export));
	assert_int_equal(collector_push_sized(scene, 9000), 0);
	assert_int_equal(export_acked(&scene->export), 1);
	collector_end(scene);
}

/* --- what is finished with ------------------------------------------------ */

static void acked_is_the_last_before_the_oldest_unfinished(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.batch_spans_max = 2;
	collector_begin(scene);
	assert_int_equal(export_acked(&scene->export), 0);
	grpc_peer_expect(&scene->peer)->silent = true;
	collector_push(scene, 2); /* 1 and 2 hang */
	scene->number = 9;
	collector_push(scene, 4); /* 10 to 13 do not */
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.sent, 4);
	assert_int_equal(export_acked(&scene->export), 0);
	test_env_advance_ms(&scene->env, 10000);
	collector_rounds(scene, 3);
	test_env_advance_ms(&scene->env, 1200);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.sent, 6);
	assert_int_equal(export_acked(&scene->export), 13);
	collector_end(scene);
}

static void a_cursor_begins_where_it_is_told(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	assert_int_equal(export_init(&scene->export, &scene->env.env, &scene->options, 1000),
			 0);
	assert_int_equal(export_acked(&scene->export), 999);
	scene->number = 1004;
	collector_push(scene, 1);
	assert_int_equal(export_acked(&scene->export), 1004);
	collector_end(scene);
}

/* --- connections ---------------------------------------------------------- */

static void a_refused_connection_is_tried_again_with_growing_waits(void **state)
{
	struct collector_scene *scene = collector_new();
	uint64_t wait;

	(void)state;
	collector_begin(scene);
	close(scene->listener);
	scene->listener = -1;
	collector_push(scene, 1);
	export_flush(&scene->export);
	collector_rounds(scene, 5);
	assert_int_equal(scene->env.connects, 1);
	assert_non_null(strstr(scene->log, "Connection refused"));
	wait = export_next_due(&scene->export, scene->env.mono_ns) - scene->env.mono_ns;
	assert_in_range(wait, 800000000, 1200000000);
	collector_rounds(scene, 5);
	assert_int_equal(scene->env.connects, 1);
	test_env_advance(&scene->env, wait);
	collector_rounds(scene, 5);
	assert_int_equal(scene->env.connects, 2);
	wait = export_next_due(&scene->export, scene->env.mono_ns) - scene->env.mono_ns;
	assert_in_range(wait, 1280000000, 1920000000);
	assert_int_equal(scene->export.counters.connect_failures, 2);
	assert_memory_equal(scene->export.last_error,
			    "UNAVAILABLE:", sizeof("UNAVAILABLE:") - 1);
	collector_end(scene);
}

static void localhost_is_tried_on_both_loopbacks(void **state)
{
	struct collector_scene *scene = collector_new_on(AF_INET6, "localhost");

	(void)state;
	collector_begin(scene);
	collector_push(scene, 1);
	export_flush(&scene->export);
	collector_rounds(scene, 30);
	assert_int_equal(scene->export.counters.sent, 1);
	assert_int_equal(scene->export.counters.connect_failures, 0);
	assert_string_equal(scene->log, "");
	collector_end(scene);
}

static void add_address(struct collector_scene *scene, uint32_t host, uint16_t port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(host), .sin_port = htons(port)};
	struct env_address *added = &scene->env.addresses[scene->env.address_count++];

	memcpy(&added->at, &address, sizeof(address));
	added->len = sizeof(address);
}

static uint16_t port_of(int socket)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	assert_int_equal(getsockname(socket, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin_port);
}

struct black_hole {
	int listener, waiting[4];
};

/* Its queue is full, so nothing comes back from it. */
static void dig(struct black_hole *hole)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	hole->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(hole->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(hole->listener, 0), 0);
	address.sin_port = htons(port_of(hole->listener));
	for (int i = 0; i < 4; i++) {
		hole->waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(hole->waiting[i], (struct sockaddr *)&address, len);
	}
}

static void fill_up(const struct black_hole *hole)
{
	for (int i = 0; i < 4; i++)
		close(hole->waiting[i]);
	close(hole->listener);
}

static void a_black_hole_among_a_names_addresses_costs_two_seconds(void **state)
{
	struct collector_scene *scene = collector_new_on(AF_INET, "collector.test");
	struct black_hole hole;

	(void)state;
	dig(&hole);
	add_address(scene, INADDR_LOOPBACK, port_of(hole.listener));
	add_address(scene, INADDR_LOOPBACK, port_of(scene->listener));
	collector_begin(scene);
	collector_push(scene, 1);
	export_flush(&scene->export);
	test_env_advance_ms(&scene->env, 1999);
	collector_rounds(scene, 20);
	assert_int_equal(scene->accepted, 0);
	test_env_advance_ms(&scene->env, 2000);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.sent, 1);
	assert_int_equal(scene->export.counters.connect_failures, 0);
	assert_string_equal(scene->log, "");
	/* The one that answered is where the next connection goes. */
	collector_hang_up(scene);
	collector_rounds(scene, 3);
	collector_push(scene, 1);
	export_flush(&scene->export);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.sent, 2);
	fill_up(&hole);
	collector_end(scene);
}

static void every_address_of_a_name_is_tried_before_a_wait(void **state)
{
	struct collector_scene *scene = collector_new_on(AF_INET, "collector.test");
	struct black_hole hole;
	uint16_t nobody = port_of(scene->listener);

	(void)state;
	close(scene->listener);
	scene->listener = -1;
	dig(&hole);
	add_address(scene, INADDR_LOOPBACK, nobody);
	add_address(scene, INADDR_LOOPBACK + 1, nobody);
	add_address(scene, INADDR_LOOPBACK, port_of(hole.listener));
	collector_begin(scene);
	collector_push(scene, 1);
	export_flush(&scene->export);
	collector_rounds(scene, 20);
	assert_int_equal(scene->env.connects, 3);
	assert_int_equal(scene->export.counters.connect_failures, 0);
	/* The last has the whole time. */
	test_env_advance_ms(&scene->env, 19999);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.connect_failures, 0);
	test_env_advance_ms(&scene->env, 1);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.connect_failures, 1);
	assert_int_equal(scene->env.connects, 3);
	assert_non_null(strstr(scene->log, "timed out, trying again in "));
	test_env_advance_ms(&scene->env, 1200);
	collector_rounds(scene, 20);
	assert_true(scene->env.connects > 3);
	fill_up(&hole);
	collector_end(scene);
}

static void a_name_that_does_not_resolve_is_said_so(void **state)
{
	struct collector_scene *scene = collector_new_on(AF_INET, "no-such-host.invalid");

	(void)state;
	collector_begin(scene);
	collector_push(scene, 1);
	export_flush(&scene->export);
	collector_rounds(scene, 5);
	assert_non_null(strstr(scene->log, "cannot resolve no-such-host.invalid:"));
	assert_non_null(strstr(scene->log, "no such host, trying again in "));
	collector_end(scene);
}

static void a_peer_that_never_speaks_is_left_after_a_ping(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->deaf = true;
	collector_begin(scene);
	collector_push(scene, 1);
	export_flush(&scene->export);
	collector_rounds(scene, 10);
	assert_int_equal(scene->export.in_flight, 1);
	test_env_advance_ms(&scene->env, 10000);
	collector_rounds(scene, 3);
	assert_true(export_connected(&scene->export));
	assert_memory_equal(scene->export.last_error,
			    "DEADLINE_EXCEEDED:", sizeof("DEADLINE_EXCEEDED:") - 1);
	test_env_advance_ms(&scene->env, 20000);
	collector_rounds(scene, 1);
	assert_false(export_connected(&scene->export));
	assert_non_null(strstr(scene->log, "the peer does not answer"));
	scene->deaf = false;
	for (int i = 0; i < 10 && !export_idle(&scene->export); i++) {
		test_env_advance_ms(&scene->env, 1000);
		collector_rounds(scene, 5);
	}
	assert_int_equal(scene->accepted, 2);
	assert_int_equal(scene->export.counters.sent, 1);
	collector_end(scene);
}

/* Ten minutes of a server that never answers, but answers pings. */
static void rule_26_a_hanging_server_is_pinged_once_in_five_minutes(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.streams_max = 1;
	collector_begin(scene);
	for (int i = 0; i < GRPC_PEER_REPLIES; i++)
		grpc_peer_expect(&scene->peer)->silent = true;
	scene->peer.forever = true;
	collector_push(scene, 1);
	export_flush(&scene->export);
	for (int i = 0; i < 600; i++) {
		collector_rounds(scene, 3);
		test_env_advance_ms(&scene->env, 1000);
	}
	assert_true(scene->export.counters.requests > 10);
	assert_int_equal(scene->accepted, 1);
	assert_true(export_connected(&scene->export));
	assert_in_range(scene->peer.pings, 1, 2);
	collector_end(scene);
}

static void a_slow_peer_that_answers_pings_keeps_its_connection(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.streams_max = 1;
	scene->options.batch_spans_max = 1;
	collector_begin(scene);
	collector_push(scene, 1);
	collector_rounds(scene, 10);
	for (int i = 0; i < 3; i++)
		grpc_peer_expect(&scene->peer)->silent = true;
	test_env_advance_ms(&scene->env, 1000);
	collector_push(scene, 1);
	collector_rounds(scene, 5);
	for (int i = 0; i < 40; i++) {
		test_env_advance_ms(&scene->env, 1000);
		collector_rounds(scene, 3);
	}
	assert_int_equal(scene->accepted, 1);
	assert_true(scene->peer.pings >= 1);
	assert_int_equal(scene->export.counters.sent, 2);
	collector_end(scene);
}

static void rule_15_a_connection_lost_with_calls_in_flight_is_made_again(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.batch_spans_max = 1;
	collector_begin(scene);
	collector_push(scene, 1);
	collector_rounds(scene, 10);
	assert_int_equal(scene->export.counters.sent, 1);
	grpc_peer_expect(&scene->peer);
	grpc_peer_expect(&scene->peer)->silent = true;
	collector_push(scene, 1);
	collector_rounds(scene, 5);
	assert_int_equal(scene->export.in_flight, 1);
	collector_hang_up(scene);
	collector_rounds(scene, 5);
	assert_int_equal(scene->export.in_flight, 0);
	assert_memory_equal(scene->export.last_error,
			    "UNAVAILABLE:", sizeof("UNAVAILABLE:") - 1);
	/* At once, because it had answered; the batch waits for its own time. */
	assert_int_equal(scene->accepted, 2);
	scene->peer.replies_n = 0;
	test_env_advance_ms(&scene->env, 1200);
	collector_rounds(scene, 10);
	assert_int_equal(scene->export.counters.sent, 2);
	collector_end(scene);
}

static void rule_24_after_goaway_new_calls_take_a_new_connection(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.batch_spans_max = 1;
	collector_begin(scene);
	collector_push(scene, 1);
	collector_rounds(scene, 10);
	assert_int_equal(nghttp2_submit_goaway(scene->peer.session, 0, scene->peer.last_stream,
					       NGHTTP2_NO_ERROR, NULL, 0),
			 0);
	collector_rounds(scene, 3);
	assert_false(export_connected(&scene->export));
	/* An orderly end of an idle connection is nobody's failure. */
	assert_string_equal(scene->log, "");
	collector_push(scene, 1);
	collector_rounds(scene, 10);
	assert_int_equal(scene->accepted, 2);
	assert_int_equal(scene->export.counters.sent, 2);
	assert_int_equal(scene->export.counters.retries, 0);
	collector_end(scene);
}

static void an_idle_connection_that_ends_is_not_made_again_for_nothing(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.batch_spans_max = 1;
	collector_begin(scene);
	collector_push(scene, 1);
	collector_rounds(scene, 10);
	collector_hang_up(scene);
	test_env_advance_ms(&scene->env, 5000);
	collector_rounds(scene, 10);
	assert_int_equal(scene->accepted, 1);
	assert_int_equal(export_next_due(&scene->export, scene->env.mono_ns), UINT64_MAX);
	assert_string_equal(scene->log, "");
	collector_end(scene);
}

static void an_answer_that_is_no_response_is_a_permanent_refusal(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	collector_begin(scene);
	*grpc_peer_expect(&scene->peer) = (struct grpc_peer_reply){
		.headers = {":status", "200", "content-type", "application/grpc"},
		.body = {(const uint8_t *)"\0\0\0\0\2\x0a\x7f", 7},
		.trailers = {"grpc-status", "0"},
	};
	collector_push(scene, 3);
	export_flush(&scene->export);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.rejected_status, 3);
	assert_memory_equal(scene->export.last_error, "INTERNAL:", sizeof("INTERNAL:") - 1);
	collector_end(scene);
}

static void what_the_peer_says_stays_on_one_line_of_the_log(void **state)
{
	struct collector_scene *scene = collector_new();
	unsigned lines = 0;

	(void)state;
	collector_begin(scene);
	*grpc_peer_expect(&scene->peer) = (struct grpc_peer_reply){
		.headers = {":status", "200", "content-type", "application/grpc", "grpc-status",
			    "3", "grpc-message", "a%0Ab%1B[31m"},
		.trailers_only = true,
	};
	collector_push(scene, 1);
	export_flush(&scene->export);
	collector_rounds(scene, 20);
	for (const char *c = scene->log; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 1);
	assert_non_null(strstr(scene->log, "INVALID_ARGUMENT: a b [31m"));
	collector_end(scene);
}

/* --- what the peer refuses for what is in it -------------------------------- */

#define BAD_MARK 0x5a

static unsigned parked;
static char parked_words[128];
static int park_result;

static int keep_parked(void *arg, struct bytes request, const char *status, const char *message)
{
	(void)arg;
	assert_non_null(memchr(request.at, BAD_MARK, request.len));
	(void)snprintf(parked_words, sizeof(parked_words), "%s: %s", status, message);
	parked++;
	return park_result;
}

static int push_marked(struct collector_scene *scene, bool bad)
{
	uint8_t bytes[40] = {0x2a, 38};
	const struct finished_span span = {.number = scene->number + 1,
					   .span = {bytes, sizeof(bytes)}};
	int r;

	bytes[20] = bad ? BAD_MARK : 'x';
	r = export_push(&scene->export, &span);
	if (r == 0)
		scene->number++;
	return r;
}

/* A collector that wants no span with the mark. */
static void refuse_marked(void *arg, struct bytes body, struct grpc_peer_reply *reply)
{
	static const struct grpc_peer_reply refusal = {
		.headers = {":status", "200", "content-type", "application/grpc", "grpc-status",
			    "3", "grpc-message", "no such span"},
		.trailers_only = true,
	};
	unsigned *spans = arg;
	const uint8_t *at = body.at, *end = body.at + body.len;

	if (memchr(body.at, BAD_MARK, body.len)) {
		*reply = refusal;
		return;
	}
	for (; (at = memchr(at, 'x', (size_t)(end - at))); at++)
		++*spans;
}

static struct collector_scene *scene_marked(unsigned *spans)
{
	struct collector_scene *scene = collector_new();

	parked = 0;
	park_result = 0;
	*spans = 0;
	scene->options.park = keep_parked;
	scene->on_request = refuse_marked;
	scene->on_request_arg = spans;
	scene->options.streams_max = 1;
	return scene;
}

static void a_refused_span_is_found_and_the_others_arrive(void **state)
{
	unsigned spans;
	struct collector_scene *scene = scene_marked(&spans);

	(void)state;
	collector_begin(scene);
	for (int i = 0; i < 512; i++)
		assert_int_equal(push_marked(scene, i == 300), 0);
	collector_rounds(scene, 60);
	assert_int_equal(scene->export.counters.sent, 511);
	assert_int_equal(spans, 511);
	assert_int_equal(scene->export.counters.rejected_status, 1);
	assert_int_equal(scene->export.counters.parked, 1);
	assert_int_equal(parked, 1);
	assert_string_equal(parked_words, "INVALID_ARGUMENT: no such span");
	assert_true(scene->export.counters.requests <= 2 * 9 + 2);
	assert_int_equal(scene->export.counters.isolation_requests,
			 scene->export.counters.requests - 1);
	assert_true(export_idle(&scene->export));
	assert_int_equal(export_acked(&scene->export), 512);
	assert_int_equal(scene->export.live.settled.sent, 511);
	collector_end(scene);
}

static void a_refused_span_that_cannot_be_kept_is_counted(void **state)
{
	unsigned spans;
	struct collector_scene *scene = scene_marked(&spans);

	(void)state;
	collector_begin(scene);
	park_result = -ENOSPC;
	assert_int_equal(push_marked(scene, true), 0);
	export_flush(&scene->export);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.park_failures, 1);
	assert_int_equal(scene->export.counters.parked, 0);
	assert_int_equal(scene->export.counters.rejected_status, 1);
	collector_end(scene);
}

static void a_peer_that_refuses_everything_is_asked_so_often_a_minute(void **state)
{
	unsigned spans;
	struct collector_scene *scene = scene_marked(&spans);
	uint64_t parked_first;

	(void)state;
	collector_begin(scene);
	for (int i = 0; i < 5000; i++) {
		while (push_marked(scene, true) < 0)
			collector_round(scene);
	}
	export_flush(&scene->export);
	for (int i = 0; i < 3000 && !export_idle(&scene->export); i++)
		collector_round(scene);
	assert_true(export_idle(&scene->export));
	assert_int_equal(scene->export.counters.rejected_status, 5000);
	assert_int_equal(scene->export.counters.parked + scene->export.counters.not_isolated,
			 5000);
	parked_first = scene->export.counters.parked;
	assert_in_range(parked_first, 1, EXPORT_HALVINGS_PER_MINUTE + 1);
	/* In the next minute again. */
	test_env_advance_ms(&scene->env, 60000);
	for (int i = 0; i < 10; i++)
		assert_int_equal(push_marked(scene, true), 0);
	export_flush(&scene->export);
	for (int i = 0; i < 300 && !export_idle(&scene->export); i++)
		collector_round(scene);
	assert_int_equal(scene->export.counters.parked, parked_first + 10);
	collector_end(scene);
}

static void rule_05_told_to_keep_them_together_a_refused_request_is_dropped(void **state)
{
	unsigned spans;
	struct collector_scene *scene = scene_marked(&spans);

	(void)state;
	scene->options.keep_together = true;
	collector_begin(scene);
	for (int i = 0; i < 512; i++)
		assert_int_equal(push_marked(scene, i == 300), 0);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.requests, 1);
	assert_int_equal(scene->export.counters.rejected_status, 512);
	assert_int_equal(spans, 0);
	collector_end(scene);
}

/* --- how many at once -------------------------------------------------------- */

static void rule_11_requests_under_way_grow_while_the_peer_keeps_up(void **state)
{
	struct collector_scene *scene = collector_new();
	size_t most = 0;

	(void)state;
	scene->options.batch_spans_max = 1;
	collector_begin(scene);
	assert_int_equal(scene->export.streams, 2);
	for (int i = 0; i < 200; i++) {
		while (collector_push_sized(scene, 100) == 0)
			;
		(void)export_tick(&scene->export, scene->env.mono_ns);
		most = scene->export.in_flight > most ? scene->export.in_flight : most;
		collector_round(scene);
	}
	assert_int_equal(scene->export.streams, EXPORT_STREAMS_LIMIT);
	assert_int_equal(most, EXPORT_STREAMS_LIMIT);
	/* All that are under way fail for one reason: it halves once. */
	for (unsigned i = 0; i < EXPORT_STREAMS_LIMIT; i++)
		while (collector_push_sized(scene, 100) == 0)
			;
	(void)export_tick(&scene->export, scene->env.mono_ns);
	assert_int_equal(scene->export.in_flight, EXPORT_STREAMS_LIMIT);
	test_env_advance_ms(&scene->env, 1);
	collector_hang_up(scene);
	close(scene->listener);
	scene->listener = -1;
	collector_rounds(scene, 5);
	assert_int_equal(scene->export.in_flight, 0);
	assert_int_equal(scene->export.streams, EXPORT_STREAMS_LIMIT / 2);
	collector_end(scene);
}

/* --- compression ----------------------------------------------------------- */

static const struct grpc_peer_reply unimplemented = {
	.headers = {":status", "200", "content-type", "application/grpc", "grpc-status", "12"},
	.trailers_only = true,
};

static void one_request(struct collector_scene *scene)
{
	collector_push(scene, 50);
	export_flush(&scene->export);
	collector_rounds(scene, 20);
	(void)buf_append_byte(&scene->peer.headers, 0);
}

static unsigned encoded(const struct collector_scene *scene, const char *header)
{
	unsigned n = 0;

	for (const char *at = (char *)scene->peer.headers.at; (at = strstr(at, header)); at++)
		n++;
	return n;
}

static void rule_17_a_compression_that_is_refused_costs_no_span(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.compression = COMPRESSION_ZSTD;
	collector_begin(scene);
	one_request(scene); /* answered without a list */
	scene->peer.headers.len--;
	scene->peer.replies[1] = unimplemented;
	scene->peer.replies[1].headers[6] = "grpc-accept-encoding";
	scene->peer.replies[1].headers[7] = "identity,gzip";
	scene->peer.replies_n = 2;
	one_request(scene);
	assert_int_equal(encoded(scene, "grpc-encoding: gzip\n"), 2);
	assert_int_equal(encoded(scene, "grpc-encoding: zstd\n"), 1);
	assert_int_equal(scene->export.counters.sent, 100);
	assert_int_equal(scene->export.counters.requests, 3);
	assert_int_equal(scene->export.counters.rejected_status, 0);
	collector_end(scene);
}

static void
rule_05_a_service_that_is_not_there_is_asked_once_more_without_compression(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.compression = COMPRESSION_GZIP;
	collector_begin(scene);
	*grpc_peer_expect(&scene->peer) = unimplemented;
	*grpc_peer_expect(&scene->peer) = unimplemented;
	one_request(scene);
	assert_int_equal(encoded(scene, "grpc-encoding: gzip\n"), 1);
	assert_int_equal(scene->export.counters.requests, 2);
	assert_int_equal(scene->export.counters.rejected_status, 50);
	collector_end(scene);
}

static void options_out_of_range_are_refused(void **state)
{
	static const struct export_header bad = {"grpc-x", "y"};
	struct collector_scene *scene = collector_new();
	struct export_options options = {.streams_max = EXPORT_STREAMS_LIMIT + 1};
	struct export *export = &scene->export;

	(void)state;
	assert_int_equal(export_init(export, &scene->env.env, &options, 1), -EINVAL);
	options = (struct export_options){.batch_spans_max = BATCH_SPANS_LIMIT + 1};
	assert_int_equal(export_init(export, &scene->env.env, &options, 1), -EINVAL);
	options = (struct export_options){.headers = &bad, .headers_n = 1};
	assert_int_equal(export_init(export, &scene->env.env, &options, 1), -EINVAL);
	options = (struct export_options){0};
	assert_int_equal(export_init(export, &scene->env.env, &options, 1), 0);
	assert_string_equal(export->options.endpoint.authority, "localhost:4317");
	assert_int_equal(export->options.timeout_ms, 10000);
	collector_end(scene);
}

static void after_a_reload_what_was_in_flight_goes_with_the_new_options(void **state)
{
	struct collector_scene *scene = collector_new();
	struct export_options options;

	(void)state;
	scene->options.batch_spans_max = 2;
	scene->options.streams_max = 1;
	collector_begin(scene);
	grpc_peer_expect(&scene->peer)->silent = true;
	collector_push(scene, 5);
	collector_rounds(scene, 10);
	assert_int_equal(scene->export.in_flight, 1);
	options = scene->options;
	options.streams_max = 4;
	options.batch_spans_max = 50;
	options.timeout_ms = 77;
	assert_int_equal(export_reload(&scene->export, &options), 0);
	assert_int_equal(scene->export.in_flight, 0);
	assert_int_equal(export_waiting(&scene->export), 5);
	scene->peer.replies_n = 0;
	collector_push(scene, 120);
	export_flush(&scene->export);
	collector_rounds(scene, 30);
	assert_int_equal(scene->accepted, 2);
	assert_int_equal(scene->export.counters.sent, 125);
	assert_int_equal(export_acked(&scene->export), 125);
	/* One of two spans twice, two of two, one of fifty that was begun with
	 * the fifth span, and two more. */
	assert_true(scene->export.counters.requests <= 7);
	options.streams_max = EXPORT_STREAMS_LIMIT + 1;
	assert_int_equal(export_reload(&scene->export, &options), -EINVAL);
	assert_int_equal(scene->export.options.streams_max, 4);
	assert_true(export_connected(&scene->export));
	collector_end(scene);
}

static uint64_t settled(const struct collector_scene *scene)
{
	const struct export_outcome *outcome = &scene->export.live.settled;

	return outcome->sent + outcome->rejected_partial + outcome->rejected_status +
	       outcome->dropped_too_large + outcome->dropped_backlog + outcome->dropped_lost;
}

/* A cursor and what is counted with it are written together: a next life that
 * pushes the rest again must count every span once. */
static void what_is_settled_is_just_what_lies_in_front_of_the_cursor(void **state)
{
	struct collector_scene *scene = collector_new();

	(void)state;
	scene->options.batch_spans_max = 2;
	scene->options.request_bytes_max = 10000;
	scene->options.batch_bytes_max = 10000;
	collector_begin(scene);
	grpc_peer_expect(&scene->peer)->silent = true; /* 1 and 2 */
	collector_push(scene, 2);
	collector_rounds(scene, 5);
	collector_push(scene, 2);
	assert_int_equal(collector_push_sized(scene, 20000), 0); /* 5 is too large */
	scene->number += 3;					 /* 6 to 8 were lost */
	collector_push(scene, 2);
	export_give_up(&scene->export, 20); /* 11 to 20 */
	scene->number = 20;
	collector_push(scene, 2);
	collector_rounds(scene, 20);
	assert_int_equal(scene->export.counters.sent, 6);
	assert_int_equal(export_acked(&scene->export), 0);
	assert_int_equal(settled(scene), 0);
	/* The first batch is sent again and answered: all is settled at once. */
	test_env_advance_ms(&scene->env, 20000);
	collector_rounds(scene, 5);
	test_env_advance_ms(&scene->env, 20000);
	collector_rounds(scene, 20);
	assert_int_equal(export_acked(&scene->export), 22);
	assert_int_equal(settled(scene), 22);
	assert_int_equal(scene->export.live.settled.sent, 8);
	assert_int_equal(scene->export.live.settled.dropped_too_large, 1);
	assert_int_equal(scene->export.live.settled.dropped_lost, 3);
	assert_int_equal(scene->export.live.settled.dropped_backlog, 10);
	collector_end(scene);
}

static void a_next_life_goes_on_counting(void **state)
{
	struct collector_scene *scene = collector_new();
	struct export_outcome before = {.sent = 7, .rejected_status = 2, .dropped_backlog = 1};

	(void)state;
	assert_int_equal(export_init(&scene->export, &scene->env.env, &scene->options, 11), 0);
	export_resume(&scene->export, &before);
	assert_int_equal(export_acked(&scene->export), 10);
	assert_int_equal(settled(scene), 10);
	scene->number = 10;
	collector_push(scene, 3);
	export_flush(&scene->export);
	collector_rounds(scene, 10);
	assert_int_equal(settled(scene), 13);
	assert_int_equal(scene->export.counters.sent, 10);
	collector_end(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_56_spans_wait_for_the_delay_and_not_longer),
		cmocka_unit_test(rule_56_a_full_batch_and_a_flush_do_not_wait),
		cmocka_unit_test(rule_13_nothing_is_sent_where_there_is_nothing),
		cmocka_unit_test(push_refuses_when_its_batches_are_full),
		cmocka_unit_test(push_refuses_more_bytes_than_its_memory),
		cmocka_unit_test(rule_09_a_span_over_the_request_limit_is_dropped_and_counted),
		cmocka_unit_test(acked_is_the_last_before_the_oldest_unfinished),
		cmocka_unit_test(a_cursor_begins_where_it_is_told),
		cmocka_unit_test(a_refused_connection_is_tried_again_with_growing_waits),
		cmocka_unit_test(localhost_is_tried_on_both_loopbacks),
		cmocka_unit_test(a_black_hole_among_a_names_addresses_costs_two_seconds),
		cmocka_unit_test(every_address_of_a_name_is_tried_before_a_wait),
		cmocka_unit_test(a_name_that_does_not_resolve_is_said_so),
		cmocka_unit_test(a_peer_that_never_speaks_is_left_after_a_ping),
		cmocka_unit_test(a_slow_peer_that_answers_pings_keeps_its_connection),
		cmocka_unit_test(rule_26_a_hanging_server_is_pinged_once_in_five_minutes),
		cmocka_unit_test(a_refused_span_is_found_and_the_others_arrive),
		cmocka_unit_test(a_refused_span_that_cannot_be_kept_is_counted),
		cmocka_unit_test(a_peer_that_refuses_everything_is_asked_so_often_a_minute),
		cmocka_unit_test(
			rule_05_told_to_keep_them_together_a_refused_request_is_dropped),
		cmocka_unit_test(rule_11_requests_under_way_grow_while_the_peer_keeps_up),
		cmocka_unit_test(rule_15_a_connection_lost_with_calls_in_flight_is_made_again),
		cmocka_unit_test(rule_24_after_goaway_new_calls_take_a_new_connection),
		cmocka_unit_test(an_idle_connection_that_ends_is_not_made_again_for_nothing),
		cmocka_unit_test(an_answer_that_is_no_response_is_a_permanent_refusal),
		cmocka_unit_test(what_the_peer_says_stays_on_one_line_of_the_log),
		cmocka_unit_test(rule_17_a_compression_that_is_refused_costs_no_span),
		cmocka_unit_test(
			rule_05_a_service_that_is_not_there_is_asked_once_more_without_compression),
		cmocka_unit_test(options_out_of_range_are_refused),
		cmocka_unit_test(what_is_settled_is_just_what_lies_in_front_of_the_cursor),
		cmocka_unit_test(a_next_life_goes_on_counting),
		cmocka_unit_test(after_a_reload_what_was_in_flight_goes_with_the_new_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
