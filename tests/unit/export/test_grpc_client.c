#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "export/grpc_client.h"
#include "grpc_peer.h"

#define CALLS_MAX 16

struct scene {
	struct export_options options;
	struct grpc_client client;
	struct grpc_peer peer;
	int lost; /* what ended the connection, 0 while it lives */

	size_t done_n;
	void *tags[CALLS_MAX];
	enum grpc_status statuses[CALLS_MAX];
	char messages[CALLS_MAX][GRPC_MESSAGE_MAX];
	bool retry_infos[CALLS_MAX];
	uint64_t delays_ns[CALLS_MAX];
	uint8_t response[64];
	size_t response_len;
	uint8_t *free_when_done; /* a request's bytes */
};

static void keep_result(void *arg, void *tag, const struct grpc_result *result)
{
	struct scene *scene = arg;
	size_t i = scene->done_n++;

	assert_true(i < CALLS_MAX);
	scene->tags[i] = tag;
	scene->statuses[i] = result->status;
	strcpy(scene->messages[i], result->message);
	scene->retry_infos[i] = result->has_retry_info;
	scene->delays_ns[i] = result->retry_delay_ns;
	scene->response_len = result->response.len;
	if (result->response.len && result->response.len <= sizeof(scene->response))
		memcpy(scene->response, result->response.at, result->response.len);
	free(scene->free_when_done);
	scene->free_when_done = NULL;
}

static struct scene *scene_new(uint32_t window, uint32_t streams_max)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	assert_int_equal(endpoint_parse(&scene->options.endpoint, "http://h:1/prefix", NULL, 0),
			 0);
	scene->options.user_agent = "test/1";
	scene->options.streams_max = 4;
	scene->options.response_bytes_max = 1000;
	assert_int_equal(grpc_client_init(&scene->client, &scene->options, keep_result, scene),
			 0);
	grpc_peer_init(&scene->peer, window, streams_max);
	return scene;
}

static void scene_free(struct scene *scene)
{
	grpc_client_fini(&scene->client);
	grpc_peer_fini(&scene->peer);
	free(scene);
}

/* Moves at most `step` bytes to the peer. */
static size_t to_peer(struct scene *scene, size_t step)
{
	struct iovec iov[4];
	size_t moved = 0;
	int n = grpc_client_output(&scene->client, iov, 4);

	if (n < 0) {
		scene->lost = n;
		return 0;
	}
	for (int i = 0; i < n && moved < step; i++) {
		size_t len = iov[i].iov_len < step - moved ? iov[i].iov_len : step - moved;

		assert_int_equal(grpc_peer_recv(&scene->peer, iov[i].iov_base, len), 0);
		moved += len;
	}
	grpc_client_sent(&scene->client, moved);
	return moved;
}

static size_t to_client(struct scene *scene, size_t step)
{
	struct buf out = BUF_INIT;
	size_t len;

	grpc_peer_send(&scene->peer, &out);
	len = out.len;
	for (size_t at = 0; at < len && !scene->lost; at += step)
		scene->lost = grpc_client_recv(&scene->client, out.at + at,
					       len - at < step ? len - at : step);
	buf_fini(&out);
	return len;
}

static void talk(struct scene *scene, size_t step)
{
	while (!scene->lost && (to_peer(scene, step) || to_client(scene, step)))
		;
}

static const uint8_t request[] = {0, 0, 0, 0, 3, 'a', 'b', 'c'};
#define REQUEST ((struct bytes){request, sizeof(request)})

static void call(struct scene *scene, void *tag, struct bytes body)
{
	assert_int_equal(grpc_client_call(&scene->client, tag,
					  &(struct transport_request){body, COMPRESSION_NONE,
								      10000000000}),
			 0);
}

/* One call, answered by `reply`. */
static struct scene *scene_with(struct grpc_peer_reply reply)
{
	struct scene *scene = scene_new(0, 100);

	*grpc_peer_expect(&scene->peer) = reply;
	call(scene, scene, REQUEST);
	talk(scene, 4096);
	return scene;
}

#define GRPC_HEADERS ":status", "200", "content-type", "application/grpc"

/* --- tests ---------------------------------------------------------------- */

static void rules_01_and_17_headers_come_in_order(void **state)
{
	static const struct export_header custom = {"x-key", "k"};
	struct scene *scene = scene_new(0, 100);

	(void)state;
	scene->options.headers = &custom;
	scene->options.headers_n = 1;
	assert_int_equal(grpc_client_call(&scene->client, scene,
					  &(struct transport_request){REQUEST, COMPRESSION_ZSTD,
								      10000000000}),
			 0);
	talk(scene, 4096);
	(void)buf_append_byte(&scene->peer.headers, 0);
	assert_string_equal(
		(char *)scene->peer.headers.at,
		":method: POST\n"
		":scheme: http\n"
		":path: /prefix/opentelemetry.proto.collector.trace.v1.TraceService/"
		"Export\n"
		":authority: h:1\n"
		"grpc-timeout: 10S\n"
		"te: trailers\n"
		"content-type: application/grpc\n"
		"grpc-encoding: zstd\n"
		"grpc-accept-encoding: identity,gzip\n"
		"user-agent: test/1\n"
		"x-key: k\n");
	scene_free(scene);
}

/* The scene's limit is 1,000 bytes; both are a few dozen on the wire. */
static void rule_10_the_limit_is_that_of_the_unpacked_answer(void **state)
{
	static const uint8_t zeros[1 << 20];
	static const size_t lens[] = {1000, 1001, sizeof(zeros)};
	struct compressor compressor = {0};
	uint8_t body[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		ssize_t n = compressor_run(&compressor, COMPRESSION_GZIP,
					   (struct bytes){zeros, lens[i]}, body + 5,
					   sizeof(body) - 5);
		struct scene *scene;

		assert_true(n > 0);
		grpc_frame_put(body, (size_t)n, true);
		scene = scene_with((struct grpc_peer_reply){
			.headers = {GRPC_HEADERS, "grpc-encoding", "gzip"},
			.body = {body, 5 + (size_t)n},
			.trailers = {"grpc-status", "0"}});
		assert_int_equal(scene->done_n, 1);
		assert_int_equal(scene->statuses[0],
				 lens[i] <= 1000 ? GRPC_OK : GRPC_RESOURCE_EXHAUSTED);
		scene_free(scene);
	}
	compressor_fini(&compressor);
}

static void rule_20_the_request_ends_with_its_last_byte(void **state)
{
	struct scene *scene = scene_new(0, 100);

	(void)state;
	call(scene, scene, REQUEST);
	talk(scene, 4096);
	assert_int_equal(scene->peer.ended, 1);
	assert_true(bytes_equal(buf_bytes(&scene->peer.body), REQUEST));
	assert_int_equal(scene->done_n, 1);
	assert_ptr_equal(scene->tags[0], scene);
	assert_int_equal(scene->statuses[0], GRPC_OK);
	assert_int_equal(scene->client.calls_n, 0);
	scene_free(scene);
}

static void rule_19_message_and_frame_borders_are_unrelated(void **state)
{
	const struct grpc_peer_reply reply = {
		.headers = {GRPC_HEADERS},
		.body = {(const uint8_t *)"\0\0\0\0\x05"
					  "hello",
			 10},
		.trailers = {"grpc-status", "0"},
	};

	(void)state;
	for (size_t step = 1; step < 40; step++) {
		struct scene *scene = scene_new(0, 100);

		*grpc_peer_expect(&scene->peer) = reply;
		call(scene, scene, REQUEST);
		talk(scene, step);
		assert_int_equal(scene->done_n, 1);
		assert_int_equal(scene->statuses[0], GRPC_OK);
		assert_int_equal(scene->response_len, 5);
		assert_memory_equal(scene->response, "hello", 5);
		scene_free(scene);
	}
}

static void answers_amount_to_a_status(void **state)
{
	static const struct {
		struct grpc_peer_reply reply;
		enum grpc_status status;
		const char *message;
	} cases[] = {
		/* rule 21: trailers only, escaped message */
		{{.headers = {GRPC_HEADERS, "grpc-status", "14", "grpc-message", "bu%73y"},
		  .trailers_only = true},
		 GRPC_UNAVAILABLE,
		 "busy"},
		{{.headers = {GRPC_HEADERS}, .trailers = {"grpc-status", "3"}},
		 GRPC_INVALID_ARGUMENT,
		 ""},
		{{.headers = {GRPC_HEADERS}, .trailers = {"grpc-status", "017"}},
		 GRPC_UNKNOWN,
		 ""},
		{{.headers = {GRPC_HEADERS}, .trailers = {"grpc-status", "0"}}, GRPC_OK, ""},
		/* rule 22 */
		{{.headers = {":status", "404", "content-type", "text/html"},
		  .body = {(const uint8_t *)"<html>", 6}},
		 GRPC_UNIMPLEMENTED,
		 "HTTP status 404"},
		{{.headers = {":status", "503"}, .trailers_only = true},
		 GRPC_UNAVAILABLE,
		 "HTTP status 503"},
		{{.headers = {":status", "301", "location", "x"}, .trailers_only = true},
		 GRPC_UNKNOWN,
		 "HTTP status 301"},
		{{.headers = {GRPC_HEADERS}, .body = {(const uint8_t *)"\0\0\0\0\0", 5}},
		 GRPC_UNKNOWN,
		 "HTTP status 200"},
		/* rule 19 */
		{{.headers = {GRPC_HEADERS},
		  .body = {(const uint8_t *)"\1\0\0\0\1x", 6},
		  .trailers = {"grpc-status", "0"}},
		 GRPC_INTERNAL,
		 "compressed"},
		{{.headers = {GRPC_HEADERS, "grpc-encoding", "zstd"},
		  .body = {(const uint8_t *)"\1\0\0\0\1x", 6},
		  .trailers = {"grpc-status", "0"}},
		 GRPC_INTERNAL,
		 "compressed"},
		{{.headers = {GRPC_HEADERS, "grpc-encoding", "gzip"},
		  .body = {(const uint8_t *)"\1\0\0\0\1x", 6},
		  .trailers = {"grpc-status", "0"}},
		 GRPC_INTERNAL,
		 "gzip"},
		{{.headers = {GRPC_HEADERS},
		  .body = {(const uint8_t *)"\0\0\0\0\5x", 6},
		  .trailers = {"grpc-status", "0"}},
		 GRPC_INTERNAL,
		 "inside its message"},
		{{.headers = {GRPC_HEADERS},
		  .body = {(const uint8_t *)"\0\0\0\0\0\0\0\0\0\0", 10},
		  .trailers = {"grpc-status", "0"}},
		 GRPC_INTERNAL,
		 "more than one"},
		/* rule 10 */
		{{.headers = {GRPC_HEADERS},
		  .body = {(const uint8_t *)"\0\0\0\x03\xe9x", 6},
		  .trailers = {"grpc-status", "0"}},
		 GRPC_RESOURCE_EXHAUSTED,
		 "1001 bytes"},
		{{.headers = {GRPC_HEADERS},
		  .body = {(const uint8_t *)"\0\xff\xff\xff\xffx", 6},
		  .trailers = {"grpc-status", "0"}},
		 GRPC_RESOURCE_EXHAUSTED,
		 "4294967295 bytes"},
		/* rule 23 */
		{{.has_reset = true, .reset = NGHTTP2_REFUSED_STREAM},
		 GRPC_UNAVAILABLE,
		 "REFUSED_STREAM"},
		{{.has_reset = true, .reset = NGHTTP2_CANCEL}, GRPC_CANCELLED, "CANCEL"},
		{{.has_reset = true, .reset = NGHTTP2_ENHANCE_YOUR_CALM},
		 GRPC_RESOURCE_EXHAUSTED,
		 "ENHANCE_YOUR_CALM"},
		{{.headers = {GRPC_HEADERS},
		  .body = {(const uint8_t *)"\0\0\0", 3},
		  .has_reset = true,
		  .reset = NGHTTP2_INTERNAL_ERROR},
		 GRPC_INTERNAL,
		 "INTERNAL_ERROR"},
		{{.has_reset = true, .reset = NGHTTP2_NO_ERROR}, GRPC_INTERNAL, "NO_ERROR"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene *scene = scene_with(cases[i].reply);

		assert_int_equal(scene->done_n, 1);
		if (scene->statuses[0] != cases[i].status)
			fail_msg("case %zu: %s", i, grpc_status_name(scene->statuses[0]));
		if (!strstr(scene->messages[0], cases[i].message))
			fail_msg("case %zu: \"%s\"", i, scene->messages[0]);
		assert_int_equal(scene->client.calls_n, 0);
		/* Whatever it was, the connection serves the next call. */
		call(scene, NULL, REQUEST);
		talk(scene, 4096);
		assert_int_equal(scene->done_n, 2);
		assert_int_equal(scene->statuses[1], GRPC_OK);
		scene_free(scene);
	}
}

static void rule_21_details_are_read_padded_and_unpadded(void **state)
{
	/* Status{8, [Any{RetryInfo{Duration{30}}}]} */
	static const char *const details[] = {
		"CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIHg==",
		"CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIHg",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct scene *scene = scene_with((struct grpc_peer_reply){
			.headers = {GRPC_HEADERS, "grpc-status", "8", "grpc-status-details-bin",
				    details[i]},
			.trailers_only = true});

		assert_int_equal(scene->statuses[0], GRPC_RESOURCE_EXHAUSTED);
		assert_true(scene->retry_infos[0]);
		assert_int_equal(scene->delays_ns[0], 30000000000);
		scene_free(scene);
	}
}

static void details_that_do_not_decode_count_as_none(void **state)
{
	struct scene *scene = scene_with((struct grpc_peer_reply){
		.headers = {GRPC_HEADERS, "grpc-status", "8", "grpc-status-details-bin", "!!"},
		.trailers_only = true});

	(void)state;
	assert_int_equal(scene->statuses[0], GRPC_RESOURCE_EXHAUSTED);
	assert_false(scene->retry_infos[0]);
	scene_free(scene);
}

static void rule_25_headers_are_bounded(void **state)
{
	char *value = malloc(GRPC_REPLY_HEADERS_MAX + 1);
	struct scene *scene;

	(void)state;
	memset(value, 'v', GRPC_REPLY_HEADERS_MAX);
	value[GRPC_REPLY_HEADERS_MAX] = '\0';
	scene = scene_with((struct grpc_peer_reply){
		.headers = {GRPC_HEADERS, "x-long", value, "grpc-status", "0"},
		.trailers_only = true});
	assert_int_equal(scene->done_n, 1);
	assert_int_equal(scene->statuses[0], GRPC_RESOURCE_EXHAUSTED);
	assert_false(scene->retry_infos[0]);
	scene_free(scene);
	free(value);
}

static void rule_24_goaway_ends_what_the_peer_did_not_take(void **state)
{
	struct scene *scene = scene_new(0, 100);

	(void)state;
	grpc_peer_expect(&scene->peer)->silent = true;
	call(scene, &scene->tags[0], REQUEST);
	call(scene, &scene->tags[1], REQUEST);
	grpc_peer_expect(&scene->peer)->silent = true;
	talk(scene, 4096);
	assert_int_equal(scene->peer.begun, 2);
	/* Only the first stream was processed. */
	assert_int_equal(nghttp2_submit_goaway(scene->peer.session, 0, 1, NGHTTP2_NO_ERROR,
					       (const uint8_t *)"bye", 3),
			 0);
	talk(scene, 4096);
	assert_int_equal(scene->done_n, 1);
	assert_ptr_equal(scene->tags[0], &scene->tags[1]);
	assert_int_equal(scene->statuses[0], GRPC_UNAVAILABLE);
	assert_true(scene->client.going_away);
	assert_int_equal(grpc_client_call(&scene->client, NULL,
					  &(struct transport_request){.framed = REQUEST}),
			 -EAGAIN);
	assert_non_null(strstr(scene->client.error, "bye"));
	grpc_client_fail_all(&scene->client, GRPC_UNAVAILABLE, "gone");
	assert_int_equal(scene->done_n, 2);
	assert_string_equal(scene->messages[1], "gone");
	scene_free(scene);
}

static void a_call_held_back_by_the_streams_limit_fails_at_goaway(void **state)
{
	struct scene *scene = scene_new(0, 1);

	(void)state;
	talk(scene, 4096); /* learn the limit */
	grpc_peer_expect(&scene->peer)->silent = true;
	call(scene, &scene->tags[0], REQUEST);
	call(scene, &scene->tags[1], REQUEST);
	talk(scene, 4096);
	assert_int_equal(scene->peer.begun, 1);
	assert_int_equal(
		nghttp2_submit_goaway(scene->peer.session, 0, 1, NGHTTP2_NO_ERROR, NULL, 0), 0);
	talk(scene, 4096);
	assert_int_equal(scene->done_n, 1);
	assert_int_equal(scene->statuses[0], GRPC_UNAVAILABLE);
	grpc_client_fail_all(&scene->client, GRPC_UNAVAILABLE, "");
	assert_int_equal(scene->done_n, 2);
	scene_free(scene);
}

static uint8_t *large_request(size_t len)
{
	uint8_t *at = malloc(len);

	assert_non_null(at);
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(i * 31 + i / 251);
	return at;
}

static void rule_24_an_early_answer_ends_the_sending(void **state)
{
	const size_t len = 3000000;
	struct scene *scene = scene_new(0, 100);
	uint8_t *large = large_request(len);

	(void)state;
	*grpc_peer_expect(&scene->peer) =
		(struct grpc_peer_reply){.headers = {GRPC_HEADERS, "grpc-status", "8"},
					 .trailers_only = true,
					 .early = true};
	/* The request is freed by `done`; what is queued of it must not be
	 * read afterwards. */
	scene->free_when_done = large;
	call(scene, scene, (struct bytes){large, len});
	talk(scene, 100);
	assert_int_equal(scene->done_n, 1);
	assert_int_equal(scene->statuses[0], GRPC_RESOURCE_EXHAUSTED);
	assert_int_equal(scene->peer.resets, 1);
	assert_int_equal(scene->peer.last_reset, NGHTTP2_NO_ERROR);
	assert_int_equal(scene->peer.ended, 0);
	call(scene, scene, REQUEST);
	talk(scene, 100);
	assert_int_equal(scene->statuses[1], GRPC_OK);
	scene_free(scene);
}

static void a_large_request_arrives_whole_through_small_windows(void **state)
{
	const size_t len = 700001;
	struct scene *scene = scene_new(1000, 100);
	uint8_t *large = large_request(len);

	(void)state;
	call(scene, scene, (struct bytes){large, len});
	talk(scene, 333);
	assert_int_equal(scene->statuses[0], GRPC_OK);
	assert_int_equal(scene->peer.body.len, len);
	assert_memory_equal(scene->peer.body.at, large, len);
	scene_free(scene);
	free(large);
}

static void several_large_calls_share_the_connection(void **state)
{
	const size_t len = 1500000;
	struct scene *scene = scene_new(1 << 20, 100);
	uint8_t *large = large_request(len);

	(void)state;
	for (int i = 0; i < 4; i++)
		call(scene, &scene->tags[i], (struct bytes){large, len});
	assert_int_equal(grpc_client_call(&scene->client, NULL,
					  &(struct transport_request){.framed = REQUEST}),
			 -ENOBUFS);
	talk(scene, 65536);
	assert_int_equal(scene->done_n, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(scene->statuses[i], GRPC_OK);
	assert_int_equal(scene->peer.ended, 4);
	assert_memory_equal(scene->peer.body.at, large, len);
	scene_free(scene);
	free(large);
}

static void a_cancelled_call_is_reset_and_its_bytes_may_go(void **state)
{
	const size_t len = 3000000;
	struct scene *scene = scene_new(0, 100);
	uint8_t *large = large_request(len);

	(void)state;
	call(scene, scene, (struct bytes){large, len});
	for (int i = 0; i < 30; i++)
		(void)to_peer(scene, 777); /* stops inside a frame */
	grpc_client_cancel(&scene->client, scene);
	memset(large, 0, len);
	free(large);
	talk(scene, 777);
	assert_int_equal(scene->done_n, 0);
	assert_int_equal(scene->peer.resets, 1);
	assert_int_equal(scene->peer.last_reset, NGHTTP2_CANCEL);
	call(scene, scene, REQUEST);
	talk(scene, 777);
	assert_int_equal(scene->statuses[0], GRPC_OK);
	scene_free(scene);
}

static void garbage_ends_the_connection_and_its_calls(void **state)
{
	struct scene *scene = scene_new(0, 100);
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

	(void)state;
	call(scene, scene, REQUEST);
	(void)to_peer(scene, 4096);
	if (grpc_client_recv(&scene->client, (const uint8_t *)text, sizeof(text) - 1) == 0) {
		/* nghttp2 says goodbye first. */
		while (to_peer(scene, 4096))
			;
		assert_true(grpc_client_over(&scene->client));
	}
	grpc_client_fail_all(&scene->client, GRPC_UNAVAILABLE, "lost");
	assert_int_equal(scene->done_n, 1);
	assert_int_equal(scene->statuses[0], GRPC_UNAVAILABLE);
	scene_free(scene);
}

static void a_peer_whose_headers_are_garbage_is_told_and_named(void **state)
{
	struct scene *scene = scene_new(0, 100);
	static const uint8_t frames[] = {0,    0,    0,	   4,	0, 0, 0, 0, 0, /* SETTINGS */
					 0,    0,    4,	   1,	4, 0, 0, 0, 1, /* HEADERS */
					 0xff, 0xff, 0xff, 0xff};

	(void)state;
	call(scene, scene, REQUEST);
	while (to_peer(scene, 4096))
		;
	assert_int_equal(grpc_client_recv(&scene->client, frames, sizeof frames), 0);
	assert_string_equal(scene->client.error, "");
	while (to_peer(scene, 4096))
		;
	assert_true(grpc_client_over(&scene->client));
	assert_string_equal(scene->client.error,
			    "closed for what the peer sent: COMPRESSION_ERROR");
	grpc_client_fail_all(&scene->client, GRPC_UNAVAILABLE, "lost");
	scene_free(scene);
}

static void every_cut_of_an_answer_leaves_the_call_to_be_retried(void **state)
{
	struct buf answer = BUF_INIT;
	struct scene *scene = scene_new(0, 100);
	size_t whole;

	(void)state;
	call(scene, scene, REQUEST);
	while (to_peer(scene, 4096))
		;
	grpc_peer_send(&scene->peer, &answer);
	whole = answer.len;
	scene_free(scene);
	for (size_t cut = 0; cut < whole; cut++) {
		scene = scene_new(0, 100);
		call(scene, scene, REQUEST);
		while (to_peer(scene, 4096))
			;
		assert_int_equal(grpc_client_recv(&scene->client, answer.at, cut), 0);
		assert_int_equal(scene->done_n, 0);
		grpc_client_fail_all(&scene->client, GRPC_UNAVAILABLE, "cut");
		assert_int_equal(scene->done_n, 1);
		scene_free(scene);
	}
	buf_fini(&answer);
}

/* What a server says, with bytes changed here and there. */
static void a_mutated_answer_harms_nobody(void **state)
{
	struct buf answer = BUF_INIT;
	struct scene *scene = scene_new(0, 100);
	uint32_t random = 1;

	(void)state;
	*grpc_peer_expect(&scene->peer) = (struct grpc_peer_reply){
		.headers = {GRPC_HEADERS},
		.body = {(const uint8_t *)"\0\0\0\0\2\x0a\0", 7},
		.trailers = {"grpc-status", "8", "grpc-message", "a%20b",
			     "grpc-status-details-bin", "CAgaMAooSHl"}};
	call(scene, scene, REQUEST);
	while (to_peer(scene, 4096))
		;
	grpc_peer_send(&scene->peer, &answer);
	scene_free(scene);
	for (int round = 0; round < 4000; round++) {
		uint8_t *copy = malloc(answer.len);

		scene = scene_new(0, 100);
		call(scene, scene, REQUEST);
		while (to_peer(scene, 4096))
			;
		memcpy(copy, answer.at, answer.len);
		for (int i = 0; i < 1 + round % 4; i++) {
			random = random * 1664525 + 1013904223;
			copy[(random >> 8) % answer.len] = (uint8_t)(random >> 24);
		}
		scene->lost = grpc_client_recv(&scene->client, copy, answer.len);
		free(copy);
		while (!scene->lost && to_peer(scene, 4096))
			;
		if (!scene->done_n)
			grpc_client_fail_all(&scene->client, GRPC_UNAVAILABLE, "lost");
		assert_int_equal(scene->done_n, 1);
		scene_free(scene);
	}
	buf_fini(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mutated_answer_harms_nobody),
		cmocka_unit_test(rules_01_and_17_headers_come_in_order),
		cmocka_unit_test(rule_10_the_limit_is_that_of_the_unpacked_answer),
		cmocka_unit_test(rule_20_the_request_ends_with_its_last_byte),
		cmocka_unit_test(rule_19_message_and_frame_borders_are_unrelated),
		cmocka_unit_test(answers_amount_to_a_status),
		cmocka_unit_test(rule_21_details_are_read_padded_and_unpadded),
		cmocka_unit_test(details_that_do_not_decode_count_as_none),
		cmocka_unit_test(rule_25_headers_are_bounded),
		cmocka_unit_test(rule_24_goaway_ends_what_the_peer_did_not_take),
		cmocka_unit_test(a_call_held_back_by_the_streams_limit_fails_at_goaway),
		cmocka_unit_test(rule_24_an_early_answer_ends_the_sending),
		cmocka_unit_test(a_large_request_arrives_whole_through_small_windows),
		cmocka_unit_test(several_large_calls_share_the_connection),
		cmocka_unit_test(a_cancelled_call_is_reset_and_its_bytes_may_go),
		cmocka_unit_test(garbage_ends_the_connection_and_its_calls),
		cmocka_unit_test(a_peer_whose_headers_are_garbage_is_told_and_named),
		cmocka_unit_test(every_cut_of_an_answer_leaves_the_call_to_be_retried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
