/* C3 to C7, C11 and C12: the exporter against a collector that answers in every way
 * one should not, on a real socket and with a clock of the test's own. In each case
 * the spans are sent, or counted as refused, never both and never lost. */
#include "collector_scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "otlp/bytes_text.h"

#define SPANS 6
#define HOUR_NS UINT64_C(3600000000000)
#define GRPC ":status", "200", "content-type", "application/grpc"

static unsigned long cases;

static struct collector_scene *scene_one(void)
{
	struct collector_scene *scene = collector_new();

	scene->options.keep_together = true;
	scene->env.patience_ms = 1;
	return scene;
}

static bool idle(const struct collector_scene *scene)
{
	return export_idle(&scene->export);
}

/* What changes when anything happens between the two. */
static uint64_t happened(const struct collector_scene *scene)
{
	const struct export_counters *n = &scene->export.counters;

	return scene->accepted + scene->peer.begun + scene->peer.ended + scene->peer.resets +
	       n->requests + n->connects + n->connect_failures + n->sent + n->rejected_status +
	       n->rejected_partial + scene->export.failures;
}

/* Until nothing happens any more: the clock must not run ahead of an exchange. */
static void talk(struct collector_scene *scene)
{
	uint64_t before = happened(scene);

	for (int quiet = 0; quiet < 8 && !idle(scene); quiet++) {
		collector_round(scene);
		if (happened(scene) != before)
			quiet = 0;
		before = happened(scene);
	}
}

/* Until all is done with, or it is later than `limit_ns` from now. */
static void run(struct collector_scene *scene, uint64_t limit_ns)
{
	uint64_t end = scene->env.mono_ns + limit_ns, due;

	while (!idle(scene)) {
		talk(scene);
		due = export_next_due(&scene->export, scene->env.mono_ns);
		if (due > end) {
			test_env_advance(&scene->env, end - scene->env.mono_ns);
			break;
		}
		if (due > scene->env.mono_ns)
			test_env_advance(&scene->env, due - scene->env.mono_ns);
	}
}

static void send_all(struct collector_scene *scene)
{
	collector_begin(scene);
	collector_push(scene, SPANS);
	export_flush(&scene->export);
	run(scene, HOUR_NS * 3);
	assert_true(idle(scene));
	assert_int_equal(export_acked(&scene->export), scene->number);
	cases++;
}

enum fate { SENT_AT_ONCE, SENT_AGAIN, REFUSED };

static void check_fate(struct collector_scene *scene, enum fate fate)
{
	const struct export_counters *n = &scene->export.counters;

	assert_int_equal(n->sent, fate == REFUSED ? 0 : SPANS);
	assert_int_equal(n->rejected_status, fate == REFUSED ? SPANS : 0);
	if (fate == SENT_AGAIN)
		assert_true(n->requests > 1);
	else
		assert_int_equal(n->requests, 1);
}

/* One request is answered like this, the next with an OK. */
static void answered(struct grpc_peer_reply reply, enum fate fate)
{
	struct collector_scene *scene = scene_one();

	*grpc_peer_expect(&scene->peer) = reply;
	send_all(scene);
	check_fate(scene, fate);
	collector_end(scene);
}

/* --- C3 ----------------------------------------------------------------------- */

static void cut_at(size_t at, bool reset, bool *ret_cut)
{
	struct collector_scene *scene = scene_one();

	scene->cut_at = at;
	scene->cut_reset = reset;
	send_all(scene);
	assert_int_equal(scene->export.counters.sent, SPANS);
	/* Twice at most: what was answered before the end is not sent again. */
	assert_in_range(scene->export.counters.requests, 1, 2);
	*ret_cut = scene->cut_at == SIZE_MAX;
	collector_end(scene);
}

static void C3_a_connection_that_ends_at_any_byte_costs_one_more_request(void **state)
{
	size_t at = 0;
	bool cut = true;

	(void)state;
	for (; cut; at++)
		for (int reset = 0; reset < 2; reset++)
			cut_at(at, reset, &cut);
	assert_true(at > 50);
	print_message(
		"row C3 passed: ended at each of %zu bytes, in good order and by a reset\n",
		at);
}

/* --- C4 ----------------------------------------------------------------------- */

struct goaway {
	struct collector_scene *scene;
	uint32_t code;
	int last; /* 0: none was taken; 1: all; -1: all but the newest */
	bool said;
};

static void say_goaway(void *arg, struct bytes body, struct grpc_peer_reply *reply)
{
	struct goaway *goaway = arg;
	struct grpc_peer *peer = &goaway->scene->peer;
	int32_t last = peer->last_stream;

	(void)body;
	(void)reply;
	if (goaway->said)
		return;
	goaway->said = true;
	if (goaway->last == 0)
		last = 0;
	else if (goaway->last < 0 && last > 2)
		last -= 2;
	assert_int_equal(nghttp2_submit_goaway(peer->session, 0, last, goaway->code,
					       (const uint8_t *)"bye", 3),
			 0);
	if (goaway->last == 0)
		reply->silent = true;
}

static void goes_away(uint32_t code, int last)
{
	struct collector_scene *scene = scene_one();
	struct goaway goaway = {scene, code, last, false};

	scene->on_request = say_goaway;
	scene->on_request_arg = &goaway;
	scene->options.batch_spans_max = 2;
	send_all(scene);
	assert_int_equal(scene->export.counters.sent, SPANS);
	assert_true(goaway.said);
	/* A request the peer took is not sent again. */
	if (last == 1)
		assert_true(scene->export.counters.requests <= SPANS / 2 + 1);
	collector_end(scene);
}

static enum fate fate_of_reset(uint32_t code)
{
	return code == NGHTTP2_REFUSED_STREAM || code == NGHTTP2_CANCEL ? SENT_AGAIN : REFUSED;
}

static void C4_goaway_and_resets_are_retried_where_nothing_was_taken(void **state)
{
	static const struct bytes part = {(const uint8_t *)"\0\0\0\0\4\x0a", 6};
	unsigned long before = cases;

	(void)state;
	for (int last = -1; last <= 1; last++) {
		goes_away(NGHTTP2_NO_ERROR, last);
		goes_away(NGHTTP2_ENHANCE_YOUR_CALM, last);
		goes_away(NGHTTP2_INTERNAL_ERROR, last);
	}
	for (uint32_t code = 0; code <= NGHTTP2_HTTP_1_1_REQUIRED; code++) {
		struct grpc_peer_reply reply = {.reset = (int)code, .has_reset = true};

		answered(reply, fate_of_reset(code));
		reply = (struct grpc_peer_reply){
			.headers = {GRPC}, .reset = (int)code, .has_reset = true};
		answered(reply, fate_of_reset(code));
		reply.body = part;
		answered(reply, fate_of_reset(code));
	}
	for (uint32_t streams = 1; streams <= 2; streams++) {
		struct collector_scene *scene = scene_one();

		scene->streams_max = streams;
		scene->options.batch_spans_max = 1;
		send_all(scene);
		assert_int_equal(scene->export.counters.sent, SPANS);
		collector_end(scene);
	}
	print_message("row C4 passed: %lu ways to go away or reset\n", cases - before);
}

/* --- C5 ----------------------------------------------------------------------- */

/* The value of grpc-status-details-bin. */
static void details(struct buf *out, int64_t seconds)
{
	Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
	Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT, *list[] = {&any};
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	uint8_t packed[64], whole[256];

	delay.seconds = seconds;
	retry.retry_delay = &delay;
	any.type_url = (char *)"type.googleapis.com/google.rpc.RetryInfo";
	any.value.data = packed;
	any.value.len = google__rpc__retry_info__pack(&retry, packed);
	status.details = list;
	status.n_details = 1;
	buf_reset(out);
	assert_int_equal(bytes_text_base64(out, (struct bytes){whole, google__rpc__status__pack(
									      &status, whole)}),
			 0);
	assert_int_equal(buf_append_byte(out, 0), 0);
}

static struct grpc_peer_reply status_reply(const char *status, const char *info)
{
	struct grpc_peer_reply reply = {.headers = {GRPC, "grpc-status", status},
					.trailers_only = true};

	if (info) {
		reply.headers[6] = "grpc-status-details-bin";
		reply.headers[7] = info;
	}
	return reply;
}

static enum fate fate_of_status(int status, bool info)
{
	switch (status) {
	case 0:
		return SENT_AT_ONCE;
	case 1:
	case 4:
	case 10:
	case 11:
	case 14:
	case 15:
		return SENT_AGAIN;
	case 8:
		return info ? SENT_AGAIN : REFUSED;
	default:
		return REFUSED;
	}
}

/* Nothing at all is sent meanwhile, not even other spans. */
static void held_for_an_hour(const char *status, const char *info)
{
	struct collector_scene *scene = scene_one();

	*grpc_peer_expect(&scene->peer) = status_reply(status, info);
	collector_begin(scene);
	collector_push(scene, SPANS);
	export_flush(&scene->export);
	run(scene, 0);
	collector_push(scene, SPANS);
	run(scene, HOUR_NS - 1);
	assert_int_equal(scene->export.counters.requests, 1);
	run(scene, HOUR_NS);
	assert_int_equal(scene->export.counters.sent, 2 * SPANS);
	collector_end(scene);
	cases++;
}

static void C5_every_status_with_and_without_retry_info(void **state)
{
	static const char *const odd[] = {"-1",	 "",	"x",   "00",
					  "014", "14 ", "1e1", "99999999999"};
	static const int64_t delays[] = {0, 3600, -5, INT64_MIN, INT64_MAX};
	struct buf info = BUF_INIT;
	unsigned long before = cases;
	char text[12];

	(void)state;
	for (int status = 0; status <= 17; status++) {
		(void)snprintf(text, sizeof(text), "%d", status);
		answered(status_reply(text, NULL), fate_of_status(status, false));
		answered(status_reply(text, "bm90IGEgc3RhdHVz!"),
			 fate_of_status(status, false));
		for (size_t i = 0; i < 3; i++) {
			details(&info, delays[i]);
			answered(status_reply(text, (char *)info.at),
				 fate_of_status(status, true));
		}
	}
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		answered(status_reply(odd[i], NULL), REFUSED);
	answered((struct grpc_peer_reply){.headers = {GRPC}, .trailers_only = true}, REFUSED);
	details(&info, 3600);
	held_for_an_hour("14", (char *)info.at);
	held_for_an_hour("8", (char *)info.at);
	buf_fini(&info);
	print_message("row C5 passed: %lu answers\n", cases - before);
}

/* --- C6 ----------------------------------------------------------------------- */

static void partial(int64_t rejected, const char *message, uint64_t counted, uint64_t warned)
{
	uint8_t body[64] = {0, 0, 0, 0, 0, 0x0a};
	struct collector_scene *scene = scene_one();
	size_t n = 7;

	if (rejected) {
		uint64_t bits = (uint64_t)rejected;

		body[n++] = 0x08;
		for (; bits > 0x7f; bits >>= 7)
			body[n++] = (uint8_t)(bits | 0x80);
		body[n++] = (uint8_t)bits;
	}
	if (*message) {
		body[n++] = 0x12;
		body[n++] = (uint8_t)strlen(message);
		memcpy(body + n, message, strlen(message));
		n += strlen(message);
	}
	body[6] = (uint8_t)(n - 7);
	body[4] = (uint8_t)(n - 5);
	*grpc_peer_expect(&scene->peer) = (struct grpc_peer_reply){
		.headers = {GRPC}, .body = {body, n}, .trailers = {"grpc-status", "0"}};
	send_all(scene);
	assert_int_equal(scene->export.counters.rejected_partial, counted);
	assert_int_equal(scene->export.counters.sent, SPANS - counted);
	assert_int_equal(scene->export.counters.warnings, warned);
	assert_int_equal(scene->export.counters.requests, 1);
	if (*message)
		assert_non_null(strstr(scene->log, message));
	else if (!counted)
		assert_string_equal(scene->log, "");
	collector_end(scene);
}

static void C6_partial_success_is_counted_and_never_sent_again(void **state)
{
	(void)state;
	partial(2, "two were bad", 2, 0);
	partial(SPANS, "all were", SPANS, 0);
	partial(SPANS + 1, "more than there were", SPANS, 0);
	partial(INT64_MAX, "far more", SPANS, 0);
	partial(-1, "less than none", 0, 1);
	partial(INT64_MIN, "", 0, 0);
	partial(0, "only a warning", 0, 1);
	partial(0, "", 0, 0);
	print_message("row C6 passed: 8 partial successes\n");
}

/* --- C7 ----------------------------------------------------------------------- */

static void C7_answers_that_are_none_are_mapped_and_bounded(void **state)
{
	static const uint8_t html[] = "<html>no</html>";
	static const struct {
		struct grpc_peer_reply reply;
		enum fate fate;
	} table[] = {
		{{.headers = {GRPC, "grpc-status", "0"}, .trailers_only = true}, SENT_AT_ONCE},
		{{.headers = {GRPC, "grpc-status", "0"}, .trailers = {"grpc-status", "14"}},
		 SENT_AGAIN},
		{{.headers = {GRPC, "grpc-status", "14"}, .trailers = {"grpc-status", "0"}},
		 SENT_AT_ONCE},
		{{.headers = {GRPC}, .open = true}, SENT_AGAIN},
		{{.headers = {":status", "404", "content-type", "text/html"},
		  .body = {html, sizeof(html) - 1}},
		 REFUSED},
		{{.headers = {":status", "500", "content-type", "text/html"},
		  .body = {html, sizeof(html) - 1}},
		 REFUSED},
		{{.headers = {":status", "301", "location", "http://elsewhere/"},
		  .body = {html, sizeof(html) - 1}},
		 REFUSED},
		{{.headers = {":status", "401"}, .body = {html, sizeof(html) - 1}}, REFUSED},
		{{.headers = {":status", "403"}, .body = {html, sizeof(html) - 1}}, REFUSED},
		{{.headers = {":status", "400"}, .body = {html, sizeof(html) - 1}}, REFUSED},
		{{.headers = {":status", "429"}, .body = {html, sizeof(html) - 1}}, SENT_AGAIN},
		{{.headers = {":status", "502"}, .body = {html, sizeof(html) - 1}}, SENT_AGAIN},
		{{.headers = {":status", "503"}, .body = {html, sizeof(html) - 1}}, SENT_AGAIN},
		{{.headers = {":status", "504"}, .body = {html, sizeof(html) - 1}}, SENT_AGAIN},
		{{.headers = {":status", "200", "content-type", "text/html"},
		  .body = {html, sizeof(html) - 1}},
		 REFUSED},
		{{.headers = {GRPC},
		  .body = {(const uint8_t *)"\1\0\0\0\1x", 6},
		  .trailers = {"grpc-status", "0"}},
		 REFUSED},
		{{.headers = {GRPC},
		  .body = {(const uint8_t *)"\2\0\0\0\1x", 6},
		  .trailers = {"grpc-status", "0"}},
		 REFUSED},
		{{.headers = {GRPC},
		  .body = {(const uint8_t *)"\0\xff\xff\xff\xffx", 6},
		  .trailers = {"grpc-status", "0"}},
		 REFUSED},
		{{.headers = {GRPC},
		  .body = {(const uint8_t *)"\0\0\0\0\0\0\0\0\0\0", 10},
		  .trailers = {"grpc-status", "0"}},
		 REFUSED},
		{{.headers = {GRPC},
		  .body = {(const uint8_t *)"\0\0", 2},
		  .trailers = {"grpc-status", "0"}},
		 REFUSED},
		{{.headers = {GRPC},
		  .body = {(const uint8_t *)"\0\0\0\0\3\x0a\xff\xff", 8},
		  .trailers = {"grpc-status", "0"}},
		 REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		answered(table[i].reply, table[i].fate);
	print_message("row C7 passed: %zu answers\n", sizeof(table) / sizeof(table[0]));
}

/* --- C11, C12 ------------------------------------------------------------------ */

struct store {
	struct collector_scene *scene;
	unsigned times[SPANS + 1]; /* each span arrived */
	unsigned dies;		   /* answers that are still to be kept back by a death */
};

/* Spans are told apart by their length. */
static int push_marked(struct collector_scene *scene)
{
	uint8_t bytes[SPANS + 3] = {0x2a};
	struct finished_span span = {.number = scene->number + 1};
	int r;

	bytes[1] = (uint8_t)span.number;
	memset(bytes + 2, 'A' + (int)span.number, span.number);
	span.span = (struct bytes){bytes, 2 + span.number};
	r = export_push(&scene->export, &span);
	scene->number += r == 0;
	return r;
}

static void store_and_die(void *arg, struct bytes body, struct grpc_peer_reply *reply)
{
	struct store *store = arg;

	for (unsigned i = 1; i <= SPANS; i++)
		store->times[i] += memchr(body.at, 'A' + (int)i, body.len) != NULL;
	if (!store->dies)
		return;
	store->dies--;
	reply->silent = true;
	store->scene->cut_at = 0;
}

static void C11_a_death_before_the_answer_makes_duplicates_of_what_was_under_way(void **state)
{
	struct collector_scene *scene = scene_one();
	struct store store = {.scene = scene, .dies = 1};

	(void)state;
	scene->on_request = store_and_die;
	scene->on_request_arg = &store;
	scene->options.batch_spans_max = 2;
	scene->options.streams_max = 1;
	collector_begin(scene);
	for (int i = 0; i < SPANS; i++)
		while (push_marked(scene) < 0)
			run(scene, UINT64_C(1000000000));
	run(scene, HOUR_NS);
	assert_true(idle(scene));
	assert_int_equal(scene->export.counters.sent, SPANS);
	for (unsigned i = 1; i <= SPANS; i++)
		assert_int_equal(store.times[i], i <= 2 ? 2 : 1);
	collector_end(scene);
	print_message("row C11 passed: the two spans under way came twice, the others once\n");
}

static void refuse_third(void *arg, struct bytes body, struct grpc_peer_reply *reply)
{
	if (memchr(body.at, 'A' + 3, body.len))
		*reply = status_reply("3", NULL);
	else
		store_and_die(arg, body, reply);
}

static int keep(void *arg, struct bytes request, const char *status, const char *message)
{
	(void)arg;
	(void)status;
	(void)message;
	assert_non_null(memchr(request.at, 'A' + 3, request.len));
	assert_null(memchr(request.at, 'A' + 2, request.len));
	return 0;
}

static void C12_a_poison_span_is_parked_and_the_others_arrive(void **state)
{
	struct collector_scene *scene = scene_one();
	struct store store = {.scene = scene};

	(void)state;
	scene->options.keep_together = false;
	scene->options.park = keep;
	scene->on_request = refuse_third;
	scene->on_request_arg = &store;
	collector_begin(scene);
	for (int i = 0; i < SPANS; i++)
		assert_int_equal(push_marked(scene), 0);
	export_flush(&scene->export);
	run(scene, HOUR_NS);
	assert_true(idle(scene));
	assert_int_equal(scene->export.counters.parked, 1);
	for (unsigned i = 1; i <= SPANS; i++)
		assert_int_equal(store.times[i], i == 3 ? 0 : 1);
	collector_end(scene);
	print_message("row C12 passed: one of %d parked, each other arrived once\n", SPANS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(C3_a_connection_that_ends_at_any_byte_costs_one_more_request),
		cmocka_unit_test(C4_goaway_and_resets_are_retried_where_nothing_was_taken),
		cmocka_unit_test(C5_every_status_with_and_without_retry_info),
		cmocka_unit_test(C6_partial_success_is_counted_and_never_sent_again),
		cmocka_unit_test(C7_answers_that_are_none_are_mapped_and_bounded),
		cmocka_unit_test(
			C11_a_death_before_the_answer_makes_duplicates_of_what_was_under_way),
		cmocka_unit_test(C12_a_poison_span_is_parked_and_the_others_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
