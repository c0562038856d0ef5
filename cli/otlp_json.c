#include "otlp_json.h"

#include <inttypes.h>
#include <stdlib.h>

const char *otlp_string(json_t *value)
{
	const char *text = json_string_value(value);

	return text ? text : "";
}

json_t *otlp_attribute(json_t *object, const char *key)
{
	json_t *attribute;
	size_t i;

	json_array_foreach (json_object_get(object, "attributes"), i, attribute)
		if (strcmp(otlp_string(json_object_get(attribute, "key")), key) == 0)
			return json_object_get(attribute, "value");
	return NULL;
}

const char *otlp_text(json_t *object, const char *key)
{
	return json_string_value(json_object_get(otlp_attribute(object, key), "stringValue"));
}

uint64_t otlp_uint64(json_t *value)
{
	if (json_is_string(value))
		return strtoull(json_string_value(value), NULL, 10);
	return (uint64_t)json_integer_value(value);
}

bool otlp_value_int(json_t *value, int64_t *ret_value)
{
	value = json_object_get(value, "intValue");
	if (!value)
		return false;
	*ret_value = (int64_t)otlp_uint64(value);
	return true;
}

bool otlp_int(json_t *object, const char *key, int64_t *ret_value)
{
	return otlp_value_int(otlp_attribute(object, key), ret_value);
}

static void members_text(struct buf *out, json_t *list, bool with_keys)
{
	json_t *member;
	size_t i;

	json_array_foreach (list, i, member) {
		if (i)
			(void)buf_append_text(out, ", ");
		if (with_keys) {
			(void)buf_append_text(out, otlp_string(json_object_get(member, "key")));
			(void)buf_append_text(out, ": ");
			member = json_object_get(member, "value");
		}
		otlp_value_text(out, member);
	}
}

void otlp_value_text(struct buf *out, json_t *value)
{
	const char *kind;
	json_t *held;

	json_object_foreach (value, kind, held) {
		if (json_is_string(held)) {
			(void)buf_append(out, json_string_value(held),
					 json_string_length(held));
		} else if (strcmp(kind, "arrayValue") == 0) {
			(void)buf_append_text(out, "[");
			members_text(out, json_object_get(held, "values"), false);
			(void)buf_append_text(out, "]");
		} else if (strcmp(kind, "kvlistValue") == 0) {
			(void)buf_append_text(out, "{");
			members_text(out, json_object_get(held, "values"), true);
			(void)buf_append_text(out, "}");
		} else if (json_is_integer(held)) {
			(void)buf_printf(out, "%" JSON_INTEGER_FORMAT,
					 json_integer_value(held));
		} else if (json_is_real(held)) {
			(void)buf_printf(out, "%.15g", json_real_value(held));
		} else {
			(void)buf_append_text(out, json_is_true(held) ? "true" : "false");
		}
		return; /* a value has one member */
	}
}
