/* One connection, without sockets: nghttp2's client side talks to it. */
#include "receive/grpc_session.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "otlp/pb.h"
#include "test_env.h"

#define SECOND UINT64_C(1000000000)
#define METHOD "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define STREAMS_MAX 256

/* What the client heard of one stream. */
struct heard {
	char text[2048]; /* "name: value\n", of headers and trailers */
	struct buf body;
	bool ended;
	bool reset;
	uint32_t reset_code;
};

struct upload {
	struct bytes body;
	bool ends; /* the stream ends with it */
};

static struct test_env env;
static struct receive stage;
static struct grpc_session session;
static nghttp2_session *client;
static struct heard heard[STREAMS_MAX];
static struct upload uploads[STREAMS_MAX];
static bool gone_away;
static uint32_t away_code;
static char away_text[64];
static unsigned pongs;
static uint64_t spans, sequence;
static int ready_error, span_error;

/* ---- the stage's surroundings --------------------------------------------- */

static int on_ready(void *arg)
{
	(void)arg;
	return ready_error;
}

static int on_span(void *arg, struct finished_span *span)
{
	(void)arg;
	(void)span;
	if (span_error)
		return span_error;
	spans++;
	sequence++;
	return 0;
}

static uint64_t on_sequence(void *arg)
{
	(void)arg;
	return sequence;
}

/* What the port would do besides. */
static void logged(uint64_t up_to)
{
	receive_logged(&stage, up_to);
}

/* ---- the client -------------------------------------------------------------- */

static int client_header(nghttp2_session *at, const nghttp2_frame *frame, const uint8_t *name,
			 size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
			 void *arg)
{
	struct heard *of = &heard[frame->hd.stream_id];
	size_t len = strlen(of->text);

	(void)at;
	(void)flags;
	(void)arg;
	(void)snprintf(of->text + len, sizeof of->text - len, "%.*s: %.*s\n", (int)name_len,
		       name, (int)value_len, value);
	return 0;
}

static int client_data(nghttp2_session *at, uint8_t flags, int32_t id, const uint8_t *data,
		       size_t len, void *arg)
{
	(void)at;
	(void)flags;
	(void)arg;
	return buf_append(&heard[id].body, data, len);
}

static int client_frame(nghttp2_session *at, const nghttp2_frame *frame, void *arg)
{
	(void)at;
	(void)arg;
	if (frame->hd.type == NGHTTP2_GOAWAY && !gone_away) {
		gone_away = true;
		away_code = frame->goaway.error_code;
		(void)snprintf(away_text, sizeof away_text, "%.*s",
			       (int)frame->goaway.opaque_data_len, frame->goaway.opaque_data);
	}
	if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK))
		pongs++;
	if (frame->hd.type == NGHTTP2_RST_STREAM) {
		heard[frame->hd.stream_id].reset = true;
		heard[frame->hd.stream_id].reset_code = frame->rst_stream.error_code;
	}
	if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		heard[frame->hd.stream_id].ended = true;
	return 0;
}

static ssize_t client_read(nghttp2_session *at, int32_t id, uint8_t *to, size_t len,
			   uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct upload *upload = source->ptr;

	(void)at;
	(void)id;
	(void)arg;
	if (upload->body.len == 0 && !upload->ends)
		return NGHTTP2_ERR_DEFERRED;
	if (len > upload->body.len)
		len = upload->body.len;
	if (len)
		memcpy(to, upload->body.at, len);
	upload->body = (struct bytes){upload->body.at + len, upload->body.len - len};
	if (upload->body.len == 0 && upload->ends)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)len;
}

static uint64_t now(void)
{
	return env.mono_ns;
}

/* Everything both have to say, until neither has more. */
static void talk(void)
{
	bool more = true;

	while (more) {
		const uint8_t *at;
		struct bytes out;
		ssize_t n;

		more = false;
		while ((n = nghttp2_session_mem_send(client, &at)) > 0) {
			more = true;
			(void)grpc_session_recv(&session, (struct bytes){at, (size_t)n}, now());
		}
		assert_int_equal(n, 0);
		assert_int_equal(grpc_session_output(&session, &out), 0);
		if (out.len) {
			more = true;
			assert_true(nghttp2_session_mem_recv(client, out.at, out.len) >= 0);
			grpc_session_sent(&session, out.len);
		}
	}
}

static void client_open(void)
{
	nghttp2_session_callbacks *callbacks;

	assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_frame);
	assert_int_equal(nghttp2_session_client_new(&client, callbacks, NULL), 0);
	nghttp2_session_callbacks_del(callbacks);
	assert_int_equal(nghttp2_submit_settings(client, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

static int setup(void **state)
{
	struct receive_options options = {
		.connections_max = 10,
		.streams_max = 10,
		.header_bytes_max = 8192,
		.request_bytes_max = 1 << 20,
		.ratio_max = 100,
		.memory_bytes_max = 8 << 20,
		.response_bytes_max = 65536,
		.request_timeout_ns = 30 * SECOND,
		.idle_timeout_ns = 300 * SECOND,
		.ping_interval_ns = 10 * SECOND,
		.agent_id = "0123456789abcdef0123456789abcdef",
	};
	const struct receive_ops ops = {on_ready, on_span, on_sequence, NULL, NULL};

	(void)state;
	spans = sequence = 0;
	ready_error = span_error = 0;
	gone_away = false;
	pongs = 0;
	memset(heard, 0, sizeof heard);
	memset(uploads, 0, sizeof uploads);
	assert_int_equal(test_env_init(&env), 0);
	assert_int_equal(stage_init(&stage, &env.env, &options, &ops), 0);
	assert_int_equal(grpc_session_init(&session, &stage, now()), 0);
	client_open();
	talk();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nghttp2_session_del(client);
	grpc_session_fini(&session);
	assert_int_equal(stage.memory.bytes, 0);
	assert_int_equal(stage.counters.waiting, 0);
	stage_fini(&stage);
	test_env_fini(&env);
	for (int i = 0; i < STREAMS_MAX; i++)
		buf_fini(&heard[i].body);
	return 0;
}

#define FIELDS_MAX 16

/* Fields are pairs, up to NULL; those of a right call are given where NULL is. */
static int32_t call(const char *const *fields, struct bytes body, bool ends)
{
	static const char *const right[] = {":method",	  "POST",	  ":scheme",
					    "http",	  ":path",	  METHOD,
					    ":authority", "localhost",	  "te",
					    "trailers",	  "content-type", "application/grpc",
					    NULL};
	nghttp2_nv nv[FIELDS_MAX];
	nghttp2_data_provider provider = {.read_callback = client_read};
	int32_t id = (int32_t)nghttp2_session_get_next_stream_id(client);
	size_t n = 0;

	if (!fields)
		fields = right;
	for (; fields[2 * n]; n++)
		nv[n] = (nghttp2_nv){(uint8_t *)fields[2 * n], (uint8_t *)fields[2 * n + 1],
				     strlen(fields[2 * n]), strlen(fields[2 * n + 1]), 0};
	uploads[id] = (struct upload){body, ends};
	provider.source.ptr = &uploads[id];
	assert_int_equal(nghttp2_submit_request(client, NULL, nv, n, &provider, NULL), id);
	talk();
	return id;
}

/* A framed request with so many spans, of which no two requests have the same. */
static struct buf framed(unsigned count)
{
	static uint32_t newest;
	struct buf message = BUF_INIT, out = BUF_INIT;
	struct pb_nested resource = pb_open(&message, 1, 100), scope = pb_open(&message, 2, 90);

	for (unsigned i = 1; i <= count; i++) {
		struct pb_nested span = pb_open(&message, 2, 60);
		uint8_t id[16] = {1};

		newest++;
		memcpy(id + 4, &newest, 4);
		(void)pb_bytes(&message, 1, (struct bytes){id, 16});
		(void)pb_bytes(&message, 2, (struct bytes){id, 8});
		(void)pb_close(&message, span);
	}
	(void)pb_close(&message, scope);
	(void)pb_close(&message, resource);
	for (int i = 0; i < 5; i++)
		(void)buf_append_byte(&out, i ? (uint8_t)(message.len >> (32 - 8 * i)) : 0);
	(void)buf_append(&out, message.at, message.len);
	buf_fini(&message);
	return out;
}

static void assert_said(int32_t id, const char *line)
{
	char wanted[300];

	(void)snprintf(wanted, sizeof wanted, "%s\n", line);
	if (!strstr(heard[id].text, wanted))
		fail_msg("'%s' is not in:\n%s", line, heard[id].text);
}

static bool said(int32_t id, const char *text)
{
	return strstr(heard[id].text, text) != NULL;
}

/* ---- the tests --------------------------------------------------------------- */

static void a_call_is_answered_when_the_log_has_it_and_not_before(void **state)
{
	struct buf body = framed(3);
	int32_t id = call(NULL, buf_bytes(&body), true);

	(void)state;
	assert_int_equal(spans, 3);
	assert_string_equal(heard[id].text, "");
	logged(2);
	talk();
	assert_string_equal(heard[id].text, "");
	logged(3);
	talk();
	assert_said(id, ":status: 200");
	assert_said(id, "content-type: application/grpc");
	assert_said(id, "grpc-status: 0");
	assert_int_equal(heard[id].body.len, 5);
	assert_memory_equal(heard[id].body.at, "\0\0\0\0\0", 5);
	assert_true(heard[id].ended);
	assert_false(heard[id].reset);
	buf_fini(&body);
}

static void rule_33_the_disk_refuses_and_the_sender_is_told_to_come_again(void **state)
{
	struct buf body = framed(1);
	int32_t id = call(NULL, buf_bytes(&body), true);

	(void)state;
	receive_log_failed(&stage, -ENOSPC);
	talk();
	assert_said(id, "grpc-status: 14");
	assert_true(said(id, "No space left"));
	assert_true(said(id, "grpc-status-details-bin: "));
	assert_int_equal(heard[id].body.len, 0);
	/* And nobody sends in vain: refused at the headers. */
	ready_error = -EIO;
	id = call(NULL, (struct bytes){body.at, 5}, false);
	assert_said(id, "grpc-status: 14");
	assert_true(heard[id].reset);
	assert_int_equal(heard[id].reset_code, NGHTTP2_NO_ERROR);
	assert_int_equal(spans, 1);
	ready_error = 0;
	span_error = -ENOBUFS;
	buf_fini(&body);
	body = framed(1);
	id = call(NULL, buf_bytes(&body), true);
	assert_said(id, "grpc-status: 14");
	assert_int_equal(stage.counters.refused_log, 3);
	assert_int_equal(stage.counters.refused_spans, 1);
	buf_fini(&body);
}

static void what_comes_again_is_answered_and_not_taken_twice(void **state)
{
	struct buf body = framed(2);
	int32_t first = call(NULL, buf_bytes(&body), true), again;

	(void)state;
	/* Its sender did not wait; the log has it no more than before. */
	again = call(NULL, buf_bytes(&body), true);
	assert_int_equal(spans, 2);
	assert_int_equal(stage.counters.repeated_spans, 2);
	assert_string_equal(heard[again].text, "");
	logged(2);
	talk();
	assert_said(first, "grpc-status: 0");
	assert_said(again, "grpc-status: 0");
	buf_fini(&body);
}

static void rule_19_a_message_is_taken_however_its_bytes_come(void **state)
{
	struct buf body = framed(2);
	int32_t id = call(NULL, (struct bytes){NULL, 0}, false);

	(void)state;
	for (size_t i = 0; i < body.len; i++) {
		uploads[id].body = (struct bytes){body.at + i, 1};
		uploads[id].ends = i == body.len - 1;
		assert_int_equal(nghttp2_session_resume_data(client, id), 0);
		talk();
	}
	assert_int_equal(spans, 2);
	logged(2);
	talk();
	assert_said(id, "grpc-status: 0");
	buf_fini(&body);
}

static void rule_19_bad_framing_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bodies[] = {
		{"", 0},		      /* no message */
		{"\0\0\0\0", 4},	      /* half a prefix */
		{"\0\0\0\0\5abc", 8},	      /* half a message */
		{"\0\0\0\0\0\0\0\0\0\0", 10}, /* two */
		{"\1\0\0\0\0", 5},	      /* compressed, by nobody says what */
		{"\2\0\0\0\0", 5},	      /* a flag there is not */
	};

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		int32_t id = call(
			NULL, (struct bytes){(const uint8_t *)bodies[i].bytes, bodies[i].len},
			true);

		assert_said(id, "grpc-status: 13");
		assert_true(said(id, "grpc-message: "));
	}
	assert_int_equal(stage.counters.refused_malformed, sizeof bodies / sizeof bodies[0]);
}

static int32_t call_with(const char *name, const char *value)
{
	const char *fields[] = {
		":method", "POST",	 ":scheme",   "http",	      ":path",
		METHOD,	   ":authority", "localhost", "content-type", "application/grpc",
		name,	   value,	 NULL};

	for (int i = 0; i < 10; i += 2)
		if (strcmp(fields[i], name) == 0) {
			fields[i + 1] = value;
			fields[10] = NULL;
		}
	return call(fields, (struct bytes){NULL, 0}, false);
}

static void what_is_no_call_of_ours_is_told_so(void **state)
{
	static const struct {
		const char *name, *value, *said;
	} cases[] = {
		{":method", "GET", ":status: 405"},
		{":method", "PUT", ":status: 405"},
		{"content-type", "application/json", ":status: 415"},
		{"content-type", "application/grpc-web", ":status: 415"},
		{"content-type", "application/grpc+json", ":status: 415"},
		{":path", "/grpc.health.v1.Health/Check", "grpc-status: 12"},
		{":path", METHOD "x", "grpc-status: 12"},
		{"grpc-encoding", "snappy", "grpc-status: 12"},
		{"grpc-timeout", "soon", "grpc-status: 13"},
		{"spanring-agent", "0123456789abcdef0123456789abcdef", "grpc-status: 9"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int32_t id = call_with(cases[i].name, cases[i].value);

		assert_said(id, cases[i].said);
		assert_true(heard[id].ended);
		/* Answered early: it need not send the rest. */
		assert_true(heard[id].reset);
		assert_int_equal(heard[id].reset_code, NGHTTP2_NO_ERROR);
		if (strcmp(cases[i].name, "grpc-encoding") == 0)
			assert_said(id, "grpc-accept-encoding: identity,gzip");
	}
	assert_int_equal(stage.counters.refused_looped, 1);
}

static void what_is_a_call_of_ours_may_be_called_otherwise(void **state)
{
	static const struct {
		const char *name, *value;
	} cases[] = {
		{"content-type", "application/grpc+proto"},
		{"content-type", "application/grpc;charset=utf-8"},
		{"grpc-encoding", "identity"},
		{"grpc-timeout", "10S"},
		{"spanring-agent", "another"},
		{"x-any", "thing"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int32_t id = call_with(cases[i].name, cases[i].value);

		assert_string_equal(heard[id].text, "");
		uploads[id] = (struct upload){{(const uint8_t *)"\0\0\0\0\0", 5}, .ends = true};
		assert_int_equal(nghttp2_session_resume_data(client, id), 0);
		talk();
		assert_said(id, "grpc-status: 0");
	}
}

static void rule_25_large_headers_are_refused_and_not_kept(void **state)
{
	char value[9000];
	int32_t id;

	(void)state;
	memset(value, 'x', sizeof value);
	value[sizeof value - 1] = '\0';
	id = call_with("x-large", value);
	assert_said(id, "grpc-status: 8");
	assert_int_equal(stage.counters.refused_headers, 1);
}

static void a_claim_of_length_takes_no_memory(void **state)
{
	int32_t id = call(NULL,
			  (struct bytes){(const uint8_t *)"\0\0\x0f\xff\xff"
							  "x",
					 6},
			  false);

	(void)state;
	assert_string_equal(heard[id].text, "");
	assert_true(stage.memory.bytes <= 8192);
	id = call(NULL, (struct bytes){(const uint8_t *)"\0\0\x10\0\1", 5}, false);
	assert_said(id, "grpc-status: 8");
	assert_false(said(id, "grpc-status-details-bin"));
}

static void a_sender_that_leaves_is_forgotten(void **state)
{
	struct buf body = framed(1);
	int32_t id = call(NULL, buf_bytes(&body), true);

	(void)state;
	assert_int_equal(stage.counters.waiting, 1);
	assert_int_equal(
		nghttp2_submit_rst_stream(client, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL), 0);
	talk();
	assert_int_equal(stage.counters.waiting, 0);
	assert_int_equal(stage.counters.cancelled, 1);
	logged(1); /* nobody is there to be told */
	buf_fini(&body);
}

static void rule_18_a_deadline_that_passes_is_told(void **state)
{
	struct buf body = framed(1);
	int32_t id = call_with("grpc-timeout", "2S");

	(void)state;
	uploads[id] = (struct upload){buf_bytes(&body), true};
	assert_int_equal(nghttp2_session_resume_data(client, id), 0);
	talk();
	test_env_advance(&env, SECOND);
	grpc_session_tick(&session, now());
	talk();
	assert_string_equal(heard[id].text, "");
	test_env_advance(&env, SECOND);
	grpc_session_tick(&session, now());
	talk();
	assert_said(id, "grpc-status: 4");
	logged(1);
	buf_fini(&body);
}

static void who_does_not_finish_is_ended_and_who_is_idle_told_to_go(void **state)
{
	int32_t id = call(NULL, (struct bytes){(const uint8_t *)"\0\0", 2}, false);

	(void)state;
	test_env_advance(&env, 30 * SECOND);
	grpc_session_tick(&session, now());
	talk();
	assert_said(id, "grpc-status: 4");
	assert_int_equal(stage.counters.refused_late, 1);
	assert_false(gone_away);
	test_env_advance(&env, 300 * SECOND);
	grpc_session_tick(&session, now());
	talk();
	assert_true(gone_away);
	assert_int_equal(away_code, NGHTTP2_NO_ERROR);
	assert_true(grpc_session_over(&session));
	assert_int_equal(stage.counters.closed_idle, 1);
}

static void ping(void)
{
	assert_int_equal(nghttp2_submit_ping(client, NGHTTP2_FLAG_NONE, NULL), 0);
	talk();
}

static void rule_26_pings_are_answered_and_too_many_are_abuse(void **state)
{
	struct buf body = framed(0);

	(void)state;
	for (int i = 0; i < 5; i++) {
		ping();
		test_env_advance(&env, 10 * SECOND);
	}
	assert_int_equal(pongs, 5);
	/* Between calls they may come as often as calls do. */
	for (int i = 0; i < 5; i++) {
		ping();
		ping();
		(void)call(NULL, buf_bytes(&body), true);
	}
	assert_false(gone_away);
	for (int i = 0; i < 2; i++)
		ping();
	assert_false(gone_away);
	ping();
	assert_true(gone_away);
	assert_int_equal(away_code, NGHTTP2_ENHANCE_YOUR_CALM);
	assert_string_equal(away_text, "too_many_pings");
	assert_int_equal(stage.counters.closed_pings, 1);
	assert_true(grpc_session_over(&session));
	buf_fini(&body);
}

static void streams_that_are_only_reset_are_abuse(void **state)
{
	(void)state;
	for (int i = 0; i < 120 && !gone_away; i++) {
		int32_t id = call(NULL, (struct bytes){NULL, 0}, false);

		(void)nghttp2_submit_rst_stream(client, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
		talk();
	}
	assert_true(gone_away);
	assert_int_equal(away_code, NGHTTP2_ENHANCE_YOUR_CALM);
	assert_int_equal(stage.counters.closed_resets, 1);
}

static void rule_24_a_goodbye_answers_what_is_under_way(void **state)
{
	struct buf body = framed(1);
	int32_t id = call(NULL, buf_bytes(&body), true);

	(void)state;
	grpc_session_leave(&session);
	talk();
	assert_true(gone_away);
	assert_int_equal(away_code, NGHTTP2_NO_ERROR);
	assert_false(grpc_session_over(&session));
	logged(1);
	talk();
	assert_said(id, "grpc-status: 0");
	assert_true(grpc_session_over(&session));
	buf_fini(&body);
}

static void what_is_no_http_2_ends_the_connection(void **state)
{
	(void)state;
	(void)grpc_session_recv(&session, bytes_of("GET / HTTP/1.1\r\n\r\n"), now());
	talk();
	assert_true(gone_away);
	assert_int_not_equal(away_code, NGHTTP2_NO_ERROR);
	assert_true(grpc_session_over(&session));
	assert_int_equal(stage.counters.closed_protocol, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_is_answered_when_the_log_has_it_and_not_before),
		TEST(rule_33_the_disk_refuses_and_the_sender_is_told_to_come_again),
		TEST(what_comes_again_is_answered_and_not_taken_twice),
		TEST(rule_19_a_message_is_taken_however_its_bytes_come),
		TEST(rule_19_bad_framing_is_refused),
		TEST(what_is_no_call_of_ours_is_told_so),
		TEST(what_is_a_call_of_ours_may_be_called_otherwise),
		TEST(rule_25_large_headers_are_refused_and_not_kept),
		TEST(a_claim_of_length_takes_no_memory),
		TEST(a_sender_that_leaves_is_forgotten),
		TEST(rule_18_a_deadline_that_passes_is_told),
		TEST(who_does_not_finish_is_ended_and_who_is_idle_told_to_go),
		TEST(rule_26_pings_are_answered_and_too_many_are_abuse),
		TEST(streams_that_are_only_reset_are_abuse),
		TEST(rule_24_a_goodbye_answers_what_is_under_way),
		TEST(what_is_no_http_2_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
