/* The structural check of records: the border between hostile bytes and the
 * rest of the agent, and of a process's own test sink. Everything behind it may use
 * the record_get_*() views. */
#include "wire/record.h"

struct entries_level {
	const uint8_t *at;
	const uint8_t *end;
	bool keyless; /* an array */
};

static int check_scalar(enum wire_value_type type, size_t length, const uint8_t *at)
{
	switch (type) {
	case WIRE_EMPTY:
		return length == 0 ? 0 : -EBADMSG;
	case WIRE_BOOL:
		return length == 1 && at[0] <= 1 ? 0 : -EBADMSG;
	case WIRE_INT:
	case WIRE_DOUBLE:
		return length == 8 ? 0 : -EBADMSG;
	case WIRE_STRING:
	case WIRE_BYTES:
		return 0;
	default:
		return -EBADMSG;
	}
}

/* Walks nested containers with a stack of its own: the depth comes from a
 * hostile peer and must not become the depth of our C stack. */
static int check_nested(const uint8_t *at, size_t length, bool keyless)
{
	struct entries_level stack[WIRE_DEPTH_MAX];
	struct record_entry entry;
	int depth = 0, r;

	stack[0] = (struct entries_level){at, at + length, keyless};
	while (depth >= 0) {
		struct entries_level *level = &stack[depth];

		r = record_entry_next(&level->at, level->end, &entry);
		if (r < 0)
			return r;
		if (r == 0) {
			depth--;
			continue;
		}
		if (level->keyless && entry.key_length != 0)
			return -EBADMSG;
		if (entry.type == WIRE_ARRAY || entry.type == WIRE_MAP) {
			if (depth + 1 == WIRE_DEPTH_MAX)
				return -EBADMSG;
			stack[++depth] = (struct entries_level){
				entry.value, entry.value + entry.value_length,
				entry.type == WIRE_ARRAY};
			continue;
		}
		r = check_scalar(entry.type, entry.value_length, entry.value);
		if (r < 0)
			return r;
	}
	return 0;
}

int record_check_entries(const uint8_t *at, size_t length)
{
	return check_nested(at, length, false);
}

int record_check_value(enum wire_value_type type, const uint8_t *at, size_t length)
{
	if (type == WIRE_ARRAY || type == WIRE_MAP)
		return check_nested(at, length, type == WIRE_ARRAY);
	return check_scalar(type, length, at);
}

/* The lengths in a record's fixed part must add up to no more than its body;
 * what is left over is the entries. `exact` means that nothing may be left. */
static int check_parts(const uint8_t *at, uint32_t length, uint32_t fixed, uint64_t parts,
		       bool exact)
{
	uint64_t used = (uint64_t)fixed + parts;

	if (used > length || (exact && used != length))
		return -EBADMSG;
	return exact ? 0 : record_check_entries(at + used, length - (uint32_t)used);
}

static int check_start(const uint8_t *at, uint32_t length)
{
	static const uint8_t zero[16];
	struct wire_start start;

	memcpy(&start, at, sizeof start);
	if (memcmp(start.trace_id, zero, 16) == 0 || memcmp(start.span_id, zero, 8) == 0)
		return -EBADMSG;
	return check_parts(at, length, sizeof start,
			   (uint64_t)start.name_length + start.tracestate_length, true);
}

static int check_attribute(const uint8_t *at, uint32_t length)
{
	struct wire_head head = record_head(at);
	struct record_attribute attribute;

	if (sizeof(struct wire_attribute) + head.aux > length || head.flags > WIRE_MAP)
		return -EBADMSG;
	attribute = record_get_attribute(at);
	return record_check_value(attribute.entry.type, attribute.entry.value,
				  attribute.entry.value_length);
}

static int check_event(const uint8_t *at, uint32_t length)
{
	struct wire_event event;

	memcpy(&event, at, sizeof event);
	return check_parts(at, length, sizeof event, event.name_length, false);
}

static int check_link(const uint8_t *at, uint32_t length)
{
	struct wire_link link;

	memcpy(&link, at, sizeof link);
	return check_parts(at, length, sizeof link, link.tracestate_length, false);
}

static int check_resource(const uint8_t *at, uint32_t length)
{
	struct wire_resource resource;

	memcpy(&resource, at, sizeof resource);
	return check_parts(at, length, sizeof resource, resource.schema_url_length, false);
}

static int check_scope(const uint8_t *at, uint32_t length)
{
	struct wire_scope scope;

	memcpy(&scope, at, sizeof scope);
	return check_parts(at, length, sizeof scope,
			   (uint64_t)scope.name_length + scope.version_length +
				   scope.schema_url_length,
			   false);
}

static int check_run(const uint8_t *at, uint32_t length)
{
	return check_parts(at, length, sizeof(struct wire_run), 0, false);
}

/* STATUS, NAME, FRAGMENT: any rest is fine. */
static int check_any_rest(const uint8_t *at, uint32_t length)
{
	(void)at;
	(void)length;
	return 0;
}

static int check_status(const uint8_t *at, uint32_t length)
{
	(void)length;
	return record_head(at).aux <= 2 ? 0 : -EBADMSG;
}

static int check_fragment(const uint8_t *at, uint32_t length)
{
	if (!(record_head(at).flags & WIRE_FRAGMENT_FIRST))
		return 0;
	return length >= sizeof(struct wire_fragment_first) ? 0 : -EBADMSG;
}

static const struct {
	uint32_t fixed;
	int (*check)(const uint8_t *at, uint32_t length);
} record_types[] = {
	[WIRE_START] = {sizeof(struct wire_start), check_start},
	[WIRE_END] = {sizeof(struct wire_end), check_any_rest},
	[WIRE_ATTRIBUTE] = {sizeof(struct wire_attribute), check_attribute},
	[WIRE_EVENT] = {sizeof(struct wire_event), check_event},
	[WIRE_LINK] = {sizeof(struct wire_link), check_link},
	[WIRE_STATUS] = {sizeof(struct wire_text), check_status},
	[WIRE_NAME] = {sizeof(struct wire_text), check_any_rest},
	[WIRE_RESOURCE] = {sizeof(struct wire_resource), check_resource},
	[WIRE_SCOPE] = {sizeof(struct wire_scope), check_scope},
	[WIRE_RUN] = {sizeof(struct wire_run), check_run},
	[WIRE_DROPPED] = {sizeof(struct wire_dropped), check_any_rest},
	[WIRE_PROCESS_END] = {sizeof(struct wire_process_end_record), check_any_rest},
	[WIRE_FRAGMENT] = {sizeof(struct wire_head), check_fragment},
	[WIRE_LIMITS] = {sizeof(struct wire_limits), check_any_rest},
};

int64_t record_check(const uint8_t *at, size_t available)
{
	struct wire_head head;
	int r;

	if (available < sizeof head)
		return -EBADMSG;
	head = record_head(at);
	if (head.length < sizeof head || head.length > available ||
	    head.length > UINT32_MAX - WIRE_RECORD_ALIGN || head.type == 0)
		return -EBADMSG;
	if (head.type >= sizeof record_types / sizeof record_types[0])
		return record_padded(head.length);
	if (head.length < record_types[head.type].fixed)
		return -EBADMSG;
	r = record_types[head.type].check(at, head.length);
	if (r < 0)
		return r;
	return record_padded(head.length);
}
