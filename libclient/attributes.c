#include "attributes.h"

static int64_t value_bytes(const struct spanring_attribute *attribute, uint32_t longest,
			   int depth);

/* The elements of arrays of one type: an entry's head and so many bytes. */
static int64_t elements_bytes(size_t count, size_t each)
{
	if (count > UINT32_MAX / (sizeof(struct wire_entry) + each))
		return -EMSGSIZE;
	return (int64_t)(count * (sizeof(struct wire_entry) + each));
}

/* Of a text, as far as it may be written. */
static uint64_t text_bytes(const char *text, uint32_t longest)
{
	return text ? span_limits_cut(text, strlen(text), longest) : 0;
}

static int64_t strings_bytes(const char *const *strings, size_t count, uint32_t longest)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++) {
		bytes += sizeof(struct wire_entry) + text_bytes(strings[i], longest);
		if (bytes > UINT32_MAX)
			return -EMSGSIZE;
	}
	return (int64_t)bytes;
}

static int64_t nested_bytes(const struct spanring_attribute *parts, size_t count, bool keyed,
			    uint32_t longest, int depth)
{
	uint64_t bytes = 0;

	if (depth >= ATTRIBUTES_DEPTH_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		int64_t r = value_bytes(&parts[i], longest, depth + 1);

		if (r < 0)
			return r;
		if (keyed && (!parts[i].key || parts[i].key_length > UINT16_MAX))
			return -EINVAL;
		bytes += sizeof(struct wire_entry) + (keyed ? parts[i].key_length : 0) +
			 (uint64_t)r;
		if (bytes > UINT32_MAX)
			return -EMSGSIZE;
	}
	return (int64_t)bytes;
}

static int64_t value_bytes(const struct spanring_attribute *attribute, uint32_t longest,
			   int depth)
{
	size_t length = attribute->length;

	switch (attribute->type) {
	case SPANRING_TYPE_EMPTY:
		return 0;
	case SPANRING_TYPE_BOOL:
		return 1;
	case SPANRING_TYPE_INT:
	case SPANRING_TYPE_DOUBLE:
		return 8;
	default:
		break;
	}
	if (!attribute->value.at && (length || attribute->type == SPANRING_TYPE_STRING))
		return -EINVAL;
	switch (attribute->type) {
	case SPANRING_TYPE_STRING:
		length = span_limits_cut(attribute->value.string, length, longest);
		return length > UINT32_MAX ? -EMSGSIZE : (int64_t)length;
	case SPANRING_TYPE_BYTES:
		length = length > longest ? longest : length;
		return length > UINT32_MAX ? -EMSGSIZE : (int64_t)length;
	case SPANRING_TYPE_STRINGS:
		return strings_bytes(attribute->value.strings, length, longest);
	case SPANRING_TYPE_BOOLS:
		return elements_bytes(length, 1);
	case SPANRING_TYPE_INTS:
	case SPANRING_TYPE_DOUBLES:
		return elements_bytes(length, 8);
	case SPANRING_TYPE_VALUES:
		return nested_bytes(attribute->value.attributes, length, false, longest, depth);
	case SPANRING_TYPE_MAP:
		return nested_bytes(attribute->value.attributes, length, true, longest, depth);
	default:
		return -EINVAL;
	}
}

int64_t attribute_value_bytes(const struct spanring_attribute *attribute, uint32_t longest)
{
	if (!attribute->key || !attribute->key_length || attribute->key_length > UINT16_MAX)
		return -EINVAL;
	return value_bytes(attribute, longest, 0);
}

enum wire_value_type attribute_wire_type(const struct spanring_attribute *attribute)
{
	if (attribute->type < SPANRING_TYPE_STRINGS)
		return (enum wire_value_type)attribute->type; /* the same numbers */
	return WIRE_ARRAY;
}

_Static_assert((int)SPANRING_TYPE_STRING == (int)WIRE_STRING &&
		       (int)SPANRING_TYPE_BYTES == (int)WIRE_BYTES &&
		       (int)SPANRING_TYPE_VALUES == (int)WIRE_ARRAY &&
		       (int)SPANRING_TYPE_MAP == (int)WIRE_MAP,
	       "the header's types are the record's");

static void put_entry(struct writer *writer, enum wire_value_type type, const void *key,
		      size_t key_length, size_t value_length)
{
	uint8_t head[sizeof(struct wire_entry)];

	record_put_entry(head, type, (uint32_t)key_length, (uint32_t)value_length);
	writer_put(writer, head, sizeof head);
	if (key_length)
		writer_put(writer, key, key_length);
}

static void put_strings(struct writer *writer, const char *const *strings, size_t count,
			uint32_t longest)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = text_bytes(strings[i], longest);

		/* A NULL keeps its place, as an empty value. */
		put_entry(writer, strings[i] ? WIRE_STRING : WIRE_EMPTY, NULL, 0, length);
		if (length)
			writer_put(writer, strings[i], length);
	}
}

static void put_elements(struct writer *writer, enum wire_value_type type, const void *values,
			 size_t count, size_t each)
{
	const uint8_t *at = values;

	for (size_t i = 0; i < count; i++, at += each) {
		put_entry(writer, type, NULL, 0, each);
		writer_put(writer, at, each);
	}
}

static void put_bools(struct writer *writer, const bool *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t byte = values[i] ? 1 : 0;

		put_entry(writer, WIRE_BOOL, NULL, 0, sizeof byte);
		writer_put(writer, &byte, sizeof byte);
	}
}

static void put_nested(struct writer *writer, const struct spanring_attribute *parts,
		       size_t count, bool keyed, uint32_t longest, int depth)
{
	for (size_t i = 0; i < count; i++) {
		/* Measured before, and found good, at this depth. */
		int64_t bytes = value_bytes(&parts[i], longest, depth);

		put_entry(writer, attribute_wire_type(&parts[i]), parts[i].key,
			  keyed ? parts[i].key_length : 0, (size_t)bytes);
		attribute_write_value(writer, &parts[i], longest);
	}
}

void attribute_write_value(struct writer *writer, const struct spanring_attribute *attribute,
			   uint32_t longest)
{
	size_t length = attribute->length;
	uint8_t byte;

	switch (attribute->type) {
	case SPANRING_TYPE_EMPTY:
		break;
	case SPANRING_TYPE_BOOL:
		byte = attribute->value.boolean ? 1 : 0;
		writer_put(writer, &byte, sizeof byte);
		break;
	case SPANRING_TYPE_INT:
	case SPANRING_TYPE_DOUBLE:
		writer_put(writer, &attribute->value, 8);
		break;
	case SPANRING_TYPE_STRING:
	case SPANRING_TYPE_BYTES:
		/* Measured before, and found good. */
		length = (size_t)value_bytes(attribute, longest, 0);
		if (length)
			writer_put(writer, attribute->value.at, length);
		break;
	case SPANRING_TYPE_STRINGS:
		put_strings(writer, attribute->value.strings, length, longest);
		break;
	case SPANRING_TYPE_BOOLS:
		put_bools(writer, attribute->value.booleans, length);
		break;
	case SPANRING_TYPE_INTS:
		put_elements(writer, WIRE_INT, attribute->value.integers, length, 8);
		break;
	case SPANRING_TYPE_DOUBLES:
		put_elements(writer, WIRE_DOUBLE, attribute->value.reals, length, 8);
		break;
	case SPANRING_TYPE_VALUES:
		put_nested(writer, attribute->value.attributes, length, false, longest, 0);
		break;
	case SPANRING_TYPE_MAP:
		put_nested(writer, attribute->value.attributes, length, true, longest, 0);
		break;
	}
}

uint64_t attributes_entries_bytes(const struct spanring_attribute *attributes, size_t count,
				  uint32_t longest, uint32_t *ret_bad, int *ret_first_error)
{
	uint64_t bytes = 0;
	uint32_t bad = 0;
	int error = 0;

	for (size_t i = 0; attributes && i < count; i++) {
		int64_t r = attribute_value_bytes(&attributes[i], longest);

		if (r >= 0) {
			bytes += sizeof(struct wire_entry) + attributes[i].key_length +
				 (uint64_t)r;
			continue;
		}
		bad++;
		if (!error)
			error = (int)r;
	}
	*ret_bad = bad;
	*ret_first_error = error;
	return bytes;
}

void attributes_write_entries(struct writer *writer,
			      const struct spanring_attribute *attributes, size_t count,
			      uint32_t longest)
{
	for (size_t i = 0; i < count; i++) {
		int64_t bytes = attribute_value_bytes(&attributes[i], longest);

		if (bytes < 0)
			continue;
		put_entry(writer, attribute_wire_type(&attributes[i]), attributes[i].key,
			  attributes[i].key_length, (size_t)bytes);
		attribute_write_value(writer, &attributes[i], longest);
	}
}
