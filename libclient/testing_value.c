#include "testing_value.h"

const char *testing_text(struct testing_arena *arena, struct record_text text)
{
	char *copy = testing_alloc(arena, 1, text.length + (size_t)1);

	if (copy && text.length)
		memcpy(copy, text.at, text.length);
	return copy;
}

/* ---- arrays of one type ------------------------------------------------------------ */

/* The type of array that holds them all, SPANRING_TYPE_VALUES where there is none. */
static enum spanring_type array_type(const struct spanring_attribute *parts, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (parts[i].type != parts[0].type)
			return SPANRING_TYPE_VALUES;
	if (count == 0)
		return SPANRING_TYPE_VALUES;
	switch (parts[0].type) {
	case SPANRING_TYPE_STRING:
		return SPANRING_TYPE_STRINGS;
	case SPANRING_TYPE_BOOL:
		return SPANRING_TYPE_BOOLS;
	case SPANRING_TYPE_INT:
		return SPANRING_TYPE_INTS;
	case SPANRING_TYPE_DOUBLE:
		return SPANRING_TYPE_DOUBLES;
	default:
		return SPANRING_TYPE_VALUES;
	}
}

union elements {
	const char **strings;
	bool *booleans;
	int64_t *integers;
	double *reals;
	void *at;
};

static void put_element(union elements to, size_t i, const struct spanring_attribute *part)
{
	switch (part->type) {
	case SPANRING_TYPE_STRING:
		to.strings[i] = part->value.string;
		break;
	case SPANRING_TYPE_BOOL:
		to.booleans[i] = part->value.boolean;
		break;
	case SPANRING_TYPE_INT:
		to.integers[i] = part->value.integer;
		break;
	default:
		to.reals[i] = part->value.real;
		break;
	}
}

static int take_array(struct testing_arena *arena, const struct record_entry *entry,
		      struct spanring_attribute *ret)
{
	struct record_text entries = {entry->value, entry->value_length};
	const struct spanring_attribute *parts;
	union elements elements;
	int r = testing_attributes(arena, entries, &parts, &ret->length);

	if (r < 0)
		return r;
	ret->type = array_type(parts, ret->length);
	ret->value.attributes = parts;
	if (ret->type == SPANRING_TYPE_VALUES)
		return 0;
	elements.at = testing_alloc(arena, ret->length, sizeof(int64_t));
	if (!elements.at)
		return -ENOMEM;
	for (size_t i = 0; i < ret->length; i++)
		put_element(elements, i, &parts[i]);
	ret->value.at = elements.at;
	return 0;
}

/* ---- one value ---------------------------------------------------------------------- */

/* As deep as record_check() lets it be. */
int testing_attribute(struct testing_arena *arena, const struct record_entry *entry,
		      struct spanring_attribute *ret)
{
	struct record_text key = {entry->key, entry->key_length};
	struct record_text value = {entry->value, entry->value_length};

	memset(ret, 0, sizeof *ret);
	ret->key = testing_text(arena, key);
	ret->key_length = key.length;
	ret->type = (enum spanring_type)entry->type; /* the same numbers, but for arrays */
	if (!ret->key)
		return -ENOMEM;
	switch (entry->type) {
	case WIRE_BOOL:
		ret->value.boolean = value.at[0] != 0;
		return 0;
	case WIRE_INT:
	case WIRE_DOUBLE:
		memcpy(&ret->value, value.at, 8);
		return 0;
	case WIRE_STRING:
	case WIRE_BYTES:
		ret->length = value.length;
		ret->value.string = testing_text(arena, value);
		return ret->value.string ? 0 : -ENOMEM;
	case WIRE_ARRAY:
		return take_array(arena, entry, ret);
	case WIRE_MAP:
		return testing_attributes(arena, value, &ret->value.attributes, &ret->length);
	default:
		return 0;
	}
}

int testing_attributes(struct testing_arena *arena, struct record_text entries,
		       const struct spanring_attribute **ret, size_t *ret_count)
{
	const uint8_t *at = entries.at, *end = entries.at + entries.length;
	struct spanring_attribute *attributes;
	struct record_entry entry;
	size_t count = 0;
	int r = 0;

	while (record_entry_next(&at, end, &entry) > 0)
		count++;
	attributes = testing_alloc(arena, count, sizeof *attributes);
	if (!attributes)
		return -ENOMEM;
	at = entries.at;
	for (size_t i = 0; i < count && r == 0; i++) {
		(void)record_entry_next(&at, end, &entry); /* was there before */
		r = testing_attribute(arena, &entry, &attributes[i]);
	}
	*ret = attributes;
	*ret_count = count;
	return r;
}
