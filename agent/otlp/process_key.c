#include "otlp/process_key.h"

#include "otlp/keys.h"
#include "otlp/pb.h"

enum {
	RESOURCE_ATTRIBUTES = 1,
	KEY_VALUE_VALUE = 2,
	ANY_VALUE_STRING = 1,
	ANY_VALUE_INT = 3,
};

/* The value's one member of that number and kind. */
static bool member_of(struct bytes attribute, uint32_t number, enum pb_wire wire,
		      struct pb_field *ret_member)
{
	struct pb_reader reader = pb_read(attribute), value;
	struct pb_field field;
	bool found = false;

	while (pb_next(&reader, &field) > 0) {
		if (field.number != KEY_VALUE_VALUE || field.wire != PB_BYTES)
			continue;
		value = pb_read(field.bytes);
		while (pb_next(&value, ret_member) > 0)
			found = ret_member->number == number && ret_member->wire == wire;
		if (found)
			return true;
	}
	return false;
}

static uint64_t hash_of(struct bytes text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ text.at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static void take(struct process_key *key, struct bytes attribute, bool *uid_known)
{
	struct bytes name = key_of(attribute);
	struct pb_field member;

	if (bytes_equal(name, bytes_of("spanring.uid")) &&
	    member_of(attribute, ANY_VALUE_INT, PB_VARINT, &member)) {
		key->uid = (uint32_t)member.value;
		*uid_known = true;
	} else if (bytes_equal(name, bytes_of("spanring.pid")) &&
		   member_of(attribute, ANY_VALUE_INT, PB_VARINT, &member)) {
		key->pid = (uint32_t)member.value;
	} else if (bytes_equal(name, bytes_of("service.instance.id")) &&
		   member_of(attribute, ANY_VALUE_STRING, PB_BYTES, &member)) {
		key->instance = hash_of(member.bytes);
	}
}

bool otlp_process_key(struct process_key *ret_key, struct bytes resource)
{
	struct pb_reader reader = pb_read(resource);
	struct process_key key = {0};
	struct pb_field field;
	bool uid_known = false;

	while (pb_next(&reader, &field) > 0)
		if (field.number == RESOURCE_ATTRIBUTES && field.wire == PB_BYTES)
			take(&key, field.bytes, &uid_known);
	if (!uid_known)
		return false;
	*ret_key = key;
	return true;
}
