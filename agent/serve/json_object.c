#include "serve/json_object.h"

#include <inttypes.h>

#include "otlp/json_text.h"

static void member(struct json_writer *json, const char *key)
{
	if (json->inside)
		(void)buf_append_byte(json->out, ',');
	json->inside = true;
	if (key)
		(void)buf_printf(json->out, "\"%s\":", key);
}

void json_open(struct json_writer *json, const char *key, char bracket)
{
	member(json, key);
	(void)buf_append_byte(json->out, (uint8_t)bracket);
	json->inside = false;
}

void json_close(struct json_writer *json, char bracket)
{
	(void)buf_append_byte(json->out, (uint8_t)bracket);
	json->inside = true;
}

void json_number(struct json_writer *json, const char *key, uint64_t value)
{
	member(json, key);
	(void)buf_printf(json->out, "%" PRIu64, value);
}

void json_truth(struct json_writer *json, const char *key, bool value)
{
	member(json, key);
	(void)buf_append_text(json->out, value ? "true" : "false");
}

void json_text(struct json_writer *json, const char *key, struct bytes value)
{
	member(json, key);
	json_text_string(json->out, value);
}

void json_hex(struct json_writer *json, const char *key, const uint8_t *at, size_t len)
{
	member(json, key);
	(void)buf_append_byte(json->out, '"');
	for (size_t i = 0; i < len; i++)
		(void)buf_printf(json->out, "%02x", at[i]);
	(void)buf_append_byte(json->out, '"');
}

void json_counters(struct json_writer *json, const struct counter_table *table,
		   const void *counters)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct counter *row = &table->rows[i];

		if (!row->key)
			continue;
		if (row->kind == COUNTER_TRUTH)
			json_truth(json, row->key, counter_value(row, counters));
		else
			json_number(json, row->key, counter_value(row, counters));
	}
}
