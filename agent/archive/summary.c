#include "archive/summary.h"

#include "archive/facts.h"
#include "otlp/keys.h"
#include "otlp/pb.h"
#include "otlp/utf8.h"

#include <errno.h>
#include <stdio.h>

#define PREFIX "spanring.run."

enum {
	RESOURCE_ATTRIBUTES = 1,
	KEY_VALUE_KEY = 1,
	KEY_VALUE_VALUE = 2,
	ANY_VALUE_STRING = 1,
	ANY_VALUE_BOOL = 2,
	ANY_VALUE_INT = 3,
	ANY_VALUE_ARRAY = 5,
	ARRAY_VALUES = 1,
};

static const char end_not_said[] = "end not said";
static const char closed_by_us[] = "spans closed by the agent";
static const char spans_dropped[] = "spans dropped";
static const char records_dropped[] = "records dropped";
static const char account_lost[] = "agent restarted";

/* --- how a process ended ------------------------------------------------- */

static void signal_text(char ret_how[SUMMARY_HOW_BYTES], int number)
{
	const char *name = sigabbrev_np(number);

	if (name)
		(void)snprintf(ret_how, SUMMARY_HOW_BYTES, "signal SIG%s", name);
	else
		(void)snprintf(ret_how, SUMMARY_HOW_BYTES, "signal %d", number);
}

void summary_how(char ret_how[SUMMARY_HOW_BYTES], struct process_end end)
{
	const char *text = "unknown";

	switch (end.how) {
	case PROCESS_EXITED:
		(void)snprintf(ret_how, SUMMARY_HOW_BYTES, "exit %d", end.number);
		return;
	case PROCESS_KILLED:
		signal_text(ret_how, end.number);
		return;
	case PROCESS_EXITED_SOMEHOW:
		text = "exit";
		break;
	case PROCESS_ALIVE:
		text = "alive";
		break;
	case PROCESS_REPLACED:
		text = "exec";
		break;
	case PROCESS_SHUTDOWN:
		text = "shutdown";
		break;
	case PROCESS_UNKNOWN:
		break;
	}
	(void)snprintf(ret_how, SUMMARY_HOW_BYTES, "%s", text);
}

bool summary_how_is_final(const char *how)
{
	return strcmp(how, "unknown") != 0 && strcmp(how, "alive") != 0;
}

/* --- writing -------------------------------------------------------------- */

/* An attribute whose value is appended between these two; buf_failed() is asked once, by
 * summary_write(). */
struct attribute {
	struct pb_nested whole, value;
};

static struct attribute begin(struct buf *out, const char *key)
{
	struct attribute attribute;

	attribute.whole = pb_open(out, RESOURCE_ATTRIBUTES, 64);
	(void)buf_append_byte(out, KEY_VALUE_KEY << 3 | PB_BYTES);
	(void)buf_append_byte(out, (uint8_t)(sizeof(PREFIX) - 1 + strlen(key)));
	(void)buf_append_text(out, PREFIX);
	(void)buf_append_text(out, key);
	attribute.value = pb_open(out, KEY_VALUE_VALUE, 16);
	return attribute;
}

static void end(struct buf *out, struct attribute attribute)
{
	(void)pb_close(out, attribute.value);
	(void)pb_close(out, attribute.whole);
}

static struct bytes cut(struct bytes text)
{
	if (text.len > SUMMARY_TEXT_MAX)
		text.len = utf8_valid_len((struct bytes){text.at, SUMMARY_TEXT_MAX});
	return text;
}

static void put_text(struct buf *out, const char *key, struct bytes text)
{
	struct attribute attribute;

	if (text.len == 0)
		return;
	attribute = begin(out, key);
	(void)pb_bytes(out, ANY_VALUE_STRING, cut(text));
	end(out, attribute);
}

static void put_bool(struct buf *out, const char *key, bool value)
{
	struct attribute attribute = begin(out, key);

	(void)pb_varint(out, ANY_VALUE_BOOL, value);
	end(out, attribute);
}

static void put_int(struct buf *out, const char *key, uint64_t value)
{
	struct attribute attribute = begin(out, key);

	(void)pb_varint(out, ANY_VALUE_INT, value <= INT64_MAX ? value : INT64_MAX);
	end(out, attribute);
}

static void put_item(struct buf *out, struct bytes text)
{
	struct pb_nested item = pb_open(out, ARRAY_VALUES, text.len + 2);

	(void)pb_bytes(out, ANY_VALUE_STRING, text);
	(void)pb_close(out, item);
}

static bool is_complete(const struct summary *summary)
{
	return summary->end_said && !summary->ended_by_us && !summary->dropped_spans &&
	       !summary->dropped_records && !summary->account_lost;
}

static void put_reasons(struct buf *out, const struct summary *summary)
{
	struct attribute attribute = begin(out, "incomplete_reason");
	struct pb_nested array = pb_open(out, ANY_VALUE_ARRAY, 64);

	if (!summary->end_said)
		put_item(out, bytes_of(end_not_said));
	if (summary->ended_by_us)
		put_item(out, bytes_of(closed_by_us));
	if (summary->dropped_spans)
		put_item(out, bytes_of(spans_dropped));
	if (summary->dropped_records)
		put_item(out, bytes_of(records_dropped));
	if (summary->account_lost)
		put_item(out, bytes_of(account_lost));
	(void)pb_close(out, array);
	end(out, attribute);
}

static void put_modules(struct buf *out, const struct summary *summary)
{
	struct attribute attribute = begin(out, "modules");
	struct pb_nested array = pb_open(out, ANY_VALUE_ARRAY, 64);

	for (uint32_t i = 0; i < summary->process_count; i++)
		put_item(out, summary->processes[i].module);
	(void)pb_close(out, array);
	end(out, attribute);
}

static void put_exit_codes(struct buf *out, const struct summary *summary)
{
	struct attribute attribute = begin(out, "exit_codes");
	struct pb_nested array = pb_open(out, ANY_VALUE_ARRAY, 64);

	for (uint32_t i = 0; i < summary->process_count; i++)
		put_item(out, bytes_of(summary->processes[i].how));
	(void)pb_close(out, array);
	end(out, attribute);
}

static void put_id(struct buf *out, const uint8_t trace_id[16])
{
	char text[33];

	for (int i = 0; i < 16; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", trace_id[i]);
	put_text(out, "id", bytes_of(text));
}

int summary_write(struct buf *out, const struct summary *summary)
{
	bool complete = is_complete(summary);

	put_id(out, summary->trace_id);
	put_text(out, "name", summary->name);
	put_text(out, "goal", summary->goal);
	put_bool(out, "complete", complete);
	if (!complete)
		put_reasons(out, summary);
	put_int(out, "spans", summary->spans);
	put_int(out, "errors", summary->errors);
	put_int(out, "closed_spans", summary->ended_by_us);
	put_int(out, "dropped_spans", summary->dropped_spans);
	put_int(out, "dropped_records", summary->dropped_records);
	put_int(out, "input_tokens", summary->input_tokens);
	put_int(out, "output_tokens", summary->output_tokens);
	put_int(out, "start_unix_nano", summary->start_ns);
	put_int(out, "end_unix_nano", summary->end_ns);
	put_modules(out, summary);
	put_exit_codes(out, summary);
	return buf_failed(out) ? -ENOMEM : 0;
}

/* --- reading --------------------------------------------------------------- */

static bool is_ours(struct bytes key)
{
	return key.len >= sizeof(PREFIX) - 1 && memcmp(key.at, PREFIX, sizeof(PREFIX) - 1) == 0;
}

bool summary_is_in(struct bytes resource)
{
	struct pb_reader reader = pb_read(resource);
	struct pb_field field;

	if (!resource.len || !memmem(resource.at, resource.len, PREFIX, sizeof(PREFIX) - 1))
		return false;
	while (pb_next(&reader, &field) > 0)
		if (field.number == RESOURCE_ATTRIBUTES && field.wire == PB_BYTES &&
		    is_ours(key_of(field.bytes)))
			return true;
	return false;
}

int summary_split(struct buf *out, struct bytes resource, bool only)
{
	struct pb_reader reader = pb_read(resource);
	const uint8_t *from = reader.at;
	struct pb_field field;
	int r;

	for (; (r = pb_next(&reader, &field)) > 0; from = reader.at) {
		bool ours = field.number == RESOURCE_ATTRIBUTES && field.wire == PB_BYTES &&
			    is_ours(key_of(field.bytes));

		if (ours == only)
			(void)buf_append(out, from, (size_t)(reader.at - from));
	}
	if (r < 0)
		return r;
	return buf_failed(out) ? -ENOMEM : 0;
}

/* The value's last member of that number. */
static bool member_of(struct bytes attribute, uint32_t number, struct pb_field *ret_member)
{
	struct pb_reader reader = pb_read(attribute), value = pb_read((struct bytes){NULL, 0});
	struct pb_field field;
	bool found = false;

	while (pb_next(&reader, &field) > 0)
		if (field.number == KEY_VALUE_VALUE && field.wire == PB_BYTES)
			value = pb_read(field.bytes);
	while (pb_next(&value, &field) > 0)
		if (field.number == number) {
			*ret_member = field;
			found = true;
		}
	return found;
}

static uint64_t number_of(struct bytes attribute)
{
	struct pb_field member;

	return member_of(attribute, ANY_VALUE_INT, &member) && member.wire == PB_VARINT
		       ? member.value
		       : 0;
}

/* An item of an array is an AnyValue, as the value of an attribute is. */
static void each_item(struct bytes attribute, summary_how_fn *each, void *arg)
{
	struct pb_field array, item, text;
	struct pb_reader reader;
	uint32_t place = 0;

	if (!member_of(attribute, ANY_VALUE_ARRAY, &array) || array.wire != PB_BYTES)
		return;
	for (reader = pb_read(array.bytes); pb_next(&reader, &item) > 0; place++) {
		struct pb_reader value = pb_read(item.bytes);

		if (item.number == ARRAY_VALUES && item.wire == PB_BYTES &&
		    pb_next(&value, &text) > 0 && text.number == ANY_VALUE_STRING &&
		    text.wire == PB_BYTES)
			each(arg, place, text.bytes);
	}
}

static void take_reason(void *arg, uint32_t place, struct bytes reason)
{
	struct summary_before *before = arg;

	(void)place;
	if (bytes_equal(reason, bytes_of(end_not_said)))
		before->end_said = false;
	else if (bytes_equal(reason, bytes_of(account_lost)))
		before->account_lost = true;
}

static bool is(struct bytes attribute, const char *key)
{
	struct bytes name = key_of(attribute);

	if (!is_ours(name))
		return false;
	name.at += sizeof(PREFIX) - 1;
	name.len -= sizeof(PREFIX) - 1;
	return bytes_equal(name, bytes_of(key));
}

static void take(struct summary_before *before, struct bytes attribute)
{
	if (is(attribute, "incomplete_reason"))
		each_item(attribute, take_reason, before);
	else if (is(attribute, "dropped_spans"))
		before->dropped_spans = number_of(attribute);
	else if (is(attribute, "dropped_records"))
		before->dropped_records = number_of(attribute);
}

void summary_read(struct summary_before *ret_before, struct bytes attributes)
{
	struct pb_reader reader = pb_read(attributes);
	struct pb_field field;

	/* Of all the reasons not to be complete that is one, and then it is given. */
	*ret_before = (struct summary_before){.end_said = attributes.len > 0};
	while (pb_next(&reader, &field) > 0)
		if (field.number == RESOURCE_ATTRIBUTES && field.wire == PB_BYTES)
			take(ret_before, field.bytes);
}

void summary_each_how(struct bytes attributes, summary_how_fn *each, void *arg)
{
	struct pb_reader reader = pb_read(attributes);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		if (field.number == RESOURCE_ATTRIBUTES && field.wire == PB_BYTES &&
		    is(field.bytes, "exit_codes"))
			each_item(field.bytes, each, arg);
}
