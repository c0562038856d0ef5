/* What a traced program of the fault tests tells about its own calls, beside the
 * tracing and without it: one line of text per call that was accepted, appended
 * to the file that TOLD names. tests/fault/modules.py reads them.
 *
 *	start TRACE SPAN PID NAME	the span was accepted
 *	end SPAN			and ended
 *	say WORDS			anything else the test wants to know
 *	fail WORDS			what must not happen; the test fails
 *
 * The file is opened for each line: these programs close descriptors that are
 * not theirs. No malloc, no stdio streams: they fork at bad moments. */
#ifndef MODULES_TOLD_H
#define MODULES_TOLD_H

#include <errno.h>
#include <fcntl.h>
#include <spanring.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char told_path[512];

static inline void __attribute__((format(printf, 1, 2))) told(const char *format, ...)
{
	char line[512];
	va_list arguments;
	int fd, length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof line - 1, format, arguments);
	va_end(arguments);
	line[length] = '\n';
	fd = open(told_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, line, (size_t)length + 1) != length + 1)
		_exit(90);
	close(fd);
}

#define told_check(condition)                                                   \
	do {                                                                    \
		if (!(condition))                                               \
			told("fail %s:%d: %s", __FILE__, __LINE__, #condition); \
	} while (0)

static inline int told_start(struct spanring_span *span, const char *name,
			     const struct spanring_start_options *options)
{
	char trace_id[SPANRING_TRACE_ID_SIZE], span_id[SPANRING_SPAN_ID_SIZE];
	int r = spanring_start(span, name, options);

	spanring_trace_id_hex(span, trace_id);
	spanring_span_id_hex(span, span_id);
	if (spanring_is_recording(span))
		told("start %s %s %d %s", trace_id, span_id, (int)getpid(), name);
	return r;
}

static inline int told_end(struct spanring_span *span)
{
	char span_id[SPANRING_SPAN_ID_SIZE];
	bool recording = spanring_is_recording(span);
	int r;

	spanring_span_id_hex(span, span_id);
	r = spanring_end(span);
	if (recording && r == 0)
		told("end %s", span_id);
	return r;
}

/* A whole span, which must be accepted. */
static inline void told_span(const char *name)
{
	struct spanring_span span;

	told_check(told_start(&span, name, NULL) == 0 && spanring_is_recording(&span));
	told_check(spanring_set_int(&span, "pid", getpid()) == 0);
	told_check(told_end(&span) == 0);
}

static inline void told_begin(void)
{
	const char *path = getenv("TOLD");

	if (!path || strlen(path) >= sizeof told_path)
		_exit(91);
	memcpy(told_path, path, strlen(path) + 1);
}

/* Reads TOLD and begins tracing with a ring of that size (0: the default). */
static inline void told_init(uint64_t ring_bytes, uint32_t wait_ms)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;

	told_begin();
	options.service_name = "module";
	options.ring_bytes_max = ring_bytes;
	options.wait_ms = wait_ms;
	told_check(spanring_init(&options) == 0);
}

#endif
