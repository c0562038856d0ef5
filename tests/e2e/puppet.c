/* A traced process that does what it is told: one command per line of standard
 * input, words separated by tabs, one answer per command, "ok ..." or "error N".
 * The end of the input ends it with status 0.
 *
 *	root NAME		a root span of a new trace; answers its traceparent
 *	run NAME		the same as a run's root
 *	child NAME		a child of the newest open span; its traceparent
 *	join TRACEPARENT NAME	a span below a remote parent; its traceparent
 *	set KEY VALUE		a string attribute of the newest open span
 *	large KEY LENGTH	a long one
 *	event NAME		an event of it
 *	baggage KEY VALUE	into the thread's baggage
 *	headers			of the newest open span: lines, "|" behind each, "~" for blanks
 *	accept NAME HEADERS	a span below what such headers say; its traceparent
 *	end			ends the newest open span
 *	endrun			the same, as the run's end
 *	flush			waits until the agent has logged everything
 *	state			answers on (0, 1), reason, error, agent (0, 1), path
 *	chdir PATH		goes elsewhere
 *	exit CODE | abort	leaves at once */
#include <errno.h>
#include <spanring.h>
#include <spanring/propagation.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPEN_MAX_SPANS 32
#define FLUSH_MS 10000

struct puppet {
	struct spanring_span open[OPEN_MAX_SPANS];
	int depth;
};

static struct spanring_baggage baggage;

static int answer(int result)
{
	if (result < 0)
		printf("error %d\n", -result);
	else
		printf("ok\n");
	return result;
}

static int answer_span(struct puppet *puppet, int result)
{
	char traceparent[SPANRING_TRACEPARENT_SIZE];
	struct spanring_context context;

	if (result == 0)
		result = spanring_span_context(&puppet->open[puppet->depth], &context);
	if (result == 0)
		result = spanring_context_format(&context, traceparent);
	if (result < 0)
		return answer(result);
	puppet->depth++;
	printf("ok %s\n", traceparent);
	return 0;
}

static int add_baggage(const char *key, const char *value)
{
	(void)spanring_baggage_attach(&baggage);
	return spanring_baggage_set(&baggage, key, value, NULL);
}

static void replace(char *text, const char *from, const char *to)
{
	for (char *at = text; (at = strpbrk(at, from)); at++)
		*at = to[strchr(from, *at) - from];
}

static int print_headers(const struct spanring_span *span)
{
	char text[SPANRING_HEADERS_SIZE];
	int r = spanring_inject_headers(span, text, sizeof text);

	if (r < 0)
		return answer(r);
	replace(text, "\r\n ", "~|~");
	printf("ok %s\n", text);
	return 0;
}

static int accept_headers(struct puppet *puppet, const char *name, const char *lines)
{
	struct spanring_start_options start = SPANRING_START_OPTIONS_INIT;
	struct spanring_context context;
	char headers[4096], value[64];
	int r;

	snprintf(headers, sizeof headers, "%s", lines);
	replace(headers, "|", "\n");
	r = spanring_extract_headers(headers, strlen(headers), &context, &baggage);
	if (r < 0)
		return answer(r);
	start.remote_parent = &context;
	r = spanring_start(&puppet->open[puppet->depth], name, &start);
	if (r == 0 && spanring_baggage_get(&baggage, "user", value, sizeof value) >= 0)
		r = spanring_set_string(&puppet->open[puppet->depth], "user", value);
	return answer_span(puppet, r);
}

static int begin(struct puppet *puppet, const char *how, const char *first, const char *second)
{
	struct spanring_start_options start = SPANRING_START_OPTIONS_INIT;
	struct spanring_span *span = &puppet->open[puppet->depth];
	struct spanring_context remote;
	int r;

	if (puppet->depth == OPEN_MAX_SPANS)
		return answer(-ENOSPC);
	if (strcmp(how, "run") == 0)
		return answer_span(puppet, spanring_run_begin(span, first, NULL));
	if (strcmp(how, "join") == 0) {
		r = spanring_context_parse(first, NULL, &remote);
		if (r < 0)
			return answer(r);
		start.remote_parent = &remote;
		first = second;
	} else if (strcmp(how, "root") == 0) {
		start.root = true;
	} else if (puppet->depth > 0) {
		start.parent = span - 1;
	}
	return answer_span(puppet, spanring_start(span, first, &start));
}

static int set_large(struct spanring_span *span, const char *key, size_t length)
{
	char *value = malloc(length);
	int r;

	if (!value)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++)
		value[i] = (char)('a' + i % 26);
	r = spanring_set_string_n(span, key, value, length);
	free(value);
	return r;
}

static int finish(struct puppet *puppet, const char *how)
{
	struct spanring_span *span = &puppet->open[--puppet->depth];

	return answer(strcmp(how, "endrun") == 0 ? spanring_run_end(span) : spanring_end(span));
}

static int tell_state(void)
{
	struct spanring_report state = SPANRING_REPORT_INIT;

	(void)spanring_state(&state);
	printf("ok %u %d %d %u %s\n", state.on, (int)state.reason, state.error, state.agent,
	       state.path);
	return 0;
}

static int obey(struct puppet *puppet, char *line)
{
	const char *verb = strtok(line, "\t") ?: "", *first = strtok(NULL, "\t") ?: "";
	const char *second = strtok(NULL, "\t") ?: "";
	struct spanring_span *top = puppet->open + (puppet->depth ? puppet->depth - 1 : 0);

	if (strcmp(verb, "flush") == 0)
		return answer(spanring_flush(FLUSH_MS));
	if (strcmp(verb, "state") == 0)
		return tell_state();
	if (strcmp(verb, "chdir") == 0)
		return answer(chdir(first));
	if (strcmp(verb, "exit") == 0)
		_exit(atoi(first));
	if (strcmp(verb, "abort") == 0)
		abort();
	if (strcmp(verb, "set") == 0)
		return answer(spanring_set_string(top, first, second));
	if (strcmp(verb, "large") == 0)
		return answer(set_large(top, first, strtoul(second, NULL, 10)));
	if (strcmp(verb, "baggage") == 0)
		return answer(add_baggage(first, second));
	if (strcmp(verb, "headers") == 0)
		return print_headers(top);
	if (strcmp(verb, "accept") == 0)
		return accept_headers(puppet, first, second);
	if (strcmp(verb, "event") == 0)
		return answer(spanring_add_event(top, first, NULL, 0));
	if (strncmp(verb, "end", 3) == 0)
		return puppet->depth ? finish(puppet, verb) : answer(-ENOENT);
	return begin(puppet, verb, first, second);
}

int main(void)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	static struct puppet puppet;
	char line[4096];

	options.service_name = "puppet";
	(void)spanring_init(&options);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		(void)obey(&puppet, line);
	}
	return 0;
}
