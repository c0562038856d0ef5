/* Trouble is told once each, to a handler of the program's or, when asked by
 * SPANRING_LOG=stderr, as a line on standard error. */
#include "report.h"

#include "cancel.h"
#include "client.h"
#include "quiet.h"

#include <string.h>
#include <unistd.h>

#define REPORTS_MAX 32u
#define LINE_MAX_BYTES 320u

static _Atomic(spanring_error_handler *) handler;
static _Atomic(void *) handler_user;
static _Atomic uint32_t to_stderr;
static _Atomic(const char *) told[REPORTS_MAX];

void spanring_set_error_handler(spanring_error_handler *new_handler, void *user)
{
	/* The user first: R2's release publishes it with the handler. */
	atomic_store_explicit(&handler_user, user, memory_order_relaxed);
	atomic_store_explicit(&handler, new_handler, memory_order_release); /* R2 */
}

void report_to_stderr(bool on)
{
	/* Relaxed: a wish, not a message. */
	atomic_store_explicit(&to_stderr, on, memory_order_relaxed);
}

/* The sentences are literals: one address is one sentence. */
static bool first_time(const char *message)
{
	for (uint32_t i = 0; i < REPORTS_MAX; i++) {
		const char *expected = NULL;

		/* Relaxed: only addresses are compared. */
		if (atomic_compare_exchange_strong_explicit(&told[i], &expected, message,
							    memory_order_relaxed,
							    memory_order_relaxed))
			return true;
		if (expected == message)
			return false;
	}
	return false;
}

static size_t append(char *line, size_t at, const char *text)
{
	size_t length = strlen(text);

	if (length > LINE_MAX_BYTES - 2 - at)
		length = LINE_MAX_BYTES - 2 - at;
	memcpy(line + at, text, length);
	return at + length;
}

/* Nobody is left to be told when this fails; a pipe that nobody reads any more
 * raises SIGPIPE. */
static void write_line(const char *line, size_t length)
{
	int cancel_state = cancel_hold();
	struct quiet quiet;

	quiet_begin(&quiet, SIGPIPE);
	quiet_end(&quiet, write(STDERR_FILENO, line, length) < 0);
	cancel_release(cancel_state);
}

static void tell(int error, const char *message)
{
	/* R2: acquire. */
	spanring_error_handler *call = atomic_load_explicit(&handler, memory_order_acquire);
	int saved = errno;
	char line[LINE_MAX_BYTES];
	size_t at;

	if (call)
		call(error, message, atomic_load_explicit(&handler_user, memory_order_relaxed));
	if (atomic_load_explicit(&to_stderr, memory_order_relaxed)) {
		at = append(line, 0, "spanring: ");
		at = append(line, at, message);
		line[at++] = '\n';
		write_line(line, at);
	}
	errno = saved;
}

void client_report(int error, const char *message)
{
	if (first_time(message))
		tell(error, message);
}

void client_report_refusal(int error)
{
	switch (error) {
	case ENOBUFS:
		client_report(error, "the ring is full, calls are refused and counted");
		break;
	case EMSGSIZE:
		client_report(error, "a value is larger than a quarter of the ring");
		break;
	case ENOMEM:
		client_report(error, "no memory for the ring, calls are refused and counted");
		break;
	case EINVAL:
		client_report(error, "a call's arguments make no sense");
		break;
	default:
		break;
	}
}

void report_variable(void *owner, const char *variable, const char *problem)
{
	char line[LINE_MAX_BYTES];
	size_t at;

	(void)owner;
	at = append(line, 0, variable);
	at = append(line, at, ": ");
	at = append(line, at, problem);
	line[at] = '\0';
	tell(EINVAL, line);
}
