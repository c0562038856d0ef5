/* The sink as a child process, fed by our exporter and by the agent's clock
 * standing still. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "export/export.h"
#include "sink.h"
#include "sink_print.h"
#include "test_env.h"

struct child {
	pid_t pid;
	FILE *out, *err;
	int port;
	char text[65536]; /* what it printed on stdout */
	char summary[256];
};

static struct child *child_start(char *style, char *count)
{
	struct child *child = calloc(1, sizeof(*child));
	char *argv[] = {(char *)"sink",
			(char *)"--listen",
			(char *)"127.0.0.1:0",
			style,
			(char *)"--count",
			count,
			NULL};
	int out[2], err[2];
	char line[128];

	assert_non_null(child);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	child->pid = fork();
	if (child->pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		exit(sink_main(6, argv));
	}
	close(out[1]);
	close(err[1]);
	child->out = fdopen(out[0], "r");
	child->err = fdopen(err[0], "r");
	assert_non_null(fgets(line, sizeof(line), child->err));
	assert_int_equal(sscanf(line, "sink: listening on 127.0.0.1:%d", &child->port), 1);
	return child;
}

static void child_end(struct child *child)
{
	int status;
	size_t n;

	n = fread(child->text, 1, sizeof(child->text) - 1, child->out);
	child->text[n] = '\0';
	assert_non_null(fgets(child->summary, sizeof(child->summary), child->err));
	fclose(child->out);
	fclose(child->err);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- a client ------------------------------------------------------------- */

#define SPAN                                   \
	"\x0a\x10"                             \
	"0123456789abcdef"                     \
	"\x12\x08"                             \
	"spanspan"                             \
	"\x22\x08"                             \
	"parentid"                             \
	"\x2a\x06"                             \
	"a\x1b[31m"                            \
	"\x39\x00\xca\x9a\x3b\x00\x00\x00\x00" \
	"\x41\x00\x5e\xd0\xb2\x00\x00\x00\x00" \
	"\x7a\x05\x12\x01!\x18\x02"
#define RESOURCE "\x0a\x16\x0a\x0cservice.name\x12\x06\x0a\x04plan"

static void send_spans(int port, unsigned n)
{
	struct export_options options = {.batch_spans_max = 3};
	struct finished_span span = {
		.resource = {(const uint8_t *)RESOURCE, sizeof(RESOURCE) - 1},
		.span = {(const uint8_t *)SPAN, sizeof(SPAN) - 1},
	};
	static struct export export;
	struct test_env env;
	char endpoint[64];

	(void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d", port);
	assert_int_equal(endpoint_parse(&options.endpoint, endpoint, NULL, 0), 0);
	assert_int_equal(test_env_init(&env), 0);
	assert_int_equal(export_init(&export, &env.env, &options, 1), 0);
	while (span.number < n) {
		span.number++;
		if (export_push(&export, &span) < 0)
			span.number--;
		(void)export_tick(&export, env.mono_ns);
		(void)env.env.ops->wait(&env.env, 0);
	}
	export_flush(&export);
	for (int i = 0; i < 500 && !export_idle(&export); i++) {
		(void)export_tick(&export, env.mono_ns);
		(void)env.env.ops->wait(&env.env, 20000000);
	}
	assert_int_equal(export.counters.sent, n);
	export_fini(&export);
	test_env_fini(&env);
}

/* --- tests ---------------------------------------------------------------- */

static void sink_prints_a_line_per_span_and_a_summary(void **state)
{
	struct child *child = child_start((char *)"--listen=127.0.0.1:0", (char *)"7");
	unsigned lines = 0;

	(void)state;
	send_spans(child->port, 7);
	child_end(child);
	for (const char *c = child->text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 7);
	/* The escape byte of the name does not reach the terminal. */
	assert_non_null(strstr(child->text,
			       "00:00:01.000      2.0 s   ERROR  plan: a\\x1b[31m (!)  "
			       "trace 30313233343536373839616263646566 "
			       "span 7370616e7370616e in 706172656e746964"));
	assert_non_null(strstr(child->summary, "sink: 7 spans in 3 requests, "));
	free(child);
}

static void sink_prints_json_that_has_hex_ids(void **state)
{
	struct child *child = child_start((char *)"--json", (char *)"2");

	(void)state;
	send_spans(child->port, 2);
	child_end(child);
	assert_int_equal(strncmp(child->text, "{\"resourceSpans\":[", 18), 0);
	assert_non_null(strstr(child->text, "\"spanId\":\"7370616e7370616e\""));
	assert_ptr_equal(strchr(child->text, '\n'), child->text + strlen(child->text) - 1);
	free(child);
}

static void sink_is_quiet_when_asked(void **state)
{
	struct child *child = child_start((char *)"--quiet", (char *)"1000");

	(void)state;
	send_spans(child->port, 1000);
	child_end(child);
	assert_string_equal(child->text, "");
	assert_non_null(strstr(child->summary, "sink: 1000 spans in 334 requests, "));
	free(child);
}

static void a_broken_request_is_refused(void **state)
{
	const uint8_t broken[] = {0x0a, 0x05, 0x12};
	struct buf out = BUF_INIT;
	uint64_t spans = 99;

	(void)state;
	assert_int_equal(sink_count((struct bytes){broken, 3}, &spans), -EBADMSG);
	assert_int_equal(spans, 99);
	assert_int_equal(sink_print_lines(&out, (struct bytes){broken, 3}), -EBADMSG);
	assert_int_equal(sink_count((struct bytes){NULL, 0}, &spans), 0);
	assert_int_equal(spans, 0);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sink_prints_a_line_per_span_and_a_summary),
		cmocka_unit_test(sink_prints_json_that_has_hex_ids),
		cmocka_unit_test(sink_is_quiet_when_asked),
		cmocka_unit_test(a_broken_request_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
