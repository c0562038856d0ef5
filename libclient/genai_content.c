/* Values that are put together while they are written: messages, of which there may be any
 * number and size, and the text of an answer that is cut. Neither is copied before. */
#include "genai.h"

#include "spanring/semconv.h"

#include "span.h"

#define CUT_MARK "...[truncated]"

/* A value whose bytes are known before they are written. */
struct value {
	enum wire_value_type type;
	uint64_t bytes;
	void (*write)(struct writer *writer, const void *owner);
	const void *owner;
};

static int write_value(struct thread *thread, const struct spanring_span *span, const char *key,
		       const struct value *value)
{
	uint8_t fixed[sizeof(struct wire_attribute)];
	size_t key_length = strlen(key);
	struct writer writer;
	int r;

	if (value->bytes > UINT32_MAX)
		return -EMSGSIZE;
	r = writer_begin(&writer, thread, sizeof fixed + key_length + value->bytes);
	if (r < 0)
		return r;
	record_put_attribute(fixed, span->span_id, value->type, (uint32_t)key_length,
			     (uint32_t)value->bytes);
	writer_put(&writer, fixed, sizeof fixed);
	writer_put(&writer, key, key_length);
	value->write(&writer, value->owner);
	writer_end(&writer);
	writer_commit(thread);
	return 0;
}

static int set_value(struct spanring_span *span, const char *key, const struct value *value)
{
	struct thread *thread;
	int r;

	if (!span->epoch)
		return 0;
	r = client_enter(span->epoch, &thread);
	if (r < 0)
		return r;
	r = write_value(thread, span, key, value);
	if (r < 0)
		writer_refuse(thread, span, WRITER_LOST_ATTRIBUTES, 1, r);
	thread_write_end(thread);
	return r;
}

/* ---- messages -------------------------------------------------------------------- */

struct messages {
	const struct spanring_message *at;
	size_t count;
	const char *role;	    /* where a message has none */
	const char *const *reasons; /* why each ended */
	size_t reason_count;
	bool hide_text;
};

/* What a message says, as far as it may be written. */
struct said {
	const char *role;
	const char *text;
	const char *reason;				  /* NULL: none */
	uint64_t role_length, text_length, reason_length; /* may be above what fits */
};

static struct said said(const struct messages *messages, size_t i)
{
	const struct spanring_message *message = &messages->at[i];
	struct said said = {.role = message->role ? message->role : messages->role,
			    .text = message->text ? message->text : ""};
	uint32_t longest = client_limits.value_length;

	said.text_length = content_length(said.text, message->text_length);
	if (messages->hide_text) {
		said.text = SPANRING_REDACTED;
		said.text_length = sizeof SPANRING_REDACTED - 1;
	}
	if (i < messages->reason_count)
		said.reason = messages->reasons[i];
	if (said.reason)
		said.reason_length = span_limits_cut(said.reason, strlen(said.reason), longest);
	said.role_length = span_limits_cut(said.role, strlen(said.role), longest);
	said.text_length = span_limits_cut(said.text, said.text_length, longest);
	return said;
}

/* {role: ..., parts: [{type: "text", content: ...}], finish_reason: ...}, from the inside out.
 */
#define ENTRY sizeof(struct wire_entry)
#define TYPE_BYTES (ENTRY + sizeof "type" - 1 + sizeof "text" - 1)

static uint64_t part_bytes(const struct said *said)
{
	return TYPE_BYTES + ENTRY + sizeof "content" - 1 + said->text_length;
}

static uint64_t message_bytes(const struct said *said)
{
	uint64_t bytes = ENTRY + sizeof "role" - 1 + said->role_length + ENTRY +
			 sizeof "parts" - 1 + ENTRY + part_bytes(said);

	if (said->reason)
		bytes += ENTRY + sizeof "finish_reason" - 1 + said->reason_length;
	return bytes;
}

static void put_entry(struct writer *writer, enum wire_value_type type, const char *key,
		      uint64_t bytes)
{
	size_t key_length = strlen(key);
	uint8_t head[ENTRY];

	record_put_entry(head, type, (uint32_t)key_length, (uint32_t)bytes);
	writer_put(writer, head, sizeof head);
	if (key_length)
		writer_put(writer, key, key_length);
}

static void put_text(struct writer *writer, const char *key, const char *text, uint64_t length)
{
	put_entry(writer, WIRE_STRING, key, length);
	if (length)
		writer_put(writer, text, length);
}

static void write_messages(struct writer *writer, const void *owner)
{
	const struct messages *messages = owner;

	for (size_t i = 0; i < messages->count; i++) {
		struct said what = said(messages, i);

		put_entry(writer, WIRE_MAP, "", message_bytes(&what));
		put_text(writer, "role", what.role, what.role_length);
		put_entry(writer, WIRE_ARRAY, "parts", ENTRY + part_bytes(&what));
		put_entry(writer, WIRE_MAP, "", part_bytes(&what));
		put_text(writer, "type", "text", sizeof "text" - 1);
		put_text(writer, "content", what.text, what.text_length);
		if (what.reason)
			put_text(writer, "finish_reason", what.reason, what.reason_length);
	}
}

static int set_messages(struct spanring_span *span, const char *key,
			const struct messages *messages)
{
	struct value value = {.type = WIRE_ARRAY, .write = write_messages, .owner = messages};

	for (size_t i = 0; i < messages->count && value.bytes <= UINT32_MAX; i++) {
		struct said what = said(messages, i);

		value.bytes += ENTRY + message_bytes(&what);
	}
	return set_value(span, key, &value);
}

/* Whole messages are hidden by other switches than their texts. */
#define HIDES_WHOLE(direction) \
	(SPANRING_HIDDEN_##direction##S | SPANRING_HIDDEN_##direction##_MESSAGES)

int genai_set_input_messages(struct spanring_span *span,
			     const struct spanring_llm_request *request)
{
	const struct messages messages = {
		.at = request->messages,
		.count = request->message_count,
		.role = "user",
		.hide_text = content_hidden & CONTENT_MODEL_INPUT,
	};

	if (!request->messages || !span->epoch)
		return 0;
	if (content_hidden & HIDES_WHOLE(INPUT))
		return spanring_set_string(span, SPANRING_ATTR_GEN_AI_INPUT_MESSAGES,
					   SPANRING_REDACTED);
	return set_messages(span, SPANRING_ATTR_GEN_AI_INPUT_MESSAGES, &messages);
}

int genai_set_output_messages(struct spanring_span *span,
			      const struct spanring_llm_response *response)
{
	const struct messages messages = {
		.at = response->messages,
		.count = response->message_count,
		.role = "assistant",
		.reasons = response->finish_reasons,
		.reason_count = response->finish_reasons ? response->finish_reason_count : 0,
		.hide_text = content_hidden & CONTENT_MODEL_OUTPUT,
	};

	if (!response->messages || !span->epoch)
		return 0;
	if (content_hidden & HIDES_WHOLE(OUTPUT))
		return spanring_set_string(span, SPANRING_ATTR_GEN_AI_OUTPUT_MESSAGES,
					   SPANRING_REDACTED);
	return set_messages(span, SPANRING_ATTR_GEN_AI_OUTPUT_MESSAGES, &messages);
}

/* ---- an answer ---------------------------------------------------------------------- */

struct cut_text {
	const char *text;
	uint64_t length;
	size_t mark_length;
};

static void write_cut_text(struct writer *writer, const void *owner)
{
	const struct cut_text *cut = owner;

	if (cut->length)
		writer_put(writer, cut->text, cut->length);
	if (cut->mark_length)
		writer_put(writer, CUT_MARK, cut->mark_length);
}

/* Characters of a text; what continues one does not count. */
static uint64_t characters(const char *text, size_t length)
{
	uint64_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += ((uint8_t)text[i] & 0xc0) != 0x80;
	return count;
}

static int set_cut_text(struct spanring_span *span, const char *text, size_t length,
			uint32_t kept)
{
	uint32_t longest = client_limits.value_length;
	struct cut_text cut = {text, 0, sizeof CUT_MARK - 1};
	struct value value = {.type = WIRE_STRING, .write = write_cut_text, .owner = &cut};

	/* The limit of the process's values is for the whole, the mark included. */
	if (longest < kept)
		kept = longest;
	cut.length = span_limits_cut(text, length, kept);
	if (cut.mark_length > longest - kept)
		cut.mark_length = longest - kept;
	value.bytes = cut.length + cut.mark_length;
	return set_value(span, SPANRING_ATTR_GEN_AI_RESPONSE_CONTENT, &value);
}

uint64_t genai_answer_over(const struct spanring_llm_response *response)
{
	size_t length = content_length(response->text, response->text_length);
	uint64_t count;

	/* A character is a byte at least. */
	if (!response->text_max || length <= response->text_max ||
	    content_hidden & CONTENT_MODEL_OUTPUT)
		return 0;
	count = characters(response->text, length);
	return count > response->text_max ? count : 0;
}

int genai_set_cut_answer(struct spanring_span *span,
			 const struct spanring_llm_response *response, uint64_t count)
{
	uint32_t kept = response->text_kept ? response->text_kept : SPANRING_TEXT_KEPT;
	struct spanring_attribute what[] = {
		spanring_bool(SPANRING_ATTR_GEN_AI_RESPONSE_TRUNCATED, true),
		spanring_string(SPANRING_ATTR_AGENTO_RESPONSE_TRUNCATED_REASON, "size_limit"),
		spanring_int(SPANRING_ATTR_AGENTO_RESPONSE_LENGTH, (int64_t)count),
	};
	int r, s;

	if (kept > response->text_max)
		kept = response->text_max;
	r = set_cut_text(span, response->text,
			 content_length(response->text, response->text_length), kept);
	s = spanring_set_attributes(span, what, sizeof what / sizeof what[0]);
	return r < 0 ? r : s;
}
