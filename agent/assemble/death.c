/* What is written into a span that its process did not end. Everything is an
 * ordinary record behind the span's own; nothing replaces what the module set:
 * a status stays, and so does an attribute of the same name. */
#include <errno.h>
#include <stdio.h>

#include "assemble/stage.h"
#include "otlp/encode.h"
#include "wire/record.h"

/* How a span is ended. */
struct ending {
	const char *reason;
	int code;   /* exit status, where `has_code` */
	int signal; /* number, or 0 */
	bool has_code;
	bool unclean; /* ERROR, and the event process.died */
	bool silent;  /* ERROR alone */
	bool bounds;  /* when the process died is known as an interval */
	bool unset_to_ok;
	uint64_t end_wall_ns;
	uint64_t after_wall_ns, before_wall_ns;
	char message[96];
};

static void ending_exit(struct ending *ending, bool code_known, int code)
{
	ending->reason = "process_exit";
	ending->has_code = code_known;
	ending->code = code;
	ending->unclean = code_known && code != 0;
	if (ending->unclean)
		(void)snprintf(ending->message, sizeof ending->message,
			       "process exited with status %d", code);
}

static void ending_signal(struct ending *ending, const struct death *death)
{
	const char *name = sigabbrev_np(death->signal);

	ending->reason = "killed";
	ending->signal = death->signal;
	ending->unclean = true;
	(void)snprintf(ending->message, sizeof ending->message,
		       "process killed by signal %d%s%s%s", death->signal, name ? " (SIG" : "",
		       name ? name : "", name ? ")" : "");
}

/* What the kernel knows wins over what the process said on its way out. */
static void ending_of_death(struct ending *ending, const struct source *source)
{
	const struct death *death = &source->death;
	const struct source_end *exit = &source->exit;

	switch (death->cause) {
	case DEATH_SIGNAL:
		ending_signal(ending, death);
		return;
	case DEATH_REPLACED:
		ending->reason = "replaced";
		return;
	case DEATH_SHUTDOWN:
		ending->reason = "shutdown";
		return;
	case DEATH_EXIT:
		if (death->code_known)
			ending_exit(ending, true, death->code);
		else
			ending_exit(ending, exit->said && exit->code_known, exit->code);
		return;
	case DEATH_UNKNOWN:
		break;
	}
	if (exit->said) {
		ending_exit(ending, exit->code_known, exit->code);
		return;
	}
	ending->reason = "unknown";
	ending->unclean = true;
	(void)snprintf(ending->message, sizeof ending->message,
		       "process ended, nobody saw how");
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The bounds of a death, and with them the end of its spans: nothing of the
 * process is known after its last record. A ring may claim records from the
 * future; nothing was written after the death was seen. */
static void ending_bounds(struct ending *ending, const struct assemble *a,
			  const struct open_span *span)
{
	const struct source *source = span->source;
	uint64_t last = source_last_mono_ns(source, &a->clock);
	uint64_t seen = source->death.seen_mono_ns;

	ending->bounds = true;
	if (!source->clock.other_boot && seen && last > seen)
		last = seen;
	ending->after_wall_ns =
		clock_wall_of_mono(&a->clock, &source->clock, last, span->run->offset_ns);
	ending->end_wall_ns = later(ending->after_wall_ns, span->last_wall_ns);
	/* A ring of another boot died with that boot; the clock that saw it is
	 * of this one. */
	if (source->clock.other_boot)
		ending->before_wall_ns = seen + clock_suspended_ns(&a->clock, seen) +
					 (uint64_t)a->clock.wall_minus_boot_ns;
	else
		ending->before_wall_ns = clock_wall_of_mono(&a->clock, &source->clock, seen,
							    span->run->offset_ns);
}

static uint64_t closing_wall_ns(const struct assemble *a, const struct open_span *span)
{
	if (span->close_wall)
		return span->close_ticks;
	return clock_wall_ns(&a->clock, &span->source->clock, span->close_ticks,
			     span->run->offset_ns);
}

/* Of its own records. */
static uint64_t last_wall_ns(const struct assemble *a, const struct open_span *span)
{
	return later(clock_wall_ns(&a->clock, &span->source->clock, span->last_ticks,
				   span->run->offset_ns),
		     span->last_wall_ns);
}

static struct ending ending_of(const struct assemble *a, const struct open_span *span)
{
	const struct source *source = span->source;
	struct ending ending = {0};

	switch ((enum span_close)span->close) {
	case SPAN_CLOSE_DEATH:
		ending_of_death(&ending, source);
		ending_bounds(&ending, a, span);
		/* It ended its tracing, and lives. */
		if (source->death.cause == DEATH_SHUTDOWN)
			ending.bounds = false;
		break;
	case SPAN_CLOSE_SIGTERM:
		ending.reason = "sigterm";
		ending.unset_to_ok = true;
		ending.end_wall_ns = closing_wall_ns(a, span);
		break;
	case SPAN_CLOSE_SHUTDOWN:
		ending.reason = "shutdown";
		ending.end_wall_ns = closing_wall_ns(a, span);
		break;
	case SPAN_CLOSE_END_LOST:
		ending.reason = "end_lost";
		ending.end_wall_ns = last_wall_ns(a, span);
		break;
	case SPAN_CLOSE_STALE:
		ending.reason = "stale";
		ending.silent = true;
		ending.end_wall_ns = last_wall_ns(a, span);
		(void)snprintf(ending.message, sizeof ending.message,
			       "the process lives, and said nothing of this span for %llu s",
			       (unsigned long long)(a->options.stale_ttl_ns / 1000000000));
		break;
	}
	return ending;
}

/* ---- records ---- */

static bool chunk_has_key(struct bytes chunk, const char *key, size_t key_length)
{
	const uint8_t *at = chunk.at, *end = chunk.at + chunk.len;

	while (at < end) {
		struct wire_head head = record_head(at);

		if (head.type == WIRE_ATTRIBUTE && head.aux == key_length &&
		    memcmp(at + sizeof(struct wire_attribute), key, key_length) == 0)
			return true;
		at += record_padded(head.length);
	}
	return false;
}

static bool module_set(const struct open_span *span, const struct bytes *chunks, uint32_t n,
		       const char *key)
{
	if (!(span->flags & SPAN_OWN_KEYS))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (chunk_has_key(chunks[i], key, strlen(key)))
			return true;
	return false;
}

/* Appending to `out` is asked for once, by death_write() or its caller. */
static void pad(struct buf *out)
{
	static const uint8_t zero[WIRE_RECORD_ALIGN];

	(void)buf_append(out, zero,
			 (WIRE_RECORD_ALIGN - out->len % WIRE_RECORD_ALIGN) %
				 WIRE_RECORD_ALIGN);
}

static void put_attribute(const struct open_span *span, const struct bytes *chunks, uint32_t n,
			  struct buf *out, const char *key, enum wire_value_type type,
			  const void *value, size_t length)
{
	uint8_t fixed[sizeof(struct wire_attribute)];

	if (module_set(span, chunks, n, key))
		return;
	record_put_attribute(fixed, span->span_id, type, (uint32_t)strlen(key),
			     (uint32_t)length);
	(void)buf_append(out, fixed, sizeof fixed);
	(void)buf_append_text(out, key);
	(void)buf_append(out, value, length);
	pad(out);
}

void death_attribute_int(const struct open_span *span, const struct bytes *chunks, uint32_t n,
			 struct buf *out, const char *key, int64_t value)
{
	put_attribute(span, chunks, n, out, key, WIRE_INT, &value, sizeof value);
}

static void put_attributes(const struct ending *ending, const struct open_span *span,
			   const struct bytes *chunks, uint32_t n, struct buf *out)
{
	put_attribute(span, chunks, n, out, "spanring.end.reason", WIRE_STRING, ending->reason,
		      strlen(ending->reason));
	if (ending->signal)
		death_attribute_int(span, chunks, n, out, "spanring.end.signal",
				    ending->signal);
	if (ending->has_code)
		death_attribute_int(span, chunks, n, out, "spanring.end.exit_code",
				    ending->code);
	if (!ending->bounds)
		return;
	death_attribute_int(span, chunks, n, out, "spanring.died_after_unix_nano",
			    (int64_t)ending->after_wall_ns);
	death_attribute_int(span, chunks, n, out, "spanring.died_before_unix_nano",
			    (int64_t)ending->before_wall_ns);
}

static void put_entry(struct buf *out, const char *key, enum wire_value_type type,
		      const void *value, size_t length)
{
	uint8_t fixed[sizeof(struct wire_entry)];

	record_put_entry(fixed, type, (uint32_t)strlen(key), (uint32_t)length);
	(void)buf_append(out, fixed, sizeof fixed);
	(void)buf_append_text(out, key);
	(void)buf_append(out, value, length);
}

static void put_event(const struct ending *ending, const struct open_span *span,
		      struct buf *out)
{
	static const char name[] = "process.died";
	struct wire_event event = {.ticks = ending->end_wall_ns,
				   .name_length = sizeof name - 1};
	int64_t number = ending->signal ? ending->signal : ending->code;
	size_t from = out->len;

	memcpy(event.span_id, span->span_id, 8);
	(void)buf_append(out, &event, sizeof event);
	(void)buf_append(out, name, sizeof name - 1);
	put_entry(out, "spanring.end.reason", WIRE_STRING, ending->reason,
		  strlen(ending->reason));
	if (ending->signal || ending->has_code)
		put_entry(out,
			  ending->signal ? "spanring.end.signal" : "spanring.end.exit_code",
			  WIRE_INT, &number, sizeof number);
	if (buf_failed(out))
		return;
	event.head =
		record_make_head(WIRE_EVENT, (uint32_t)(out->len - from), WIRE_TIME_WALL, 0);
	memcpy(out->at + from, &event.head, sizeof event.head);
	pad(out);
}

static void put_status(const struct open_span *span, struct buf *out, enum otlp_status code,
		       const char *message)
{
	struct wire_text status = {
		.head = record_make_head(WIRE_STATUS,
					 (uint32_t)(sizeof status + strlen(message)), 0, code),
	};

	memcpy(status.span_id, span->span_id, 8);
	(void)buf_append(out, &status, sizeof status);
	(void)buf_append_text(out, message);
	pad(out);
}

int death_write(const struct assemble *a, const struct open_span *span,
		const struct bytes *chunks, uint32_t n, struct buf *out)
{
	struct ending ending = ending_of(a, span);
	bool unset = otlp_span_status(chunks, n) == OTLP_STATUS_UNSET;
	uint8_t end[sizeof(struct wire_end)];

	put_attributes(&ending, span, chunks, n, out);
	if (ending.unclean)
		put_event(&ending, span, out);
	if (unset && (ending.unclean || ending.silent))
		put_status(span, out, OTLP_STATUS_ERROR, ending.message);
	else if (unset && ending.unset_to_ok)
		put_status(span, out, OTLP_STATUS_OK, "");
	record_put_end(end, span->span_id, ending.end_wall_ns, WIRE_TIME_WALL);
	return buf_append(out, end, sizeof end);
}

static struct process_end end_of_exit(bool code_known, int code)
{
	return (struct process_end){code_known ? PROCESS_EXITED : PROCESS_EXITED_SOMEHOW,
				    code_known ? code : 0};
}

struct process_end death_end(const struct source *source)
{
	const struct death *death = &source->death;
	const struct source_end *exit = &source->exit;

	switch (death->cause) {
	case DEATH_SIGNAL:
		return (struct process_end){PROCESS_KILLED, death->signal};
	case DEATH_REPLACED:
		return (struct process_end){PROCESS_REPLACED, 0};
	case DEATH_SHUTDOWN:
		return (struct process_end){PROCESS_SHUTDOWN, 0};
	case DEATH_EXIT:
		if (death->code_known)
			return end_of_exit(true, death->code);
		return end_of_exit(exit->said && exit->code_known, exit->code);
	case DEATH_UNKNOWN:
		break;
	}
	if (exit->said)
		return end_of_exit(exit->code_known, exit->code);
	return (struct process_end){PROCESS_UNKNOWN, 0};
}

void death_describe(const struct source *source, char *line, size_t size)
{
	struct ending ending = {0};

	ending_of_death(&ending, source);
	(void)snprintf(line, size, "%s", ending.message[0] ? ending.message : ending.reason);
}
