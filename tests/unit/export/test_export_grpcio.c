/* The export stage against a server that nobody here wrote: gRPC for Python.
 * Real sockets, a clock of our own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "export/export.h"
#include "otlp_server.h"
#include "test_env.h"

#define ROUNDS_MAX 1500 /* of at most 20 ms */

struct scene {
	struct otlp_server server;
	struct test_env env;
	struct export export;
	struct export_options options;
	char log[8192];
	uint64_t number;
};

static void keep_line(void *arg, int priority, const char *line)
{
	struct scene *scene = arg;
	size_t len = strlen(scene->log);

	(void)snprintf(scene->log + len, sizeof(scene->log) - len, "<%d>%s\n", priority, line);
}

static struct scene *scene_new(const char *const args[])
{
	struct scene *scene = calloc(1, sizeof(*scene));
	char endpoint[64];

	assert_non_null(scene);
	assert_int_equal(otlp_server_start(&scene->server, args), 0);
	assert_int_equal(test_env_init(&scene->env), 0);
	(void)snprintf(endpoint, sizeof(endpoint), "http://localhost:%d", scene->server.port);
	assert_int_equal(endpoint_parse(&scene->options.endpoint, endpoint, NULL, 0), 0);
	scene->options.log = keep_line;
	scene->options.log_arg = scene;
	return scene;
}

static void scene_begin(struct scene *scene)
{
	assert_int_equal(export_init(&scene->export, &scene->env.env, &scene->options, 1), 0);
}

static void scene_end(struct scene *scene, struct otlp_server_totals *ret_totals)
{
	const struct export_counters *n = &scene->export.counters;

	assert_int_equal(n->pushed, n->sent + export_waiting(&scene->export) +
					    n->rejected_partial + n->rejected_status +
					    n->dropped_too_large);
	export_fini(&scene->export);
	test_env_fini(&scene->env);
	assert_int_equal(otlp_server_stop(&scene->server, ret_totals), 0);
	free(scene);
}

/* One duty cycle, as the pipeline would do it. */
static void scene_round(struct scene *scene)
{
	(void)export_tick(&scene->export, scene->env.mono_ns);
	(void)scene->env.env.ops->wait(&scene->env.env, 20000000);
}

static void until_idle(struct scene *scene)
{
	for (int i = 0; i < ROUNDS_MAX && !export_idle(&scene->export); i++)
		scene_round(scene);
	if (!export_idle(&scene->export))
		fail_msg("not idle; log:\n%s", scene->log);
}

/* --- spans ---------------------------------------------------------------- */

static uint8_t span_bytes[3 << 20];

/* A Span with ids from `number` and a name of `len` characters. */
static struct bytes make_span(uint64_t number, size_t len)
{
	uint8_t *at = span_bytes;
	size_t n = len;

	*at++ = 0x0a;
	*at++ = 16;
	memset(at, 0x11, 16);
	at += 16;
	*at++ = 0x12;
	*at++ = 8;
	memset(at, 0x22, 8);
	memcpy(at, &number, sizeof(number));
	at += 8;
	*at++ = 0x2a;
	for (; n >= 0x80; n >>= 7)
		*at++ = (uint8_t)(n | 0x80);
	*at++ = (uint8_t)n;
	memset(at, 'n', len);
	return (struct bytes){span_bytes, (size_t)(at + len - span_bytes)};
}

static const uint8_t resources[2][20] = {
	"\x0a\x0e\x0a\x04name\x12\x06\x0a\x04"
	"mod1",
	"\x0a\x0e\x0a\x04name\x12\x06\x0a\x04"
	"mod2",
};

static int push(struct scene *scene, size_t len, int resource)
{
	const struct finished_span span = {
		.number = scene->number + 1,
		.resource = {resources[resource], 16},
		.scope = bytes_of("\x0a\x05scope"),
		.span = make_span(scene->number + 1, len),
	};
	int r = export_push(&scene->export, &span);

	if (r == 0)
		scene->number++;
	return r;
}

static void push_all(struct scene *scene, unsigned n, size_t len)
{
	for (unsigned i = 0; i < n;) {
		if (push(scene, len, 0) == 0)
			i++;
		else
			scene_round(scene);
	}
}

/* --- tests ---------------------------------------------------------------- */

static void rule_01_a_real_server_receives_every_span_once(void **state)
{
	struct otlp_server_totals totals = {0};
	struct scene *scene = scene_new(NULL);

	(void)state;
	scene_begin(scene);
	push_all(scene, 5000, 200);
	export_flush(&scene->export);
	until_idle(scene);
	assert_int_equal(scene->export.counters.sent, 5000);
	assert_int_equal(export_acked(&scene->export), 5000);
	assert_int_equal(scene->export.counters.requests, 10);
	scene_end(scene, &totals);
	assert_int_equal(totals.spans, 5000);
	assert_int_equal(totals.requests, 10);
}

static void spans_larger_than_the_windows_arrive(void **state)
{
	struct otlp_server_totals totals = {0};
	struct scene *scene = scene_new(NULL);

	(void)state;
	scene_begin(scene);
	for (int i = 0; i < 7; i++)
		while (push(scene, 1632070, i & 1) < 0)
			scene_round(scene);
	export_flush(&scene->export);
	until_idle(scene);
	scene_end(scene, &totals);
	assert_int_equal(totals.spans, 7);
	assert_true(totals.bytes > 7 * 1632070);
}

static void spans_of_two_modules_arrive_under_their_resources(void **state)
{
	char path[] = "/tmp/test_export_XXXXXX", text[16384];
	const char *const args[] = {"--out", path, NULL};
	struct scene *scene;
	FILE *file;
	size_t n;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	scene = scene_new(args);
	scene_begin(scene);
	for (int i = 0; i < 6; i++)
		assert_int_equal(push(scene, 3, i & 1), 0);
	export_flush(&scene->export);
	until_idle(scene);
	scene_end(scene, NULL);
	file = fdopen(fd, "r");
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	unlink(path);
	/* Two resources, the first with the spans 1, 3 and 5. */
	assert_non_null(strstr(text, "mod1"));
	assert_null(strstr(strstr(text, "mod1") + 1, "mod1"));
	assert_true(strstr(text, "\"0500000000000000\"") < strstr(text, "mod2"));
	assert_true(strstr(text, "\"0200000000000000\"") > strstr(text, "mod2"));
	assert_int_equal(strchr(text, '\n') - text, n - 1);
}

static void rule_03_unavailable_is_retried_after_its_wait(void **state)
{
	const char *const args[] = {"--answer", "UNAVAILABLE,times=2,message=busy", NULL};
	struct otlp_server_totals totals = {0};
	struct scene *scene = scene_new(args);

	(void)state;
	scene_begin(scene);
	push_all(scene, 3, 10);
	export_flush(&scene->export);
	for (int i = 0; i < ROUNDS_MAX && scene->export.failures < 1; i++)
		scene_round(scene);
	assert_non_null(strstr(scene->log, "UNAVAILABLE: busy"));
	assert_int_equal(scene->export.counters.requests, 1);
	assert_int_equal(export_acked(&scene->export), 0);
	test_env_advance_ms(&scene->env, 700); /* 1 s less 20 % has not passed */
	for (int i = 0; i < 5; i++)
		scene_round(scene);
	assert_int_equal(scene->export.counters.requests, 1);
	for (int i = 0; i < ROUNDS_MAX && !export_idle(&scene->export); i++) {
		uint64_t due = export_next_due(&scene->export, scene->env.mono_ns);

		if (!scene->export.in_flight && due > scene->env.mono_ns)
			scene->env.mono_ns = due;
		scene_round(scene);
	}
	assert_int_equal(scene->export.counters.retries, 2);
	assert_int_equal(export_acked(&scene->export), 3);
	assert_non_null(strstr(scene->log, "is back after 2 failures"));
	scene_end(scene, &totals);
	assert_int_equal(totals.spans, 3);
}

static void rule_05_invalid_argument_is_dropped_and_counted(void **state)
{
	const char *const args[] = {"--answer", "INVALID_ARGUMENT,message=bad 100%", NULL};
	struct scene *scene = scene_new(args);

	(void)state;
	scene->options.keep_together = true;
	scene_begin(scene);
	push_all(scene, 3, 10);
	export_flush(&scene->export);
	until_idle(scene);
	assert_int_equal(scene->export.counters.rejected_status, 3);
	assert_int_equal(scene->export.counters.requests, 1);
	assert_int_equal(export_acked(&scene->export), 3);
	assert_string_equal(scene->export.last_error, "INVALID_ARGUMENT: bad 100%");
	scene_end(scene, NULL);
}

static void rule_06_retry_info_holds_the_whole_destination(void **state)
{
	const char *const args[] = {"--answer", "RESOURCE_EXHAUSTED,retry-ms=30000", NULL};
	struct scene *scene = scene_new(args);

	(void)state;
	scene->options.batch_spans_max = 1;
	scene->options.streams_max = 1;
	scene_begin(scene);
	push_all(scene, 2, 10);
	for (int i = 0; i < ROUNDS_MAX && scene->export.failures < 1; i++)
		scene_round(scene);
	test_env_advance_ms(&scene->env, 29999);
	for (int i = 0; i < 5; i++)
		scene_round(scene);
	assert_int_equal(scene->export.counters.requests, 1);
	test_env_advance_ms(&scene->env, 6002); /* and up to 20 % of jitter */
	until_idle(scene);
	assert_int_equal(scene->export.counters.sent, 2);
	scene_end(scene, NULL);
}

static void rule_08_partial_success_is_counted_and_not_retried(void **state)
{
	const char *const args[] = {"--answer", "partial,rejected=2,message=two are bad",
				    "--answer", "partial,message=take care",
				    "--answer", "partial,rejected=99",
				    NULL};
	struct scene *scene = scene_new(args);

	(void)state;
	scene->options.batch_spans_max = 3;
	scene->options.streams_max = 1;
	scene_begin(scene);
	push_all(scene, 9, 10);
	until_idle(scene);
	assert_int_equal(scene->export.counters.requests, 3);
	assert_int_equal(scene->export.counters.sent, 1 + 3);
	assert_int_equal(scene->export.counters.rejected_partial, 2 + 3);
	assert_int_equal(scene->export.counters.warnings, 1);
	assert_non_null(strstr(scene->log, "two are bad"));
	assert_non_null(strstr(scene->log, "take care"));
	scene_end(scene, NULL);
}

static void rule_16_a_server_that_hangs_costs_the_deadline_and_a_retry(void **state)
{
	const char *const args[] = {"--answer", "hang", NULL};
	struct scene *scene = scene_new(args);

	(void)state;
	scene_begin(scene);
	push_all(scene, 3, 10);
	export_flush(&scene->export);
	for (int i = 0; i < 10; i++)
		scene_round(scene);
	assert_int_equal(scene->export.in_flight, 1);
	test_env_advance_ms(&scene->env, 10000);
	scene_round(scene);
	assert_int_equal(scene->export.in_flight, 0);
	assert_memory_equal(scene->export.last_error,
			    "DEADLINE_EXCEEDED:", sizeof("DEADLINE_EXCEEDED:") - 1);
	test_env_advance_ms(&scene->env, 1300);
	until_idle(scene);
	assert_int_equal(scene->export.counters.sent, 3);
	scene_end(scene, NULL);
}

static void rule_17_the_headers_arrive_as_given(void **state)
{
	static const struct export_header headers[] = {{"authorization", "Bearer t"},
						       {"x-tenant", "a b"}};
	char path[] = "/tmp/test_export_XXXXXX", text[4096];
	const char *const args[] = {"--metadata", path, NULL};
	int fd = mkstemp(path);
	struct scene *scene;
	ssize_t n;

	(void)state;
	assert_true(fd >= 0);
	scene = scene_new(args);
	scene->options.headers = headers;
	scene->options.headers_n = 2;
	scene_begin(scene);
	push_all(scene, 1, 10);
	export_flush(&scene->export);
	until_idle(scene);
	scene_end(scene, NULL);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	close(fd);
	unlink(path);
	assert_non_null(strstr(text, "[\"authorization\", \"Bearer t\"]"));
	assert_non_null(strstr(text, "[\"x-tenant\", \"a b\"]"));
	assert_non_null(strstr(text, "OTel-OTLP-Exporter-C/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_01_a_real_server_receives_every_span_once),
		cmocka_unit_test(spans_larger_than_the_windows_arrive),
		cmocka_unit_test(spans_of_two_modules_arrive_under_their_resources),
		cmocka_unit_test(rule_03_unavailable_is_retried_after_its_wait),
		cmocka_unit_test(rule_05_invalid_argument_is_dropped_and_counted),
		cmocka_unit_test(rule_06_retry_info_holds_the_whole_destination),
		cmocka_unit_test(rule_08_partial_success_is_counted_and_not_retried),
		cmocka_unit_test(rule_16_a_server_that_hangs_costs_the_deadline_and_a_retry),
		cmocka_unit_test(rule_17_the_headers_arrive_as_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
