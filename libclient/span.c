/* Everything that happens to a span after its start. */
#include "span.h"

#include "attributes.h"
#include "clock.h"

/* A status message up to this length may use the room kept for ends. */
#define SHORT_MESSAGE_MAX 64u

#define NAME_LENGTH_MAX UINT16_MAX

/* What a public call returns when it was refused within the gate. */
static int refused(struct thread *thread, int error)
{
	writer_count(thread, error);
	thread_write_end(thread);
	return error;
}

static int accepted(struct thread *thread)
{
	writer_commit(thread);
	thread_write_end(thread);
	return 0;
}

/* ---- end ------------------------------------------------------------------- */

/* Straight into the block, whose records lie on multiples of eight: a copy on
 * the stack would be written in halves and read back in one piece. */
static inline void write_end(struct thread *thread, const struct spanring_span *span,
			     uint64_t time_unix_ns)
{
	struct wire_end *end = (struct wire_end *)(thread->block + thread->offset);

	end->head =
		record_make_head(WIRE_END, sizeof *end, time_unix_ns ? WIRE_TIME_WALL : 0, 0);
	memcpy(end->span_id, span->span_id, sizeof end->span_id);
	end->ticks = time_unix_ns ? time_unix_ns : clock_ticks();
	writer_done(thread, sizeof *end);
	writer_commit(thread);
}

_Static_assert(sizeof(struct wire_end) % WIRE_RECORD_ALIGN == 0, "END needs no padding");

int spanring_span_end(struct spanring_span *span, uint64_t time_unix_ns)
{
	struct thread *thread;
	int r = 0;

	if (span->level) {
		thread = thread_mine();
		if (thread)
			(void)current_detach(thread, span); /* another thread's: stays there */
	}
	if (!span->epoch)
		return 0;
	r = client_enter(span->epoch, &thread);
	if (r == -EBUSY)
		return r; /* the span stays open: its owner may yet end it */
	if (r == 0) {
		writer_say_drops(thread);
		r = writer_room(thread, sizeof(struct wire_end), BLOCK_FOR_END);
		if (__builtin_expect(r == 0, 1))
			write_end(thread, span, time_unix_ns);
		else
			writer_end_lost(thread, span->span_id);
		reserve_give(thread);
		thread_write_end(thread);
	}
	span->epoch = 0;
	return r;
}

/* ---- name and status ------------------------------------------------------- */

static int write_text(struct thread *thread, const struct spanring_span *span,
		      enum wire_record_type type, unsigned aux, const char *text, size_t length)
{
	struct wire_text record;
	struct writer writer;
	int r;

	r = writer_begin(&writer, thread, sizeof record + (uint64_t)length);
	if (r < 0)
		return r;
	record.head = record_make_head(type, (uint32_t)(sizeof record + length), 0, aux);
	memcpy(record.span_id, span->span_id, sizeof record.span_id);
	writer_put(&writer, &record, sizeof record);
	if (length)
		writer_put(&writer, text, length);
	writer_end(&writer);
	return 0;
}

int spanring_span_name(struct spanring_span *span, const char *name, size_t length)
{
	struct thread *thread;
	int r;

	if (!span->epoch)
		return 0;
	r = client_enter(span->epoch, &thread);
	if (r < 0)
		return r;
	if (!name || length > NAME_LENGTH_MAX)
		return refused(thread, -EINVAL);
	r = write_text(thread, span, WIRE_NAME, 0, name, length);
	return r < 0 ? refused(thread, r) : accepted(thread);
}

/* Each open span keeps room for one status; the second in a row of the same
 * span has to find its own. */
static int room_for_status(struct thread *thread, const struct spanring_span *span,
			   size_t length)
{
	uint32_t bytes = record_padded((uint32_t)(sizeof(struct wire_text) + length));
	enum block_use use = BLOCK_FOR_END;

	if (memcmp(thread->status_span_id, span->span_id, sizeof span->span_id) == 0)
		use = BLOCK_FOR_VALUE;
	memcpy(thread->status_span_id, span->span_id, sizeof span->span_id);
	return writer_room(thread, bytes, use);
}

static void write_short_status(struct thread *thread, const struct spanring_span *span,
			       enum spanring_status status, const char *message, size_t length)
{
	uint32_t padded = record_padded((uint32_t)(sizeof(struct wire_text) + length));
	struct wire_text *text = (struct wire_text *)writer_place(thread, padded);

	text->head = record_make_head(WIRE_STATUS, (uint32_t)(sizeof *text + length), 0,
				      (unsigned)status);
	memcpy(text->span_id, span->span_id, sizeof text->span_id);
	writer_copy((uint8_t *)(text + 1), message, length);
	writer_done(thread, padded);
}

/* OK is final, and UNSET takes nothing back. */
static void note_error(struct spanring_span *span, enum spanring_status status)
{
	if (status == SPANRING_STATUS_ERROR)
		span->marks |= CLIENT_MARK_ERROR;
	else if (status == SPANRING_STATUS_OK)
		span->marks &= (uint8_t)~CLIENT_MARK_ERROR;
}

int spanring_span_status(struct spanring_span *span, enum spanring_status status,
			 const char *message, size_t length)
{
	struct thread *thread;
	int r;

	if (!span->epoch)
		return 0;
	r = client_enter(span->epoch, &thread);
	if (r < 0)
		return r;
	if ((unsigned)status > SPANRING_STATUS_ERROR || (!message && length))
		return refused(thread, -EINVAL);
	if (length > SHORT_MESSAGE_MAX) {
		r = write_text(thread, span, WIRE_STATUS, (unsigned)status, message, length);
	} else {
		r = room_for_status(thread, span, length);
		if (r == 0)
			write_short_status(thread, span, status, message, length);
	}
	if (r == 0)
		note_error(span, status);
	return r < 0 ? refused(thread, r) : accepted(thread);
}

/* ---- attributes ------------------------------------------------------------ */

static int refused_attribute(struct thread *thread, const struct spanring_span *span, int error)
{
	writer_refuse(thread, span, WRITER_LOST_ATTRIBUTES, 1, error);
	thread_write_end(thread);
	return error;
}

static bool key_is_good(const char *key, size_t length)
{
	return key && length && length <= UINT16_MAX;
}

/* The fixed part, straight into the block; returns where the key goes. */
static inline uint8_t *place_attribute(struct thread *thread, const struct spanring_span *span,
				       enum wire_value_type type, uint32_t padded,
				       size_t key_length, size_t length)
{
	struct wire_attribute *attribute =
		(struct wire_attribute *)writer_place(thread, padded);

	attribute->head = record_make_head(WIRE_ATTRIBUTE,
					   (uint32_t)(sizeof *attribute + key_length + length),
					   type, (unsigned)key_length);
	memcpy(attribute->span_id, span->span_id, sizeof attribute->span_id);
	return (uint8_t *)(attribute + 1);
}

/* A value that may be too large for the block, or for anything. */
static __attribute__((noinline)) int span_string_slow(struct thread *thread,
						      const struct spanring_span *span,
						      const char *key, size_t key_length,
						      const char *value, size_t length)
{
	struct spanring_attribute attribute = {
		.key = key,
		.key_length = key_length,
		.length = length,
		.value.string = value,
		.type = SPANRING_TYPE_STRING,
	};
	int r = span_write_attribute(thread, span, &attribute);

	return r < 0 ? refused_attribute(thread, span, r) : accepted(thread);
}

int spanring_span_string(struct spanring_span *span, const char *key, size_t key_length,
			 const char *value, size_t length)
{
	uint32_t padded;
	struct thread *thread;
	uint8_t *at;
	int r;

	if (!span->epoch)
		return 0;
	r = client_enter(span->epoch, &thread);
	if (__builtin_expect(r < 0, 0))
		return r;
	if (__builtin_expect(!key_is_good(key, key_length) || !value ||
				     length > WRITER_SMALL_MAX ||
				     length > client_limits.value_length,
			     0))
		return span_string_slow(thread, span, key, key_length, value, length);
	padded = record_padded((uint32_t)(sizeof(struct wire_attribute) + key_length + length));
	if (__builtin_expect(thread->offset + padded > thread->limit, 0))
		return span_string_slow(thread, span, key, key_length, value, length);
	at = place_attribute(thread, span, WIRE_STRING, padded, key_length, length);
	writer_copy(at, key, key_length);
	writer_copy(at + key_length, value, length);
	writer_done(thread, padded);
	return accepted(thread);
}

static __attribute__((noinline)) int span_int_slow(struct thread *thread,
						   const struct spanring_span *span,
						   const char *key, size_t key_length,
						   int64_t value)
{
	struct spanring_attribute attribute = {
		.key = key,
		.key_length = key_length,
		.value.integer = value,
		.type = SPANRING_TYPE_INT,
	};
	int r = span_write_attribute(thread, span, &attribute);

	return r < 0 ? refused_attribute(thread, span, r) : accepted(thread);
}

int spanring_span_int(struct spanring_span *span, const char *key, size_t key_length,
		      int64_t value)
{
	uint32_t padded;
	struct thread *thread;
	uint8_t *at;
	int r;

	if (!span->epoch)
		return 0;
	r = client_enter(span->epoch, &thread);
	if (__builtin_expect(r < 0, 0))
		return r;
	padded = record_padded(
		(uint32_t)(sizeof(struct wire_attribute) + key_length + sizeof value));
	if (__builtin_expect(!key_is_good(key, key_length) ||
				     thread->offset + padded > thread->limit,
			     0))
		return span_int_slow(thread, span, key, key_length, value);
	at = place_attribute(thread, span, WIRE_INT, padded, key_length, sizeof value);
	writer_copy(at, key, key_length);
	memcpy(at + key_length, &value, sizeof value);
	writer_done(thread, padded);
	return accepted(thread);
}

int spanring_span_attributes(struct spanring_span *span,
			     const struct spanring_attribute *attributes, size_t count)
{
	struct thread *thread;
	int r;

	if (!span->epoch || !count)
		return 0;
	r = client_enter(span->epoch, &thread);
	if (r < 0)
		return r;
	if (!attributes)
		return refused(thread, -EINVAL);
	if (count > 1) {
		uint64_t bytes = span_attributes_bytes(attributes, count);

		/* Together in one block if small; a refusal shows below, where
		 * it is counted. */
		if (bytes <= WRITER_SMALL_MAX)
			(void)writer_room(thread, (uint32_t)bytes, BLOCK_FOR_VALUE);
	}
	r = span_write_attributes(thread, span, attributes, count);
	if (thread->block)
		writer_commit(thread);
	thread_write_end(thread);
	return r;
}

/* ---- events and links ------------------------------------------------------ */

static int write_event(struct thread *thread, const struct spanring_span *span,
		       const char *name, size_t name_length, uint64_t time_unix_ns,
		       const struct spanring_attribute *attributes, size_t count)
{
	size_t kept = span_kept(count, client_limits.event_attributes);
	struct wire_event record = {.name_length = (uint32_t)name_length};
	struct writer writer;
	uint64_t length;
	int error, r;

	if (!name || name_length > NAME_LENGTH_MAX || (count && !attributes))
		return -EINVAL;
	length = sizeof record + name_length +
		 attributes_entries_bytes(attributes, kept, client_limits.value_length,
					  &record.dropped_attributes, &error);
	r = writer_begin(&writer, thread, length);
	if (r < 0)
		return r;
	record.head = record_make_head(WIRE_EVENT, (uint32_t)length,
				       time_unix_ns ? WIRE_TIME_WALL : 0, 0);
	memcpy(record.span_id, span->span_id, sizeof record.span_id);
	record.ticks = time_unix_ns ? time_unix_ns : clock_ticks();
	record.dropped_attributes += (uint32_t)(count - kept);
	writer_put(&writer, &record, sizeof record);
	writer_put(&writer, name, name_length);
	attributes_write_entries(&writer, attributes, kept, client_limits.value_length);
	writer_end(&writer);
	if (error)
		writer_count(thread, error);
	return error;
}

/* An event of which only attributes were refused is there all the same. */
int spanring_span_event(struct spanring_span *span, const char *name, size_t name_length,
			uint64_t time_unix_ns, const struct spanring_attribute *attributes,
			size_t count)
{
	struct thread *thread;
	uint64_t before;
	int r;

	if (!span->epoch)
		return 0;
	r = client_enter(span->epoch, &thread);
	if (r < 0)
		return r;
	before = thread->records;
	r = write_event(thread, span, name, name_length, time_unix_ns, attributes, count);
	if (thread->records == before)
		writer_refuse(thread, span, WRITER_LOST_EVENTS, 1, r);
	else
		writer_commit(thread);
	thread_write_end(thread);
	return r;
}

int spanring_span_exception(struct spanring_span *span, const char *type, const char *message,
			    const char *stacktrace)
{
	struct spanring_attribute attributes[3];
	size_t count = 0;
	int first, r;

	if (!span->epoch)
		return 0;
	if (type)
		attributes[count++] = spanring_string("exception.type", type);
	if (message)
		attributes[count++] = spanring_string("exception.message", message);
	if (stacktrace)
		attributes[count++] = spanring_string("exception.stacktrace", stacktrace);
	first = spanring_add_event(span, "exception", attributes, count);
	if (type) {
		r = spanring_set_string(span, "error.type", type);
		first = first < 0 ? first : r;
	}
	r = spanring_set_status(span, SPANRING_STATUS_ERROR, message);
	return first < 0 ? first : r;
}

int spanring_span_link(struct spanring_span *span, const struct spanring_link *link)
{
	struct thread *thread;
	int r;

	if (!span->epoch)
		return 0;
	r = client_enter(span->epoch, &thread);
	if (r < 0)
		return r;
	if (!link)
		return refused(thread, -EINVAL);
	r = span_write_links(thread, span, link, 1);
	if (thread->block)
		writer_commit(thread);
	thread_write_end(thread);
	return r;
}
